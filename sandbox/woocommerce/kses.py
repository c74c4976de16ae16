"""wp_kses_post(): which HTML survives in product texts, and how it is spelled afterwards.

Contract page readback, "products name". Wider than the handful of tags that names of users keep.
"""

import re
from typing import Final

from sandbox.woocommerce.wordpress import escape_unclosed_tags, normalize_entities


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS: Final = _words(
    "a abbr acronym address area article aside audio b bdo big blockquote br button caption cite"
    " code col colgroup dd del details dfn div dl dt em fieldset figcaption figure font footer h1"
    " h2 h3 h4 h5 h6 header hgroup hr i img ins kbd label legend li main map mark menu nav object"
    " ol p pre q rb rp rt rtc ruby s samp section small span strike strong sub summary sup table"
    " tbody td textarea tfoot th thead title tr track tt u ul var video"
)
_ATTRIBUTES: Final = _words(
    "abbr align alt axis border bgcolor cellpadding cellspacing char charoff cite class clear color"
    " cols colspan compact controls coords datetime dir disabled face for frame headers height href"
    " hspace id itemprop lang loading longdesc media name noshade nowrap open poster preload rel"
    " rev reversed role rowspan rows rules scope size span src srclang start style summary target"
    " title type usemap valign value vspace width xml:lang"
)
_URLS: Final = _words("cite href longdesc poster src usemap")
_SAFE_SCHEMES: Final = _words(
    "http https ftp ftps mailto news irc irc6 ircs gopher nntp feed telnet mms rtsp sms svn tel fax"
    " xmpp webcal urn"
)
_PROPERTIES: Final = re.compile(
    r"(background|border|color|display|flex|float|font|gap|grid|height|justify|align|letter|line|"
    r"list|margin|max|min|object|opacity|overflow|padding|page|position|text|top|left|right|bottom|"
    r"transform|vertical|visibility|white|width|word|z-index)[a-z-]*$"
)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_TOKEN: Final = re.compile(r"(<!--.*?(?:-->|$))|(</[^a-zA-Z][^>]*>)|(<[^>]*(?:>|$)|>)", re.DOTALL)
_TAG: Final = re.compile(r"<\s*(/\s*)?([a-zA-Z0-9-]+)([^>]*)>?$")
_ATTRIBUTE: Final = re.compile(r"""\s*([a-zA-Z_][\w:.-]*)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"']+))?""")
_SCHEME: Final = re.compile(r"\s*([a-zA-Z][\w+.-]*)\s*(?::|&#0*58;|&#x0*3a;)", re.IGNORECASE)


def kses_post(text: str) -> str:
    """The text with only what authors of posts may write; expects no slashes."""
    text = escape_unclosed_tags(text)
    text = normalize_entities(_CONTROLS.sub("", text))
    return _TOKEN.sub(lambda found: _token(found), text)


def _token(found: re.Match[str]) -> str:
    comment, foreign, tag = found.groups()
    if comment:
        return _comment(comment)
    if foreign:
        return ""
    return "&gt;" if tag == ">" else _tag(tag)


def _comment(comment: str) -> str:
    inner = comment.removeprefix("<!--").removesuffix("-->")
    return f"<!--{kses_post(inner)}-->" if inner else ""


def _tag(tag: str) -> str:
    found = _TAG.match(tag)
    if not found or found[2].lower() not in _TAGS:
        return ""
    if found[1]:
        return f"</{found[2]}>"
    attributes = "".join(
        f" {part}" for part in map(_attribute, _ATTRIBUTE.finditer(found[3])) if part
    )
    slash = " /" if found[3].rstrip().endswith("/") else ""
    return f"<{found[2]}{attributes}{slash}>"


def _attribute(found: re.Match[str]) -> str:
    """An attribute quoted and with a harmless value, "" where it may not stay."""
    name, value = found[1], found[2]
    lower = name.lower()
    if lower not in _ATTRIBUTES and not lower.startswith(("data-", "aria-")):
        return ""
    if value is None:
        return name
    quote = value[0] if value[0] in "\"'" else '"'
    inner = value.strip("\"'") if value[0] in "\"'" else value
    inner = _harmless(lower, inner)
    return f"{name}={quote}{inner}{quote}" if inner or lower != "style" else ""


def _harmless(name: str, value: str) -> str:
    if name == "style":
        return ";".join(part for part in value.split(";") if _is_safe_rule(part))
    if name not in _URLS:
        return value
    scheme = _SCHEME.match(value)
    while scheme and scheme[1].lower() not in _SAFE_SCHEMES:
        value = value[scheme.end() :]
        scheme = _SCHEME.match(value)
    return value


def _is_safe_rule(rule: str) -> bool:
    name, colon, value = rule.partition(":")
    return bool(colon and _PROPERTIES.match(name.strip().lower())) and "\\" not in value
