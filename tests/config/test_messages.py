import gettext
import importlib.util
import os
import pickle
import string
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from config import messages
from config.errors import all_errors
from config.messages import LOCALE_DIR, Phrase, catalogue, from_environment, mark, named, ngettext, use

MO = Path(LOCALE_DIR) / "zh_CN" / "LC_MESSAGES" / "sealdock.mo"


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    use("en")
    yield
    use("en")


@pytest.fixture(scope="module")
def tool(project_root: Path) -> ModuleType:
    path = project_root / "deploy" / "dev" / "catalogues.py"
    spec = importlib.util.spec_from_file_location("catalogues", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh-CN"}, "zh_CN"),
        ({"LANG": "zh"}, "zh_CN"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "POSIX"}, "en"),
        ({"LANG": "zha_CN"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN"}, "zh_CN"),
        ({"LANG": "zh_CN", "LC_MESSAGES": "zh_CN", "LC_ALL": "C"}, "en"),
        ({"LANG": "zh_CN", "LC_ALL": ""}, "zh_CN"),
    ],
)
def test_language_of_the_locale(environ: dict[str, str], language: str) -> None:
    assert from_environment(environ) == language


def test_auto_follows_the_locale_and_a_choice_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    use("auto")
    assert messages._("Nothing was signed.") == "没有签署任何内容。"
    use("en")
    assert messages._("Nothing was signed.") == "Nothing was signed."


@pytest.mark.parametrize(
    ("text", "language"),
    [("zh", "zh_CN"), ("zh-CN", "zh_CN"), ("zh_CN.UTF-8", "zh_CN"), ("ZH_cn", "zh_CN"), ("en_GB", "en")]
    + [(text, text) for text in ("auto", "de", "zhuang", "")],
)
def test_a_language_by_another_name(text: str, language: str) -> None:
    assert named(text) == language


def test_unknown_language_is_refused_and_changes_nothing() -> None:
    use("zh_CN")
    with pytest.raises(ValueError, match="de"):
        use("de")
    assert messages.current() == "zh_CN"


def test_unknown_sentence_comes_back_as_it_is() -> None:
    use("zh_CN")
    assert messages._("No catalogue knows this.") == "No catalogue knows this."
    assert ngettext("{n} thing nobody knows", "{n} things nobody knows", 2) == "{n} things nobody knows"


def test_phrase_is_translated_when_shown() -> None:
    phrase = Phrase(mark("it must be at least {ge}"), ge=3)
    assert str(phrase) == "it must be at least 3"
    assert phrase.show("zh_CN") == "不得小于 3"
    again = pickle.loads(pickle.dumps(phrase))  # noqa: S301 - our own bytes
    assert again.show("zh_CN") == "不得小于 3"


def test_every_sentence_of_the_program_is_translated(tool: ModuleType) -> None:
    for path in tool.po_files():
        written = tool.read(path)
        wanted = {message.id for message in tool.template() if message.id}
        hint = "run: python deploy/dev/catalogues.py extract"
        assert {message.id for message in written if message.id} == wanted, hint
        assert tool.untranslated(written) == []


def test_translations_have_the_fields_of_their_sentences(tool: ModuleType) -> None:
    def fields(text: str) -> set[str]:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field}

    checked = 0
    for path in tool.po_files():
        for message in tool.read(path):
            ids = (message.id,) if isinstance(message.id, str) else message.id
            if message.id:
                checked += 1
                for form in tool.forms(message):
                    assert fields(form) == fields(ids[-1]), ids
    assert checked > 100


def test_po_file_is_as_the_tool_writes_it(tool: ModuleType) -> None:
    for path in tool.po_files():
        assert path.read_bytes() == tool.as_po(tool.read(path))


def test_compiled_catalogue_is_that_of_the_text(tool: ModuleType) -> None:
    for path in tool.po_files():
        compiled = path.with_suffix(".mo").read_bytes()
        assert compiled == tool.as_mo(tool.read(path)), "run: python deploy/dev/catalogues.py compile"


def test_every_error_speaks_chinese() -> None:
    translate = catalogue("zh_CN").gettext
    for kind in all_errors():
        for sentence in (kind.happened, kind.safe, kind.todo):
            translated = translate(sentence)
            assert translated != sentence
            assert translated.endswith("。")
            # No Western full stop or comma slips in between Chinese characters.
            assert not any(a in ",.;:" and b > "\u4e00" for a, b in pairwise(translated))


def test_terms_of_the_trade() -> None:
    with MO.open("rb") as file:
        entries = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    for word, term in {
        "recorder": "执法记录仪",
        "vault": "保险库",
        "manifest": "清单文件",
        "evidence clerk": "证据管理员",
        "spool": "暂存区",
        "retention schedule": "保存期限表",
    }.items():
        sentences = [
            (english, chinese)
            for english, chinese in entries.items()
            if isinstance(english, str) and f" {word} " in f" {english} " and "{" + word + "}" not in english
        ]
        assert sentences, word
        assert [pair for pair in sentences if term not in pair[1]] == []


@pytest.mark.parametrize("module", ["config.errors", "config.messages"])
def test_importing_is_light_and_reads_no_settings(project_root: Path, module: str) -> None:
    heavy = ["pydantic", "pydantic_settings", "zoneinfo", "sqlalchemy", "click", "tomllib", "pathlib"]
    code = f"import sys, {module}; print(*[name for name in {heavy} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(project_root)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={key: value for key, value in os.environ.items() if not key.startswith("COV")},
    )
    bare = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; print(*[n for n in {heavy} if n in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert set(found.stdout.split()) <= set(bare.stdout.split())
