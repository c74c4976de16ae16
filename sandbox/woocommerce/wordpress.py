"""WordPress's own sanitising of names, e-mail addresses and user names, rule for rule."""

import html.entities
import re

from sandbox.woocommerce.markup import strip_tags
from sandbox.woocommerce.php import trim

_ALLOWED_TAGS = frozenset(
    {
        "a",
        "abbr",
        "acronym",
        "b",
        "blockquote",
        "cite",
        "code",
        "del",
        "em",
        "i",
        "q",
        "s",
        "strike",
        "strong",
    }
)
_LESS_THAN = re.compile(r"<[^>]*?((?=<)|>|$)")
_SCRIPT = re.compile(r"<(script|style)[^>]*?>.*?</\1>", re.IGNORECASE | re.DOTALL)
_BLANKS = re.compile(r"[\r\n\t ]+")
_PERCENT = re.compile(r"%[a-f0-9]{2}", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_KSES_TOKEN = re.compile(r"<!--.*?(?:-->|$)|</[^a-zA-Z][^>]*>|<![^>]*>|<[^>]*(?:>|$)|>", re.DOTALL)
_KSES_TAG = re.compile(r"<\s*(/\s*)?([a-zA-Z0-9-]+)([^>]*)>?$")
_NAMED = re.compile(r"&amp;([A-Za-z]{2,8}[0-9]{0,2});")
_DECIMAL = re.compile(r"&amp;#(0*[0-9]{1,7});")
_HEX = re.compile(r"&amp;#[Xx](0*[0-9A-Fa-f]{1,6});")
_BARE_AMPERSAND = re.compile(r"&(?!(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);)")
_ENTITY_NAMES = frozenset(html.entities.name2codepoint)
_EMAIL_LOCAL = re.compile(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+$")
_EMAIL_LABEL = re.compile(r"[a-z0-9-]+$", re.IGNORECASE)
_GENERIC_LOCAL_PARTS = frozenset({"sales", "hello", "mail", "contact", "info"})


def sanitize_text_field(text: str) -> str:
    """One line of plain text: no tags, no %xx, single blanks, trimmed."""
    if "<" in text:
        text = escape_unclosed_tags(text)
        text = trim(strip_tags(_SCRIPT.sub("", text))).replace("<\n", "&lt;\n")
    text = trim(_BLANKS.sub(" ", text))
    return _without_percent_codes(text)


def escape_unclosed_tags(text: str) -> str:
    """wp_pre_kses_less_than(): a "<" that no ">" follows is text."""
    return _LESS_THAN.sub(lambda found: _escape_unclosed(found[0]), text)


def _escape_unclosed(part: str) -> str:
    return part if ">" in part else _special_chars(part, quotes=True)


def _without_percent_codes(text: str) -> str:
    found = _PERCENT.search(text)
    if not found:
        return text
    while found:
        text = text.replace(found[0], "")
        found = _PERCENT.search(text)
    return trim(re.sub(" +", " ", text))


def saved_user_name(text: str) -> str:
    """A first or last name after the next save of its user (contract page readback).

    wp_update_user() filters the stored names again, whatever was changed: control characters go,
    `&`, `<` and `>` are encoded, "0" counts as empty.
    """
    if text == "0":
        return ""
    return _special_chars(_kses(sanitize_text_field(text)))


def _kses(text: str) -> str:
    text = normalize_entities(_CONTROLS.sub("", text))
    return _KSES_TOKEN.sub(lambda found: _kses_token(found[0]), text)


def _kses_token(token: str) -> str:
    if not token.startswith("<"):
        return "&gt;"
    found = _KSES_TAG.match(token)
    if not found or found[2].lower() not in _ALLOWED_TAGS:
        return ""
    if found[1]:
        return f"</{found[2]}>"
    return f"<{found[2]} />" if found[3].rstrip().endswith("/") else f"<{found[2]}>"


def _special_chars(text: str, *, quotes: bool = False) -> str:
    text = _BARE_AMPERSAND.sub("&amp;", normalize_entities(text))
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#039;") if quotes else text


def normalize_entities(text: str) -> str:
    """wp_kses_normalize_entities(): every `&` that begins no known entity is encoded."""
    if "&" not in text:
        return text
    text = text.replace("&", "&amp;")
    text = _NAMED.sub(
        lambda found: f"&{found[1]};" if found[1] in _ENTITY_NAMES else found[0], text
    )
    text = _DECIMAL.sub(lambda found: f"&#{found[1].lstrip('0').rjust(3, '0')};", text)
    return _HEX.sub(lambda found: f"&#x{found[1].lstrip('0')};", text)


def is_email(text: str) -> bool:
    """WordPress's idea of an e-mail address: ASCII, a dot in the domain, no blanks around."""
    if len(text.encode()) < 6 or "@" not in text[1:]:
        return False
    local, _, domain = text.partition("@")
    return bool(_EMAIL_LOCAL.match(local)) and _is_domain(domain)


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    if ".." in domain or trim(domain).strip(".") != domain or len(labels) < 2:
        return False
    return all(trim(label).strip("-") == label and _EMAIL_LABEL.match(label) for label in labels)


def sanitize_email(text: str) -> str:
    """The address with foreign characters removed, or "" where nothing usable is left."""
    if len(text) < 6 or "@" not in text[1:]:
        return ""
    local, _, domain = text.partition("@")
    local = re.sub(r"[^a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]", "", local)
    domain = trim(re.sub(r"\.{2,}", "", domain)).strip(".")
    labels = [
        re.sub(r"[^a-z0-9-]+", "", trim(part).strip("-"), flags=re.I) for part in domain.split(".")
    ]
    labels = [label for label in labels if label]
    return f"{local}@{'.'.join(labels)}" if local and len(labels) >= 2 else ""


def sanitize_user(name: str) -> str:
    """A user name with only the characters that WordPress's strict mode keeps."""
    plain = re.sub(r"&.+?;", "", _PERCENT.sub("", strip_tags(name)))
    return trim(re.sub(r"\s+", " ", re.sub(r"[^a-z0-9 _.\-@]", "", plain, flags=re.IGNORECASE)))


def user_name_from_email(email: str) -> str:
    """The user name that WooCommerce makes of an address, before any suffix."""
    local, _, domain = email.partition("@")
    return sanitize_user(domain if local in _GENERIC_LOCAL_PARTS else local).lower()
