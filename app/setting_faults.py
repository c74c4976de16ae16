"""What is wrong with a setting, in one sentence: which variable, what is wrong, what it is for."""

from collections.abc import Mapping
from difflib import get_close_matches

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Groups = Mapping[str, type[BaseModel]]


def fault_sentence(fault: ErrorDetails, groups: Groups) -> str:
    """`groups` are the settings' models by the prefix of their names."""
    where = [part for part in fault["loc"] if isinstance(part, str) and part != "[key]"]
    message = fault["msg"].removeprefix("Value error, ")
    match fault["type"]:
        case "extra_forbidden":
            return f"{_name(where)} is not a setting; {_hint(where, groups)}"
        case "string_pattern_mismatch":
            return f"{_name(where)}: a store's key has 1 to 32 characters, each of a-z, 0-9 or -."
        case "value_error" if not where or where[-1] in groups:
            return f"{message}."
        case "missing":
            problem = "is not set"
        case "value_error":
            problem = message
        case _:
            problem = f"is wrong ({message[:1].lower()}{message[1:]})"
    meaning = _meaning(where, groups)
    return f"{_name(where)} {problem}; set it in the environment or in .env: {meaning}."


def _name(where: list[str]) -> str:
    """The environment's name of a setting: all in capitals but for the store's key."""
    key = 1 if where[0] == "stores" else None
    return "__".join(part if at == key else part.upper() for at, part in enumerate(where))


def _hint(where: list[str], groups: Groups) -> str:
    """What was probably meant, by the names of the same group."""
    known = _group(where, groups).model_fields
    near = get_close_matches(where[-1], list(known), n=1)
    if near:
        return f"did you mean {_name([*where[:-1], near[0]])}?"
    return "docs/configuration.md lists them all."


def _group(where: list[str], groups: Groups) -> type[BaseModel]:
    return groups["stores__main" if where[0] == "stores" else "".join(where[:-1])]


def _meaning(where: list[str], groups: Groups) -> str:
    field = _group(where, groups).model_fields.get(where[-1])
    return (field.description if field else None) or "see docs/configuration.md"
