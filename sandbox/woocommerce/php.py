"""What PHP itself does to text and values on their way into and out of WordPress's database.

Ported rules, not approximations: the contract page readback is a consequence of them.
"""

import re
from typing import Any

_TRIMMED = " \t\n\r\0\x0b"
_LEADING_INTEGER = re.compile(r"\s*[+-]?\d+")
_SLASH = re.compile(r"\\(.?)", re.DOTALL)
_SERIALIZED_SCALAR = re.compile(r"[bid]:[0-9.E+-]+;")
_SERIALIZED_COMPOUND = re.compile(r"[saOE]:[0-9]+:")


def stripslashes(text: str) -> str:
    """Remove one level of backslashes; a backslash before 0 becomes NUL, as in PHP."""
    return _SLASH.sub(lambda found: "\0" if found[1] == "0" else found[1], text)


def trim(text: str) -> str:
    return text.strip(_TRIMMED)


def scalar_text(value: Any) -> str:
    """The text PHP makes of a scalar: true is "1", false and null are ""."""
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    return _float_text(value) if isinstance(value, float) else str(value)


def integer(value: Any) -> int:
    """PHP's (int) of a scalar: the leading number, 0 where there is none."""
    found = (
        _LEADING_INTEGER.match(scalar_text(value)) if not isinstance(value, (list, dict)) else None
    )
    return int(found[0]) if found else 0


def _float_text(value: float) -> str:
    text = repr(value)
    mantissa, exponent_mark, exponent = text.partition("e")
    if not exponent_mark:
        return mantissa.removesuffix(".0")
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}E{exponent[0]}{exponent[1:].lstrip('0')}"


def serialize(value: Any) -> str:
    """PHP's serialize(); string lengths are in UTF-8 bytes."""
    if isinstance(value, str):
        return f's:{len(value.encode())}:"{value}";'
    if isinstance(value, bool):
        return f"b:{int(value)};"
    if isinstance(value, int):
        return f"i:{value};"
    if isinstance(value, float):
        return f"d:{_float_text(value)};"
    if value is None:
        return "N;"
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    inner = "".join(serialize(key) + serialize(item) for key, item in pairs)
    return f"a:{len(value)}:{{{inner}}}"


def looks_serialized(text: str) -> bool:
    """WordPress's is_serialized() in its lenient mode, which decides about double serialising."""
    data = trim(text)
    if data == "N;":
        return True
    if len(data) < 4 or data[1] != ":" or not _ends_like_serialized(data):
        return False
    if data[0] == "s":
        return '"' in data
    return bool(_SERIALIZED_COMPOUND.match(data) or _SERIALIZED_SCALAR.match(data))


def _ends_like_serialized(data: str) -> bool:
    semicolon, brace = data.find(";"), data.find("}")
    if semicolon == -1 and brace == -1:
        return False
    return not (0 <= semicolon < 3 or 0 <= brace < 4)


def stored_text(value: Any) -> str:
    """What update_user_meta() leaves in the column when it is read back raw.

    Text loses a level of backslashes; text that looks serialised is serialised once more; lists
    and objects are serialised (contract page readback, "customers billing").
    """
    if isinstance(value, (list, dict)):
        return serialize(value)
    text = stripslashes(value) if isinstance(value, str) else scalar_text(value)
    return serialize(text) if looks_serialized(text) else text


def array_value(value: Any) -> Any:
    """A decoded JSON value after a trip through PHP arrays: {} is [], {"0": ..} is a list."""
    if isinstance(value, dict):
        items = {key: array_value(item) for key, item in value.items()}
        if list(items) == [str(index) for index in range(len(items))]:
            return list(items.values())
        return items
    if isinstance(value, list):
        return [array_value(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
