"""The fields of forms and of addresses, read one by one up to a limit.

A general parser decodes everything before it counts, and one escape costs as much as many plain
bytes. Here nothing is decoded but names, and those values that somebody asks for.
"""

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from app.errors import InvalidInput

LONGEST_NAME = 100
"""Bytes of a name as sent; fields with longer ones are passed over."""


def read_fields(raw: bytes, *, most: int, longest: int) -> Iterator[tuple[str, bytes]]:
    """The name and the value, as sent, of each field in order, but for empty values, and for those
    of more than `longest` bytes. Raises InvalidInput, before the first field, if there are more
    than `most`."""
    parts = raw.split(b"&", most)
    if len(parts) > most:
        raise InvalidInput(f"There may be {most} fields at most.", "body")
    return _named(parts, longest)


def _named(parts: list[bytes], longest: int) -> Iterator[tuple[str, bytes]]:
    for part in parts:
        end = part.find(b"=", 0, LONGEST_NAME + 1)
        if end >= 0 and 0 < len(part) - end - 1 <= longest:
            yield decoded(part[:end]), part[end + 1 :]


def decoded(raw: bytes) -> str:
    """A name or value as it was meant: `+` is a space; what is not UTF-8 becomes U+FFFD."""
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")
