"""The base of every error that a user can cause or has to act on."""

import os
import string
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from config.masking import mask, printable
from config.messages import Phrase, catalogue, current, mark

FACT_LIMIT = 1000  # characters shown of one fact; the output of a broken tool can be endless
_NONE = mark("none")
_E = TypeVar("_E", bound="SealdockError")


class Explanation(NamedTuple):
    """The three sentences owed to a user: what happened, what is safe, what to do."""

    happened: str
    safe: str
    todo: str


class SealdockError(Exception):
    """An error with a stable code, an exit code of its own, facts, and three sentences.

    ``str()`` is the first sentence in English, for logs; ``sentence()`` is for people. Facts are given by
    name, as the templates name them; passwords in URLs are masked wherever a fact is shown.
    ``retriable`` says that the cause may go away by itself, so work waits and tries again; it is never true
    of an integrity failure.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    happened: ClassVar[str] = mark("Something went wrong that sealdock has no name for.")
    safe: ClassVar[str] = mark("Footage that was reported safe stays safe; nothing was deleted.")
    todo: ClassVar[str] = mark(
        "Set SEALDOCK_LOG_LEVEL=debug, run the command again and report what it prints."
    )
    retriable: bool = False

    facts: dict[str, object]

    def __init__(self, **facts: object) -> None:
        super().__init__()
        self.facts = facts

    @classmethod
    def fact_names(cls) -> frozenset[str]:
        """Return the names of the facts that the sentences of this class speak of."""
        return frozenset(
            field
            for template in (cls.happened, cls.safe, cls.todo)
            for _, field, _, _ in string.Formatter().parse(template)
            if field
        )

    @classmethod
    def template(cls, language: str | None = None) -> Explanation:
        """Return the three sentences of the class, each fact as its name between ‹ and ›."""
        translate = catalogue(current() if language is None else language).gettext
        names = {name: f"‹{name}›" for name in cls.fact_names()}
        return Explanation(
            translate(cls.happened).format_map(names),
            translate(cls.safe).format_map(names),
            translate(cls.todo).format_map(names),
        )

    def explain(self, language: str | None = None) -> Explanation:
        """Return the three sentences in a language (``en``, ``zh_CN``; default: the one in use)."""
        language = current() if language is None else language
        translate = catalogue(language).gettext
        facts = _Facts({name: _show(value, language) for name, value in self.facts.items()})
        return Explanation(
            translate(self.happened).format_map(facts),
            translate(self.safe).format_map(facts),
            translate(self.todo).format_map(facts),
        )

    def sentence(self) -> str:
        """Return the three sentences as one text in the language in use."""
        # Chinese full stops carry their own space.
        return "".join(part if part.endswith("。") else part + " " for part in self.explain()).rstrip()

    def to_json(self) -> dict[str, Any]:
        """Return code, exit code, facts and sentences as plain JSON values; secrets are masked."""
        return {
            "error": self.code,
            "exit_code": self.exit_code,
            "retriable": self.retriable,
            "facts": {name: _plain(value) for name, value in self.facts.items()},
            **self.explain()._asdict(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make the error again from ``to_json`` (facts are then the masked, plain ones).

        Raises ValueError when the code names no error of this class or below it.
        """
        for kind in (cls, *subclasses(cls)):
            if kind.code == data.get("error"):
                return kind(**{str(name): value for name, value in dict(data.get("facts", {})).items()})
        raise ValueError(f"no such error code: {data.get('error')!r}")

    def __str__(self) -> str:
        return self.explain("en").happened

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={_plain(v)!r}' for k, v in self.facts.items())})"

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own way would call the class with self.args, and so lose the facts.
        return (_remake, (type(self), self.facts))


def subclasses(base: type[_E]) -> Iterator[type[_E]]:
    """Walk all classes below ``base``, each once."""
    seen: set[type[_E]] = set()
    waiting = [base]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind not in seen:
                seen.add(kind)
                waiting.append(kind)
                yield kind


def _remake(kind: type[SealdockError], facts: dict[str, object]) -> SealdockError:
    return kind(**facts)


class _Facts(dict[str, str]):
    """Facts for a template; one that is missing shows as a question mark, since an error must not fail."""

    def __missing__(self, key: str) -> str:
        return "?"


def _show(value: object, language: str) -> str:
    """Return a fact as text for people."""
    if value is None:
        return catalogue(language).gettext(_NONE)
    if isinstance(value, Phrase):
        text = value.show(language)
    elif isinstance(value, datetime):
        # An error shows what it was given: a naive time is shown as it is, never guessed into UTC.
        text = (value.astimezone(UTC) if value.tzinfo else value).isoformat().replace("+00:00", "Z")
    elif isinstance(value, bytes | os.PathLike):
        text = os.fsdecode(value)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        text = "; ".join(_show(item, language) for item in value) or catalogue(language).gettext(_NONE)
    else:
        text = str(value)
    return printable(mask(text), limit=FACT_LIMIT)


def _plain(value: object) -> object:
    """Return a fact as a JSON value."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return _show(value, "en")
