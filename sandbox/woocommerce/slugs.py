"""Slugs as sanitize_title() makes them of names."""

import html
import re
import unicodedata
from typing import Final
from urllib.parse import quote

from sandbox.woocommerce.markup import strip_tags

_MAX_BYTES: Final = 200
_SINGLE: Final = str.maketrans(
    {"ß": "s", "€": "E", "£": "", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "×": "x"}
    | {"æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"}
)
_DASHES: Final = re.compile(r"[/\u2013\u2014\u00a0\s.]+")
_DROPPED: Final = re.compile(r"[^\w%-]|[\u2018-\u201f\u00ab\u00bb]")


def slug_of(name: str) -> str:
    """Lower case, accents gone, other scripts percent-encoded, cut at 200 bytes."""
    text = strip_tags(name)
    text = re.sub(r"&[a-zA-Z0-9#]+;", "", text)
    text = _without_accents(html.unescape(text).translate(_SINGLE))
    text = re.sub(r"%(?![0-9a-fA-F]{2})", "", text)
    kept = "".join(char if _is_kept(char) else "-" if _is_dash(char) else "" for char in text)
    encoded = _cut("".join(_encoded(char) for char in kept.lower()))
    return re.sub(r"-+", "-", encoded).strip("-")


def _without_accents(text: str) -> str:
    parts = []
    for char in text:
        plain = unicodedata.normalize("NFD", char)
        is_latin = plain[0].isascii() and plain[0].isalpha()
        parts.append(plain[0] if is_latin else char)
    return "".join(parts)


def _is_kept(char: str) -> bool:
    if char.isascii():
        return char.isalnum() or char in "-_%"
    return not _DROPPED.match(char) or unicodedata.category(char)[0] in "LMNS"


def _is_dash(char: str) -> bool:
    return bool(_DASHES.match(char))


def _encoded(char: str) -> str:
    return char if char.isascii() else quote(char).lower()


def _cut(text: str) -> str:
    """At 200 bytes, not within an encoded character."""
    return re.sub(r"(%[0-9a-f]?)$", "", text[:_MAX_BYTES])
