"""A shop's HTML as the plain text that a CRM can show. Lossy, so it is only ever read."""

import re
from html.parser import HTMLParser

from app.mapping.text import collapse, plain, storable

_TAG = re.compile(r"<[a-zA-Z/!?]")
_UNSEEN = frozenset({"script", "style", "head", "template", "noscript", "iframe"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "figure", "footer"}
    | {"form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "ol", "p", "pre", "section"}
    | {"table", "tr", "ul"}
)
_BLANKS = re.compile(r"[ \t\f\v]+")
_LINES = re.compile(r"\n{3,}")


def markup_text(source: str) -> str:
    """What a reader sees of HTML: a line per block, a dash per list item, no script or style.

    Text without any tag is kept as it is, its entities decoded. A shop's raw description
    (`context=edit`) separates paragraphs by blank lines, so line breaks between tags count.
    """
    reader = _Reader()
    reader.feed(source)
    reader.close()
    text = "".join(reader.parts)
    if not _TAG.search(source):
        return text.strip()
    lines = (_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return _LINES.sub("\n\n", "\n".join(lines)).strip()


def shown_name(source: str) -> str:
    """A name as it is read: in one line, without tags (`Serum<br>30 ml` is "Serum 30 ml"); one
    without any tag is only decoded."""
    return collapse(storable(markup_text(source))) if _TAG.search(source) else plain(source)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _UNSEEN:
            self._hidden += 1
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag == "br" or tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data.replace("\r\n", "\n"))
