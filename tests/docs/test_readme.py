from pathlib import Path

import pytest

from cli import root
from tests.docs.console import ROOT, blocks, commands, headings, links, normal, prose, run, steps

ENGLISH = (ROOT / "README.md").read_text("utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text("utf-8")


def test_the_first_round_prints_what_the_readme_says(tmp_path: Path) -> None:
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    script = steps(ENGLISH.split("\n## A second page")[0])
    assert len(script) == 9
    # Immutable files would outlive the test where root runs it.
    environment = {"SEALDOCK_STATION_ID": "station-07", "SEALDOCK_VAULT_IMMUTABLE": "off"}
    printed = run(script, tmp_path, environment)
    assert [
        (step.command, normal(output, tmp_path)) for step, output in zip(script, printed, strict=True)
    ] == [(step.command, normal(step.output, tmp_path)) for step in script]


@pytest.mark.parametrize("name", [name for name, _ in commands(root)])
def test_every_command_is_in_the_table(name: str) -> None:
    assert f"| `{name}" in ENGLISH
    assert f"| `{name}" in CHINESE


def test_the_tables_name_only_commands_that_exist() -> None:
    rows = [line.split("`")[1] for line in ENGLISH.splitlines() if line.startswith("| `sealdock ")]
    known = {name for name, _ in commands(root)}
    assert {
        row for row in rows if not any(row == name or row.startswith(f"{name} ") for name in known)
    } == set()
    assert len(rows) == len(known)


def test_json_is_offered_where_the_readme_says() -> None:
    without = {
        name
        for name, command in commands(root)
        if not any("--json" in param.opts for param in command.params)
    }
    # Services; what they do is in the log, in `status --json` and in `witness logs --json`.
    # Two print a document as it is.
    assert without == {
        "sealdock watch",
        "sealdock witness serve",
        "sealdock ledger prove",
        "sealdock ledger checkpoint",
    }


def test_both_readmes_have_the_same_sections() -> None:
    levels = [[heading.split()[0] for heading in headings(text)] for text in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]


def test_both_readmes_have_the_same_blocks_in_the_same_sections() -> None:
    assert blocks(ENGLISH) == blocks(CHINESE)
    per_section = [[section.count("```") for section in text.split("\n## ")] for text in (ENGLISH, CHINESE)]
    assert per_section[0] == per_section[1]


def test_both_readmes_have_the_same_links() -> None:
    translated = [link.replace(".zh-CN", "") for link in links(CHINESE)]
    assert translated[0] == links(ENGLISH)[0].replace(".zh-CN", "")
    assert translated[1:] == links(ENGLISH)[1:]


def test_both_readmes_say_as_many_things_section_by_section() -> None:
    def shape(text: str) -> list[tuple[int, int]]:
        sections = prose(text).split("\n## ")
        return [(section.count("\n- "), section.count("\n| ")) for section in sections]

    assert shape(ENGLISH) == shape(CHINESE)
