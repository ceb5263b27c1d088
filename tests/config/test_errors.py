import ast
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import cli
import config.errors
from config.errors import (
    CategoryUnknownError,
    DigestMismatchError,
    ImportRefusedError,
    IntegrityError,
    LockShorteningError,
    RegisterLockedError,
    SealdockError,
    SpoolFullError,
    VaultUnavailableError,
    all_errors,
)
from config.messages import Phrase, use
from config.settings import Settings
from config.sources import known_names

ALL = pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    use("en")
    yield
    use("en")


def facts_for(kind: type[SealdockError]) -> dict[str, object]:
    return {name: f"<{name}>" for name in kind.fact_names()}


def test_exit_codes_and_codes_are_unique_and_fit_a_shell() -> None:
    exit_codes = [kind.exit_code for kind in all_errors()]
    assert exit_codes == sorted(set(exit_codes))
    assert exit_codes[0] == 1
    assert all(10 <= code < 126 for code in exit_codes[1:])  # 2 is click's; a shell owns 126 and above
    codes = [kind.code for kind in all_errors()]
    assert len(set(codes)) == len(codes)


@ALL
def test_class_is_complete_and_exported(kind: type[SealdockError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)
    assert getattr(config.errors, kind.__name__) is kind
    if kind is not SealdockError:
        # What is inherited by accident would say something about another case.
        assert {"code", "exit_code", "happened", "safe", "todo"} <= set(vars(kind))
    for sentence in (kind.happened, kind.safe, kind.todo):
        assert sentence.endswith(".")
        assert sentence[0].isupper() or sentence[0] == "{"


@ALL
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_sentence_holds_every_fact(kind: type[SealdockError], language: str) -> None:
    use(language)
    error = kind(**facts_for(kind))
    told = error.sentence()
    assert all(f"<{name}>" in told for name in kind.fact_names())
    assert "?" not in told.replace("(?", "")
    assert ("。" in told) == (language == "zh_CN")


@ALL
def test_comes_back_from_pickle_and_json(kind: type[SealdockError]) -> None:
    error = kind(**facts_for(kind))
    pickled = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    for again in (pickled, SealdockError.from_json(error.to_json())):
        assert type(again) is kind
        assert again.facts == error.facts
        assert again.sentence() == error.sentence()


def test_from_json_refuses_an_unknown_code_and_one_of_another_branch() -> None:
    with pytest.raises(ValueError, match="no-such-code"):
        SealdockError.from_json({"error": "no-such-code", "facts": {}})
    with pytest.raises(ValueError, match="register-locked"):
        IntegrityError.from_json(RegisterLockedError(url="x").to_json())


def test_integrity_failures_are_never_retriable() -> None:
    kinds = [kind for kind in all_errors() if issubclass(kind, IntegrityError)]
    assert DigestMismatchError in kinds
    assert not any(kind.retriable for kind in kinds)
    assert VaultUnavailableError.retriable


def test_str_stays_english_for_logs() -> None:
    use("zh_CN")
    error = SpoolFullError(path=Path("/spool"), needed=5, free=3)
    assert str(error) == "The spool /spool is full: 5 bytes are needed, 3 are free."
    assert error.sentence().startswith("暂存区 /spool 已满：需要 5 字节，剩余 3 字节。")
    assert error.explain("en").happened == str(error)


def test_passwords_never_show() -> None:
    error = RegisterLockedError(url="postgresql://clerk:hunter2@db.example/register?password=hunter2")
    shown = [error.sentence(), str(error), repr(error), str(error.to_json())]
    assert not [text for text in shown if "hunter2" in text]
    assert "db.example" in error.sentence()


def test_names_from_a_card_cannot_play_tricks_on_a_terminal() -> None:
    error = DigestMismatchError(
        what="a\x1b[2J\n\u202egpj.exe\udcff", algorithm="sha256", expected="1", found="2" * 5000
    )
    told = error.sentence()
    assert told.isprintable()
    assert "\\x1b[2J\\n\\u202egpj.exe" in told
    assert len(told) < 2000
    told.encode("utf-8")
    str(error.to_json()).encode("utf-8")


def test_facts_are_shown_as_people_read_them() -> None:
    error = LockShorteningError(
        key=b"clips/x", current=datetime(2026, 5, 1, 12, tzinfo=UTC), asked=Phrase("{n} months", n=3)
    )
    assert str(error) == (
        "The lock of clips/x lasts until 2026-05-01T12:00:00Z and cannot be shortened to 3 months."
    )
    assert "row 1; row 2" in str(ImportRefusedError(file="a.csv", rows=["row 1", "row 2"]))
    assert error.to_json()["facts"]["asked"] == "3 months"
    none = CategoryUnknownError(category="x", nearest=None, known=[])
    assert "最接近的名称：无。" in none.explain("zh_CN").todo
    assert none.to_json()["facts"]["nearest"] is None


def test_a_missing_fact_does_not_hide_the_error() -> None:
    assert str(RegisterLockedError()) == "The register ? is locked by another process."


def test_every_place_that_raises_gives_the_facts_of_its_class(project_root: Path) -> None:
    known = {kind.__name__: kind.fact_names() for kind in all_errors()}
    wrong = []
    seen = 0
    for path in sorted(project_root.rglob("*.py")):
        name = path.relative_to(project_root)
        if name.parts[0] in {"tests", "build"} or any(part.startswith(".") for part in name.parts):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            given = {keyword.arg for keyword in node.keywords}
            if node.func.id in known and None not in given:
                seen += 1
                if node.args or given != known[node.func.id]:
                    wrong.append(f"{name}:{node.lineno} {node.func.id}{sorted(map(str, given))}")
    assert seen > 10
    assert wrong == []


def test_commands_that_sentences_name_exist() -> None:
    named = {
        command
        for kind in all_errors()
        for command in re.findall(r"`sealdock (\w+)", kind.happened + kind.safe + kind.todo)
    }
    assert "init" in named
    assert named <= set(cli.COMMANDS)


def test_settings_that_sentences_name_exist() -> None:
    known = known_names(Settings)
    sections = {name.partition(".")[0] for name in known}
    named = {
        f"{section}.{key}"
        for kind in all_errors()
        for section, key in re.findall(r"\b([a-z]+)\.([a-z_]+)", kind.happened + kind.safe + kind.todo)
        if section in sections
    }
    assert "docking.max_depth" in named
    assert named <= set(known)


def test_template_names_its_facts() -> None:
    assert RegisterLockedError.template("en").happened == "The register ‹url› is locked by another process."
    assert RegisterLockedError.template("zh_CN").happened == "登记库 ‹url› 已被另一个进程锁定。"
