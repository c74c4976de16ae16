"""How MariaDB compares text in a utf8mb3 table: ignoring case, accents and trailing spaces."""

import re
import unicodedata
from functools import lru_cache

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}


@lru_cache(maxsize=200_000)
def key(value: str) -> str:
    """Two texts are equal in the database when their keys are (contract page Vtiger §6)."""
    return "".join(_weight(char) for char in value.rstrip(" "))


@lru_cache(maxsize=10_000)
def _weight(char: str) -> str:
    if char == "ß":
        return "S"
    base = unicodedata.normalize("NFD", char)[0]
    upper = base.upper()
    return upper if len(upper) == 1 else base


def utf8mb3(value: str) -> str:
    """Every character beyond the basic plane becomes four question marks."""
    if value.isascii():
        return value
    return "".join("????" if ord(char) > 0xFFFF else char for char in value)


def unescape(literal: str) -> str:
    """The text between the quotes of an SQL literal, as MariaDB reads it.

    `\\%` and `\\_` stay as they are: they only mean something to LIKE.
    """
    value = literal.replace("''", "'")
    return utf8mb3(re.sub(r"\\(.)", _unescaped, value, flags=re.DOTALL))


def _unescaped(match: re.Match[str]) -> str:
    char = match[1]
    return match[0] if char in "%_" else _ESCAPES.get(char, char)


@lru_cache(maxsize=1_000)
def like(pattern: str) -> re.Pattern[str]:
    """The LIKE pattern as a regular expression over `like_key` text."""
    parts = re.findall(r"\\.|.", pattern, flags=re.DOTALL)
    return re.compile("".join(_like_part(part) for part in parts), flags=re.DOTALL)


def _like_part(part: str) -> str:
    if part == "%":
        return ".*"
    if part == "_":
        return "."
    return re.escape(_weight(part[-1]))


@lru_cache(maxsize=200_000)
def like_key(value: str) -> str:
    """As `key`, but trailing spaces count: LIKE does not pad."""
    return "".join(_weight(char) for char in value)
