"""What pydantic found wrong with a setting, as a sentence part that can be translated."""

from collections.abc import Mapping
from typing import Any

from config.messages import Phrase, mark

_SENTENCES = {
    "int_parsing": mark("a whole number is needed"),
    "int_type": mark("a whole number is needed"),
    "int_from_float": mark("a whole number is needed"),
    "float_parsing": mark("a number is needed"),
    "float_type": mark("a number is needed"),
    "finite_number": mark("a number is needed"),
    "string_type": mark("text is needed"),
    "tuple_type": mark("a list is needed"),
    "greater_than": mark("it must be more than {gt}"),
    "greater_than_equal": mark("it must be at least {ge}"),
    "less_than_equal": mark("it must be at most {le}"),
    "literal_error": mark("it must be one of {expected}"),
    "string_too_long": mark("it must have at most {max_length} characters"),
    "model_type": mark("it is a section and needs keys of its own"),
    "model_attributes_type": mark("it is a section and needs keys of its own"),
}


def problem_of(error: Mapping[str, Any]) -> str | Phrase:
    """Turn one entry of ``ValidationError.errors()`` into a phrase; the value itself is never part of it.

    What our own validators say comes through as they say it; kinds of error not known here keep pydantic's
    English message.
    """
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "value_error":
        return Phrase(str(context["error"]))
    template = _SENTENCES.get(error["type"])
    return Phrase(template, **context) if template else str(error["msg"])
