"""Text as both systems can agree on it: decoded once, free of what cannot be stored, comparable."""

import re
import unicodedata
from html.entities import name2codepoint

REPLACEMENT = "\ufffd"

_ENTITY = re.compile(
    r"&(?:#(?P<dec>[0-9]+)|#[xX](?P<hex>[0-9A-Fa-f]+)|(?P<name>[A-Za-z][A-Za-z0-9]*));"
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_BLANKS = re.compile(r"[ \t\r\n]+")


def decode_entities(text: str) -> str:
    """HTML 4.01 entities decoded once, as PHP does it: no `&apos;`, no bare `&amp`.

    Contract page readback, rule 2 of Vtiger's text fields.
    """
    return _ENTITY.sub(_decoded, text) if "&" in text else text


def _decoded(match: re.Match[str]) -> str:
    if match["name"]:
        code = name2codepoint.get(match["name"])
        return match[0] if code is None else chr(code)
    digits, radix = (match["dec"], 10) if match["dec"] else (match["hex"], 16)
    significant = digits.lstrip("0")[:8]
    code = int(significant or "0", radix)
    return chr(code) if _allowed_in_html4(code) else match[0]


def _allowed_in_html4(code: int) -> bool:
    return (
        0x20 <= code <= 0x7E
        or code in (0x09, 0x0A, 0x0D)
        or 0xA0 <= code <= 0xD7FF
        or 0xE000 <= code <= 0x10FFFF
    )


def plain(raw: str) -> str:
    """A system's raw text in neutral space: decoded once, no C0 controls, no lone surrogates.

    Tabs and line breaks stay. The result can be stored by PostgreSQL and sent as JSON.
    """
    return storable(decode_entities(raw))


def storable(text: str) -> str:
    """Text without C0 controls and lone surrogates, else as it is."""
    return _SURROGATES.sub(REPLACEMENT, _CONTROLS.sub("", text))


def collapse(text: str) -> str:
    """Runs of space, tab, CR and LF as one space, none at the ends; other blanks are text."""
    return _BLANKS.sub(" ", text).strip(" ")


def replace_astral(text: str) -> str:
    """Each four-byte character as U+FFFD, which Vtiger can store (else it makes `????`)."""
    return _ASTRAL.sub(REPLACEMENT, text)


def restore_astral(text: str, original: str) -> str:
    """`text` with its U+FFFD turned back into the four-byte characters of `original`, in order.

    Only if there are as many: then it is an edit of what `replace_astral` made of `original`.
    """
    lost = _ASTRAL.findall(original)
    if not lost or len(lost) != text.count(REPLACEMENT):
        return text
    parts = text.split(REPLACEMENT)
    return parts[0] + "".join(char + part for char, part in zip(lost, parts[1:], strict=True))


def canonical_text(text: str) -> str:
    """What two texts must share to be the same: NFC, controls and four-byte differences aside.

    Contract page readback, "Lossy": decode (done on reading), NFC, drop controls, collapse, trim.
    """
    return collapse(replace_astral(unicodedata.normalize("NFC", _CONTROLS.sub("", text))))


def cut_at_word(text: str, size: int) -> str:
    """At most `size` characters of `text`, ending with a whole word if that keeps half of them."""
    if len(text) <= size:
        return text
    head = text[:size]
    at = -1 if text[size].isspace() else max(head.rfind(" "), head.rfind("\n"))
    return (head[:at] if at >= size // 2 else head).rstrip()
