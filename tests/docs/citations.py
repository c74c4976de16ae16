"""What code, tests and pages cite: sections of the contract pages, and recordings.

The forms are `contract page Vtiger §0.7`, `page Vtiger add-on writes, F2`, `contract page readback,
"Lossy"` (words that stand on the page) and `recordings 01-login, 53-query-*`. More sections may
follow in the same text: one without a name is of the page that was named last.
"""

import ast
import gzip
import io
import json
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from tests.cli.processes import ROOT

CONTRACT = ROOT / "docs" / "contract"
RECORDINGS = ROOT / "tests" / "recordings"
PAGES: Mapping[str, str] = {
    "Vtiger add-on writes": "vtiger-addon-writes.md",
    "Vtiger extension": "vtiger-extension.md",
    "Vtiger": "vtiger.md",
    "WooCommerce month": "woocommerce-month.md",
    "WooCommerce": "woocommerce.md",
    "WordPress plug-in": "wordpress-plugin.md",
    "readback": "readback.md",
}
"""Longer names first, for a pattern takes the first that fits."""

_NAME = "|".join(PAGES)
_CITES = re.compile(r"§|[Rr]ecording|[Cc]ontract|, F\d\b|\d\d-")
_PAGE = re.compile(rf"\b[Cc]ontract (?P<word>pages? )?(?P<name>{_NAME}\b)?")
_SECTION = re.compile(
    rf"\b(?P<page>{_NAME})\b(?=,? \(?§|, F\d)|§(?P<section>\w+(?:\.\w+)*)|(?<=[ ,])(?P<fault>F\d)\b"
)
_QUOTES = re.compile(r'\breadback,? \(?((?:"[^"]+"(?:,| and)? ?)+)')
_RECORDING = re.compile(r"\b[Rr]ecordings? ((?:[`\w/*.-]+(?:, and |, | and | to )?)+)")
_NUMBERED = re.compile(r"(?<![\w-])\d\d-(?:\*|[A-Za-z_]+-[\w*-]+)|(?<=`)\d\d-[A-Za-z][\w*-]*(?=`)")


@dataclass(frozen=True, slots=True)
class Text:
    """A docstring, comments in a row, or a page; `page` is its name if it is of the contract."""

    place: str
    words: str
    page: str = ""


def texts() -> Iterator[Text]:
    for folder in ("app", "benchmarks", "migrations", "sandbox", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            source = path.read_text()
            if _CITES.search(source):
                yield from of_module(str(path.relative_to(ROOT)), source)
    names = {file: name for name, file in PAGES.items()}
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        own = names[path.name] if path.parent == CONTRACT and path.name in names else ""
        yield Text(str(path.relative_to(ROOT)), _flat(path.read_text()), own)


def of_module(name: str, source: str) -> Iterator[Text]:
    """Its docstrings, those of attributes too, and its comments."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(words)), lineno=line):
                yield Text(f"{name}:{line}", _flat(words))
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if block and token.start[0] != last + 1:
            yield Text(f"{name}:{last}", _flat(" ".join(block)))
            block = []
        last = token.start[0]
        block.append(token.string.lstrip("# "))
    if block:
        yield Text(f"{name}:{last}", _flat(" ".join(block)))


def faults(text: Text) -> list[str]:
    """What the text cites and is not there."""
    found = [*_pages(text), *_sections(text), *_quotes(text), *_recordings(text)]
    return [f"{text.place}: {fault}" for fault in found]


def is_citing(text: Text) -> bool:
    return bool(_SECTION.search(text.words) or _QUOTES.search(text.words) or _cited(text.words))


def _pages(text: Text) -> Iterator[str]:
    for found in _PAGE.finditer(text.words):
        if bool(found["word"]) != bool(found["name"]):
            yield f"no page is cited so: {text.words[found.start() :][:40]}"


def _sections(text: Text) -> Iterator[str]:
    page = text.page
    for found in _SECTION.finditer(text.words):
        number = found["section"] or found["fault"]
        if found["page"]:
            page = found["page"]
        elif not page and found["section"]:
            yield f"§{number} of no page"
        elif page and number not in sections("Vtiger add-on writes" if found["fault"] else page):
            yield f"no §{number} on the page {page}"


def _quotes(text: Text) -> Iterator[str]:
    for found in _QUOTES.finditer(text.words):
        for quote in re.findall(r'"([^"]+)"', found[1]):
            if quote.removesuffix(" ...") not in _readback():
                yield f'"{quote}" is not on the page readback'


def _recordings(text: Text) -> Iterator[str]:
    for name in sorted(_cited(text.words)):
        if not is_recorded(name):
            yield f"no recording {name}"


def _cited(words: str) -> set[str]:
    lists = [_names(found[1]) for found in _RECORDING.finditer(words)]
    return {name for names in lists for name in names} | set(_NUMBERED.findall(words))


def _names(listed: str) -> Iterator[str]:
    """The first word that is no name ends the list."""
    for word in re.split(r", and |, | and | to ", listed):
        name = word.strip("`.")
        if not re.search(r"[_*-]", name):
            return
        yield name


def is_recorded(name: str) -> bool:
    stem = re.sub(r"\.(json|jsonl|tsv)$", "", name)
    return any(fnmatchcase(each, stem) for each in recordings())


@cache
def recordings() -> frozenset[str]:
    """Files by their names, and the rows of those that hold many, where rows have names."""
    names = set()
    for path in RECORDINGS.rglob("*.*"):
        names.add(path.name.split(".")[0])
        if path.name.endswith(".jsonl.gz"):
            names |= set(_named_rows(path))
    return frozenset(names)


def _named_rows(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in rows:
            name = json.loads(row).get("name")
            if name is None:
                return
            yield name


@cache
def sections(page: str) -> frozenset[str]:
    """Headings by their numbers (`3`, `1.2`, `F1`), points of a numbered list below (`0.7`)."""
    found: set[str] = set()
    current: list[str] = []
    for line in (CONTRACT / PAGES[page]).read_text().splitlines():
        if heading := re.match(r"##+ (F\d|[\d./]+)?", line):
            current = [part.strip(".") for part in (heading[1] or "").split("/") if part]
            found |= set(current)
        elif point := re.match(r"(\d+)\. ", line):
            found |= {f"{section}.{point[1]}" for section in current}
    return frozenset(found)


@cache
def _readback() -> str:
    return re.sub(r"[*`]", "", _flat((CONTRACT / PAGES["readback"]).read_text()))


def _flat(words: str) -> str:
    return re.sub(r"\s+", " ", words)
