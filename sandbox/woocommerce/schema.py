"""WordPress's request validation: which argument is refused, with which code and message."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.phpnumber import whole_number
from sandbox.woocommerce.wordpress import is_email, sanitize_text_field

Schema = Mapping[str, Any]

_NUMERIC = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$", re.ASCII)
_BOOLEAN_WORDS = frozenset({"false", "true", "0", "1", ""})


class ParamFault(Exception):
    """One argument is not what its schema says; code, message and `data` as WordPress has them."""

    def __init__(self, code: str, message: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


@dataclass(frozen=True, slots=True)
class Param:
    """One argument of an endpoint.

    `parsed` marks those that WooCommerce declares without a validation callback: they are checked
    only after all others passed, and null is checked too. `clean` replaces the schema's sanitising.
    """

    schema: Schema
    required: bool = False
    default: Any = None
    parsed: bool = False
    clean: Callable[[str], Any] | None = None


def accept_params(values: Mapping[str, Any], params: Mapping[str, Param]) -> dict[str, Any]:
    """The sanitised arguments with defaults; raises RestError as has_valid_params() does."""
    merged = {name: param.default for name, param in params.items() if param.default is not None}
    merged.update(values)
    missing = [
        name for name, param in params.items() if param.required and merged.get(name) is None
    ]
    if missing:
        message = f"Missing parameter(s): {', '.join(missing)}"
        raise RestError("rest_missing_callback_param", message, 400, params=missing)
    _check(merged, {n: p for n, p in params.items() if not p.parsed and merged.get(n) is not None})
    _check(
        merged, {name: param for name, param in params.items() if param.parsed and name in merged}
    )
    return {name: _clean(value, params.get(name)) for name, value in merged.items()}


def _check(values: Mapping[str, Any], params: Mapping[str, Param]) -> None:
    faults: dict[str, ParamFault] = {}
    for name, param in params.items():
        try:
            validate(values[name], param.schema, name)
        except ParamFault as fault:
            faults[name] = fault
    if faults:
        raise _invalid_params(faults)


def _invalid_params(faults: Mapping[str, ParamFault]) -> RestError:
    details = {
        name: {"code": fault.code, "message": fault.message, "data": fault.data}
        for name, fault in faults.items()
    }
    return RestError(
        "rest_invalid_param",
        f"Invalid parameter(s): {', '.join(faults)}",
        400,
        params={name: fault.message for name, fault in faults.items()},
        details=details,
    )


def _clean(value: Any, param: Param | None) -> Any:
    if param is None:
        return value
    if param.clean is not None:
        return param.clean(scalar_text(value))
    return sanitize(value, param.schema)


def validate(value: Any, schema: Schema, name: str) -> None:
    """Raise ParamFault unless the value fits the schema; `name` is how the message calls it."""
    if value is None and schema.get("nullable"):
        return
    kind = schema.get("type", "mixed")
    if not _TYPE_CHECKS[kind](value):
        raise ParamFault("rest_invalid_type", f"{name} is not of type {kind}.", {"param": name})
    if kind == "array":
        for index, item in enumerate(_as_list(value)):
            validate(item, schema.get("items", {}), f"{name}[{index}]")
    elif kind == "object":
        _validate_object(value, schema, name)
    else:
        _validate_scalar(value, schema, name)


def _validate_object(value: Any, schema: Schema, name: str) -> None:
    properties = schema.get("properties", {})
    for key, item in value.items() if isinstance(value, dict) else ():
        if key in properties:
            validate(item, properties[key], f"{name}[{key}]")


def _validate_scalar(value: Any, schema: Schema, name: str) -> None:
    if "enum" in schema and value not in schema["enum"]:
        raise ParamFault("rest_not_in_enum", f"{name} is not one of {_spoken(schema['enum'])}.")
    if schema.get("format") == "email" and not is_email(value):
        raise ParamFault("rest_invalid_email", "Invalid email address.")
    if schema.get("format") == "date-time" and parse_date(value) is None:
        raise ParamFault("rest_invalid_date", "Invalid date.")
    if "minimum" in schema:
        _validate_bounds(whole_number(value), schema, name)


def _validate_bounds(value: int, schema: Schema, name: str) -> None:
    low, high = schema["minimum"], schema.get("maximum")
    if high is None:
        if value < low:
            message = f"{name} must be greater than or equal to {low}"
            raise ParamFault("rest_out_of_bounds", message)
    elif not low <= value <= high:
        message = f"{name} must be between {low} (inclusive) and {high} (inclusive)"
        raise ParamFault("rest_out_of_bounds", message)


def _spoken(words: list[str]) -> str:
    if len(words) < 3:
        return " and ".join(words)
    return f"{', '.join(words[:-1])}, and {words[-1]}"


def parse_date(text: str) -> datetime | None:
    """A date of a query, naive where it names no zone."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def sanitize(value: Any, schema: Schema) -> Any:
    """The value in the schema's type, as rest_sanitize_value_from_schema() makes it."""
    kind = schema.get("type", "mixed")
    if kind == "array":
        return [sanitize(item, schema.get("items", {})) for item in _as_list(value)]
    if kind == "object":
        return _sanitize_object(value, schema)
    if kind == "string":
        text = scalar_text(value)
        return sanitize_text_field(text) if schema.get("format") == "email" else text
    if kind == "integer":
        return whole_number(value or 0)
    if kind == "boolean":
        return _boolean(value)
    return value


def _sanitize_object(value: Any, schema: Schema) -> Any:
    if not isinstance(value, dict):
        return value if isinstance(value, list) else {}
    known = schema.get("properties", {})
    return {
        key: sanitize(item, known[key]) if key in known else item for key, item in value.items()
    }


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() not in ("false", "0", "")
    return bool(value)


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict) or value is None:
        return []
    return [part for part in re.split(r"[\s,]+", scalar_text(value)) if part]


def _is_integer(value: Any) -> bool:
    return _is_number(value) and (math.isinf(float(value)) or float(value).is_integer())


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_NUMERIC.match(value))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_boolean(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() in _BOOLEAN_WORDS
    return isinstance(value, bool) or value in (0, 1)


def _is_array(value: Any) -> bool:
    return isinstance(value, (list, str, int, float)) or value == {}


_TYPE_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "number": _is_number,
    "boolean": _is_boolean,
    "array": _is_array,
    "object": lambda value: isinstance(value, (dict, list)) or value == "",
    "mixed": lambda _: True,
}
