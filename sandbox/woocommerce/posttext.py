"""Texts of products as the site shows them: paragraphs made, quotes curled, shortcodes run.

Contract page readback, "products description": the default GET and webhooks carry rendered HTML.
"""

import re
from typing import Final

_BLOCKS: Final = (
    "table|thead|tfoot|caption|col|colgroup|tbody|tr|td|th|div|dl|dd|dt|ul|ol|li|pre|form|map|area|"
    "blockquote|address|style|p|h[1-6]|hr|fieldset|legend|section|article|aside|hgroup|header|"
    "footer|nav|figure|figcaption|details|menu|summary"
)
_SHORTCODE: Final = re.compile(r"\[(gallery|caption|audio|video|playlist|embed)\b[^\]]*\]")
_LINE_OF_URL: Final = re.compile(r"^\s*https?://[^\s<>\"]+\s*$", re.MULTILINE)
_MARKUP: Final = re.compile(r"(<!--.*?-->|<[^>]*>|\[[^\]]*\])", re.DOTALL)
_CURLS: Final = (
    (re.compile(r"\.\.\."), "&#8230;"),
    (re.compile(r"(?<![\w&])---(?!\w)| -- "), "&#8212;"),
    (re.compile(r"(^|(?<=[\s({\[\-]))\"(?=\S|$)"), "&#8220;"),
    (re.compile(r"\""), "&#8221;"),
    (re.compile(r"(^|(?<=[\s(\[{\"]))'(?=\w)"), "&#8216;"),
    (re.compile(r"'"), "&#8217;"),
    (re.compile(r"\b(\d(?:[\d.,]*))x(\d[\d.,]*)\b"), r"\1&#215;\2"),
)


def rendered_description(text: str) -> str:
    """Paragraphs and shortcodes only."""
    return autop(_SHORTCODE.sub("", text))


def rendered_excerpt(text: str) -> str:
    """A short description passes all filters of content: also quotes and bare addresses."""
    text = _LINE_OF_URL.sub(lambda found: found[0].replace("&amp;", "&"), text)
    return autop(_SHORTCODE.sub("", _curled(text)))


def _curled(text: str) -> str:
    parts = _MARKUP.split(text)
    return "".join(part if _MARKUP.fullmatch(part) else _curled_part(part) for part in parts)


def _curled_part(part: str) -> str:
    for pattern, curl in _CURLS:
        part = pattern.sub(curl, part)
    return part


def autop(text: str) -> str:
    """Double line breaks become paragraphs, single ones `<br />`; blocks stay outside."""
    if not text.strip():
        return ""
    text = _with_block_breaks(text + "\n")
    text = re.sub(r"\n\n+", "\n\n", text)
    paragraphs = [part for part in re.split(r"\n\s*\n", text) if part]
    text = "".join(f"<p>{part.strip(chr(10))}</p>\n" for part in paragraphs)
    return _tidied(text)


def _with_block_breaks(text: str) -> str:
    text = re.sub(r"<br\s*/?>\s*<br\s*/?>", "\n\n", text)
    text = re.sub(rf"(<(?:{_BLOCKS})[\s/>])", r"\n\n\1", text)
    text = re.sub(rf"(</(?:{_BLOCKS})>)", r"\1\n\n", text)
    text = re.sub(r"(<hr\s*?/?>)", r"\1\n\n", text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _tidied(text: str) -> str:
    block = rf"</?(?:{_BLOCKS})[^>]*>"
    text = re.sub(r"<p>\s*</p>", "", text)
    text = re.sub(r"<p>([^<]+)</(div|address|form)>", r"<p>\1</p></\2>", text)
    text = re.sub(rf"<p>\s*({block})\s*</p>", r"\1", text)
    text = re.sub(r"<p>(<li.+?)</p>", r"\1", text)
    text = re.sub(r"<p><blockquote([^>]*)>", r"<blockquote\1><p>", text, flags=re.IGNORECASE)
    text = text.replace("</blockquote></p>", "</p></blockquote>")
    text = re.sub(rf"<p>\s*({block})", r"\1", text)
    text = re.sub(rf"({block})\s*</p>", r"\1", text)
    text = re.sub(r"<br>|<br/>", "<br />", text)
    text = re.sub(r"(?<!<br />)\s*\n", "<br />\n", text)
    text = re.sub(rf"({block})\s*<br />", r"\1", text)
    text = re.sub(r"<br />(\s*</?(?:p|li|div|dl|dd|dt|th|pre|td|ul|ol)[^>]*>)", r"\1", text)
    return re.sub(r"\n</p>$", "</p>", text)
