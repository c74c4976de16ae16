"""What is wrong with a field of a form, in words that a person uses."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MOST_SHOWN = 40
CHOOSE = "Choose one of the list."
UNFIT = "This cannot be as it is."
LINE = "Leave out line breaks and other control characters."


def say_faults(error: ValidationError, patterns: Mapping[str, str] | None = None) -> dict[str, str]:
    """By field, the first fault of each. `patterns` says what a field is made of, where it is
    made of something."""
    found: dict[str, str] = {}
    for each in error.errors(include_url=False):
        name, *way = each["loc"] or ("",)
        told = say_fault(each, (patterns or {}).get(str(name), LINE))
        found.setdefault(str(name), f"{_shown(each['input'])}: {told}" if way else told)
    return found


def say_fault(fault: ErrorDetails, pattern: str = LINE) -> str:
    """One fault of pydantic's, as a sentence that says how to mend it."""
    given: Mapping[str, Any] = fault.get("ctx", {})
    sentences = {
        "string_pattern_mismatch": pattern,
        "string_too_long": "Give at most {max_length} characters.",
        "string_too_short": "Give something.",
        "too_long": "Name at most {max_length}, not {actual_length}.",
        "enum": CHOOSE,
        "literal_error": CHOOSE,
        "int_parsing": "Give a whole number.",
        "int_parsing_size": "Give a smaller number.",
        "greater_than_equal": "Give a number of at least {ge}.",
        "less_than_equal": "Give a number of at most {le}.",
        "country": fault["msg"].replace("{", "{{").replace("}", "}}"),
    }
    return sentences.get(fault["type"], UNFIT).format(**given)


def _shown(value: Any) -> str:
    text = str(value)
    return f"“{text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + '…'}”"
