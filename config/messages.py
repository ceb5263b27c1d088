"""What people read: one catalogue per language, through GNU gettext.

The message id is the English sentence itself, so English needs no catalogue. Log events do not pass
through here: they stay English. Importing this module reads no file; a catalogue is opened when its language
is chosen.
"""

import gettext as _gettext
import os
from collections.abc import Mapping

DOMAIN = "sealdock"
LOCALE_DIR = os.path.join(os.path.dirname(__file__), "locale")  # noqa: PTH118, PTH120 - pathlib is slow to import
LANGUAGES = ("en", "zh_CN")

_ENGLISH = _gettext.NullTranslations()
_catalogues: dict[str, _gettext.NullTranslations] = {"en": _ENGLISH}
_chosen = "en"


def mark(text: str) -> str:
    """Mark an English sentence for the catalogue and return it as it is; it is translated when shown."""
    return text


def named(text: str) -> str:
    """Return the language that somebody means: a locale such as ``zh``, ``zh-CN`` or ``en_GB.UTF-8``, too.

    What names none of ours comes back as it is.
    """
    language = text.replace("-", "_").partition(".")[0].partition("@")[0].partition("_")[0].lower()
    return {"zh": "zh_CN", "en": "en"}.get(language, text)


def from_environment(environ: Mapping[str, str] | None = None) -> str:
    """Return the language that the locale asks for: LC_ALL, then LC_MESSAGES, then LANG (POSIX order).

    Every Chinese locale gets ``zh_CN``, the only Chinese catalogue there is; every other locale gets ``en``.
    """
    environ = os.environ if environ is None else environ
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = environ.get(name, "")
        if value:
            return "zh_CN" if named(value) == "zh_CN" else "en"
    return "en"


def catalogue(language: str) -> _gettext.NullTranslations:
    """Open the catalogue of a language (``en`` or ``zh_CN``), once per process.

    A missing or unreadable catalogue file falls back to English: a sentence in the wrong language is better
    than no sentence. Raises ValueError for a language that sealdock does not know.
    """
    if language not in LANGUAGES:
        raise ValueError(f"no such language: {language}")
    found = _catalogues.get(language)
    if found is None:
        found = _gettext.translation(DOMAIN, LOCALE_DIR, languages=[language], fallback=True)
        _catalogues[language] = found
    return found


def use(language: str) -> None:
    """Choose the language of this process: ``en``, ``zh_CN``, or ``auto`` for that of the locale."""
    global _chosen  # noqa: PLW0603 - the one choice of language a process makes, at its composition root
    wanted = from_environment() if language == "auto" else language
    catalogue(wanted)
    _chosen = wanted


def current() -> str:
    """Return the language in use: ``en`` or ``zh_CN``."""
    return _chosen


def _(text: str) -> str:
    """Translate a sentence into the language in use; an unknown sentence comes back as it is."""
    return catalogue(_chosen).gettext(text)


def ngettext(singular: str, plural: str, count: int) -> str:
    """Translate a sentence that depends on a number; the caller still fills the number in."""
    return catalogue(_chosen).ngettext(singular, plural, count)


class Phrase:
    """A sentence part with facts in it, translated when it is shown, not when it is made.

    ``Phrase(mark("must be at least {limit}"), limit=3)`` may be a fact of an error: it is then readable in
    every language, while ``str()`` stays English for logs.
    """

    __slots__ = ("facts", "template")

    def __init__(self, template: str, **facts: object) -> None:
        self.template = template
        self.facts = facts

    def show(self, language: str) -> str:
        """Return the phrase in the language asked for (``en`` or ``zh_CN``)."""
        return catalogue(language).gettext(self.template).format(**self.facts)

    def __str__(self) -> str:
        return self.template.format(**self.facts)

    def __repr__(self) -> str:
        return f"Phrase({str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (_phrase, (self.template, self.facts))


def _phrase(template: str, facts: dict[str, object]) -> Phrase:
    return Phrase(template, **facts)
