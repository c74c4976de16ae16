"""The links of a page: what they show, which file they lead to, and which heading of it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.cli.processes import ROOT

_FENCE = re.compile(r"^( *)```.*?^ *```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
_PICTURE = re.compile(r'<(?:img|source)\b[^>]*?\b(?:src|srcset)="([^"]+)"')
_HEADING = re.compile(r"^#{1,6} (.+?) *#*$", re.MULTILINE)
_SYMBOL = re.compile(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)`")


@dataclass(frozen=True, slots=True)
class PageLink:
    """`words` as the page shows them; `target` relative to the page, `anchor` without its #."""

    page: Path
    words: str
    target: str
    anchor: str

    @property
    def path(self) -> Path:
        return (self.page.parent / self.target).resolve() if self.target else self.page

    @property
    def symbol(self) -> str:
        """The name of code that is shown and linked to the module that defines it, or ""."""
        found = _SYMBOL.fullmatch(self.words)
        return found[1] if found and self.path.suffix == ".py" else ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: [{self.words}]({self.target}#{self.anchor})"


def links_of(page: Path) -> Iterator[PageLink]:
    """All relative links and pictures of a page, those in its code blocks excepted."""
    text = _FENCE.sub("", page.read_text())
    found = [*_LINK.findall(text), *(("", source) for source in _PICTURE.findall(text))]
    for words, address in found:
        if not re.match(r"[a-z]+:", address):
            target, _, anchor = address.partition("#")
            yield PageLink(page, re.sub(r"\s+", " ", words), target, anchor)


def faults(link: PageLink) -> Iterator[str]:
    """Why the link leads nowhere, if so."""
    if not link.path.exists():
        yield f"{link}: no such file"
    elif link.anchor and link.anchor not in anchors(link.path):
        yield f"{link}: no such heading"
    elif link.symbol and link.symbol not in names(link.path):
        yield f"{link}: the module defines no such name"


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names that GitHub gives the headings of a page."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text())):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w -]", "", shown.lower()).replace(" ", "-")
        number = 0
        while (each := f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(each)
    return frozenset(found)


@cache
def names(module: Path) -> frozenset[str]:
    """Functions, classes and constants of a module, and `Class.method` and `Class.field`."""
    found: set[str] = set()
    for node in ast.parse(module.read_text()).body:
        found |= set(_defined(node))
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for part in node.body for name in _defined(part)}
    return frozenset(found)


def _defined(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
