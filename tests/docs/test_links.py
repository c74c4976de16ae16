"""Every link of the pages leads somewhere; what they say of the code is so."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.processes import ROOT
from tests.docs.links import PageLink, anchors, faults, links_of, names
from tests.docs.pages import pages

DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
ARCHITECTURE = DOCS / "architecture.md"
GLOSSARY = DOCS / "glossary.md"
WALKTHROUGHS = sorted((DOCS / "contributing").glob("*.md"))
LARGEST_PICTURE = 120 * 1024


def test_links_between_the_texts_lead_somewhere() -> None:
    """Files, headings, and names of code that are linked to the module that defines them."""
    links = [link for page in [*pages(), ROOT / "CHANGELOG.md"] for link in links_of(page)]
    assert [fault for link in links for fault in faults(link)] == []
    assert len(links) > 300
    assert len([link for link in links if link.symbol]) > 80


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("nowhere.md", "no such file"),
        ("api.md#nothing-of-this", "no such heading"),
        ("../app/queue.py", "the module defines no such name"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(address: str, fault: str) -> None:
    target, _, anchor = address.partition("#")
    link = PageLink(DOCS / "page.md", "`undispatch`", target, anchor)
    assert [each.rpartition(": ")[2] for each in faults(link)] == [fault]


def test_headings_have_the_anchors_of_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# The `add-on`, 8.4\n## Why?\n```sh\n# no heading\n```\n## [Why?](a.md)\n")
    assert anchors(page) == {"the-add-on-84", "why", "why-1"}


def test_names_of_a_module_are_its_own(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import os\nA = 1\nb: int = 2\ndef c(): pass\nclass D:\n    e: int\n    def f(self): pass\n"
    )
    assert names(module) == {"A", "b", "c", "D", "D.e", "D.f"}


def test_every_page_stands_once_in_the_index() -> None:
    listed = Counter(link.path for link in links_of(INDEX) if link.path.suffix == ".md")
    written = {page for page in DOCS.rglob("*.md") if page != INDEX}
    assert written - set(listed) == set()
    assert [str(page) for page, times in listed.items() if times > 1] == []


def test_the_readme_leads_to_the_index_and_to_both_pictures() -> None:
    targets = {link.target for link in links_of(ROOT / "README.md")}
    pictures = {f"docs/pictures/{path.name}" for path in (DOCS / "pictures").glob("*.png")}
    assert len(pictures) == 4
    assert {"docs/README.md", *pictures} <= targets


def test_pictures_say_what_they_show_and_are_small() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = re.findall(r"<img [^>]+>", readme)
    assert shown
    assert all(re.search(r'alt="[^"]{20,}"', picture) for picture in shown)
    sizes = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    assert {name: size for name, size in sizes.items() if size > LARGEST_PICTURE} == {}


def test_each_term_of_the_glossary_names_what_defines_it() -> None:
    rows = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("| **")]
    terms = [row.split("**")[1] for row in rows]
    assert len(rows) > 25
    defining = re.compile(r"\[`[\w.]+`\]\(\.\./(?:app|sandbox)/[\w/]+\.py\) \|$")
    assert [row for row in rows if not defining.search(row)] == []
    assert [name for name, times in Counter(terms).items() if times > 1] == []
    assert terms == sorted(terms, key=str.casefold)


def test_the_layers_of_the_page_are_those_that_are_enforced() -> None:
    """The page leaves out some; what it names is in the order of the contract."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [each["layers"] for each in contracts["contracts"] if each["type"] == "layers"]
    places = {name: at for at, layer in enumerate(layers) for name in layer.split(" | ")}
    section = ARCHITECTURE.read_text().partition("\n## What imports what\n")[2]
    rows = re.findall(r"^\| (`.+?) \|", section.partition("\n## ")[0], re.MULTILINE)
    told = [[places[name] for name in re.findall(r"`(\w+)`", row)] for row in rows]
    flat = [place for row in told for place in row]
    assert len(flat) > 20
    assert flat == sorted(flat)


def test_the_map_has_places_that_are_there() -> None:
    section = ARCHITECTURE.read_text().partition("\n## Where does it live\n")[2]
    rows = [row for row in section.partition("\n## ")[0].splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= 25
    assert [row for row in rows if not re.search(r"\]\(\.\./[\w./-]+\)", row)] == []


@pytest.mark.parametrize("page", WALKTHROUGHS, ids=lambda page: page.stem)
def test_a_walkthrough_names_tests_and_code_that_are_there(page: Path) -> None:
    """Every file of the tree that it names in code type, and every `test_…` in one of those."""
    text = page.read_text()
    files = set(re.findall(r"`((?:app|tests|docs|migrations)/[\w/.-]+\.\w+)`", text))
    files |= {str(link.path.relative_to(ROOT)) for link in links_of(page)}
    assert [name for name in files if not (ROOT / name).exists()] == []
    tests = set(re.findall(r"`(test_\w+)`", text))
    known = {
        name for file in files if Path(file).name.startswith("test_") for name in names(ROOT / file)
    }
    assert tests
    assert tests - known == set()


def test_there_are_three_walkthroughs() -> None:
    names_of = {page.stem for page in WALKTHROUGHS}
    assert {"add-a-mapped-field", "add-an-endpoint", "add-a-module"} <= names_of


def test_modules_are_told_apart_in_the_registries_alone() -> None:
    """A new module is an entry there: no other table or comparison has to know it. What else
    names contacts and products side by side tells what orders rest on."""
    registries = {
        "app/module_facts.py",
        "app/modules/default_mappings.py",
        "app/modules/registry.py",
    }
    of_orders = {"app/modules/orders/references.py"}
    modules = [path for path in (ROOT / "app").rglob("*.py") if "sandbox" not in path.parts]
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in modules}
    tables = {
        name
        for name, text in texts.items()
        if {"Module.CONTACTS", "Module.PRODUCTS"} <= set(re.findall(r"Module\.\w+", text))
        or "isinstance(adapter, ContactAdapter)" in text
    }
    assert registries <= tables
    assert tables - registries == of_orders
    page = (DOCS / "contributing" / "add-a-module.md").read_text()
    assert {name for name in registries if f"/{name})" not in page} == set()
