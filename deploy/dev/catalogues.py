"""The message catalogues of the program.

After a sentence changed: ``python deploy/dev/catalogues.py extract``, translate what it lists, then the same
with ``compile``.
Both are deterministic: no dates, no line numbers, so a difference shows only what changed.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ROOT / "config" / "locale"
DOMAIN = "sealdock"
# Tests, benchmarks and scripts show nothing to users.
LEFT_OUT = {"tests", "bench", "deploy", "docs", "build"}
# The modules of click whose words a user of ours may meet.
CLICK_SPEAKS = ("core.py", "decorators.py", "exceptions.py", "formatting.py", "parser.py", "types.py")
KEYWORDS = {"_": None, "mark": None, "ngettext": (1, 2)}


class PlainCatalogue(Catalog):
    """A catalogue whose header says nothing about when and with what it was made."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """The header, without babel's dates and versions."""
        return [
            ("Project-Id-Version", "sealdock"),
            ("Language", str(self.locale_identifier)),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]


def sentences() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Walk the program: (file relative to the checkout, sentence or its singular and plural)."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT)
        if name.parts[0] in LEFT_OUT or any(part.startswith(".") for part in name.parts):
            continue
        with path.open("rb") as file:
            for _, message, _, _ in extract("python", file, keywords=KEYWORDS):
                yield name.as_posix(), message


def titles() -> Iterator[tuple[str, str]]:
    """Walk the texts of shipped tables that people read."""
    sys.path.insert(0, str(ROOT))
    from config.profiles import load_profiles  # noqa: PLC0415 - found only once the checkout is on the path

    for profile in load_profiles(None):
        yield "config/defaults/profiles.toml", profile.title


def helps() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Walk the help texts of all commands, and what click says itself."""
    sys.path.insert(0, str(ROOT))
    import cli  # noqa: PLC0415 - found only once the checkout is on the path
    from commands import helptext  # noqa: PLC0415

    todo: list[tuple[str, click.Command]] = [("cli.py", cli.root)]
    while todo:
        name, command = todo.pop()
        yield from ((name, text) for text in helptext.paragraphs(command))
        yield from ((name, option.help) for option in helptext.options(command) if option.help)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for child in command.list_commands(context):
                found = command.get_command(context, child)
                if found is not None:
                    place = found.callback.__module__ if found.callback else "cli"
                    todo.append((f"{place.replace('.', '/')}.py", found))
    for module in CLICK_SPEAKS:
        with (Path(click.__file__).parent / module).open("rb") as file:
            for _, message, _, _ in extract("python", file, keywords=KEYWORDS):
                yield f"click/{module}", message


def template() -> Catalog:
    """Return an untranslated catalogue of all sentences."""
    catalogue = Catalog(domain=DOMAIN)
    for name, message in [*sentences(), *titles(), *helps()]:
        catalogue.add(message, locations=[(name, 0)])
    return catalogue


def po_files() -> list[Path]:
    """Return the catalogue of every language."""
    return sorted(LOCALES.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


def read(path: Path) -> PlainCatalogue:
    """Read a catalogue; the folder names its language."""
    language = path.parts[-3]
    catalogue = PlainCatalogue(locale=language, domain=DOMAIN, fuzzy=False)
    catalogue.header_comment = f"# Messages of sealdock: {language}."
    with path.open("rb") as file:
        for message in read_po(file, locale=language, domain=DOMAIN):
            if message.id:
                catalogue[message.id] = message
    return catalogue


def as_po(catalogue: Catalog) -> bytes:
    """Return a catalogue as text."""
    out = io.BytesIO()
    write_po(out, catalogue, width=110, sort_output=True, include_lineno=False, ignore_obsolete=True)
    return out.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    """Return a catalogue as gettext reads it."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def untranslated(catalogue: Catalog) -> list[str]:
    """Return the sentences that have no translation, or not in every plural form."""
    return [
        message.id if isinstance(message.id, str) else message.id[0]
        for message in catalogue
        if message.id and not all(forms(message))
    ]


def forms(message: Message) -> tuple[str, ...]:
    """Return the translation of a message in each of its plural forms; an empty one is missing."""
    return (message.string or "",) if isinstance(message.string, str | None) else tuple(message.string)


def main(arguments: list[str]) -> int:
    """Run ``extract`` or ``compile``; the exit code is 1 when translations are missing."""
    if arguments not in (["extract"], ["compile"]):
        print(__doc__, file=sys.stderr)
        return 2
    missing = 0
    for path in po_files():
        catalogue = read(path)
        if arguments == ["extract"]:
            catalogue.update(template(), no_fuzzy_matching=True, update_creation_date=False)
            path.write_bytes(as_po(catalogue))
        else:
            path.with_suffix(".mo").write_bytes(as_mo(catalogue))
        for message in untranslated(catalogue):
            print(f"{path.relative_to(ROOT)}: not translated: {message}")
            missing += 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
