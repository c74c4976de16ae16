"""JSON as PHP reads and writes it: its refusals on the way in, its escapes on the way out."""

import json
import re
from typing import Any, NoReturn

_ESCAPED_DELETE = re.compile(r"(?<!\\)((?:\\\\)*)\\u007f")


class JsonRefused(ValueError):
    """PHP's json_decode() failed; `code` and the message are json_last_error()'s."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError


def decode_json(raw: bytes) -> Any:
    """The decoded value; raises JsonRefused for what PHP refuses, lone surrogates included."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        message = "Malformed UTF-8 characters, possibly incorrectly encoded"
        raise JsonRefused(5, message) from error
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise JsonRefused(1, "Maximum stack depth exceeded") from error
    except ValueError as error:
        raise _refusal(error) from error
    _refuse_lone_surrogates(text, value)
    return value


def _refusal(error: ValueError) -> JsonRefused:
    if "control character" in str(error):
        return JsonRefused(3, "Control character error, possibly incorrectly encoded")
    return JsonRefused(4, "Syntax error")


def _refuse_lone_surrogates(text: str, value: Any) -> None:
    if "\\ud" not in text.lower():
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise JsonRefused(10, "Single unpaired high surrogate in Unicode escape") from error


def encode_json(value: Any) -> bytes:
    """ASCII JSON with `\\u` escapes and `\\/`, byte for byte as json_encode() writes it."""
    text = json.dumps(value, separators=(",", ":")).replace("/", "\\/")
    if "\\u007f" in text:
        text = _ESCAPED_DELETE.sub(lambda found: f"{found[1]}\x7f", text)
    return text.encode()
