"""Every reason code that is given is explained, and none is explained that nothing gives."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import domain
from app.domain import System, WooVtigerError
from app.mapping.rules import Fitted, unsafe_reason
from app.mapping.values import FieldNote, Refusal
from app.modules.ports import Skip
from app.reasons import REASONS, reasons_page

ROOT = Path(__file__).parent.parent
SOURCES = [
    path
    for path in sorted((ROOT / "app").rglob("*.py"))
    if "sandbox" not in path.parts and path.name != "reasons.py"
]
CARRIERS = {
    kind.__name__: list(inspect.signature(kind).parameters).index("reason")
    for kind in (Skip, Refusal, FieldNote, Fitted)
}
"""Which argument of these is the reason."""


def _given(tree: ast.Module) -> Iterator[ast.expr]:
    """What stands in the place of a reason: an argument, a keyword, an error's attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg == "reason")
            place = CARRIERS.get(node.func.id, -1) if isinstance(node.func, ast.Name) else -1
            yield from node.args[place : place + 1] if place >= 0 else []
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "reason" for target in targets):
                yield node.value


def _codes(tree: ast.Module) -> Iterator[str]:
    """The codes among them, those that go by a name of the module too."""
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for value in _given(tree):
        found = named.get(value.id, value) if isinstance(value, ast.Name) else value
        parts = [found.body, found.orelse] if isinstance(found, ast.IfExp) else [found]
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def _literals(tree: ast.Module) -> set[str]:
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


TREES = {path: ast.parse(path.read_text()) for path in SOURCES}
UNSAFE = {unsafe_reason(system) for system in System}


def test_every_code_that_is_given_is_explained() -> None:
    unknown = {
        f"{path.relative_to(ROOT)}: {code}"
        for path, tree in TREES.items()
        for code in _codes(tree)
        if code and code not in REASONS
    }
    assert not unknown
    assert REASONS.keys() >= UNSAFE


def test_the_codes_are_found_where_they_are_given() -> None:
    found = {code for tree in TREES.values() for code in _codes(tree)}
    assert {"echo", "filtered", "missing_required_field", "not_integer", "timeout"} <= found


def test_no_code_is_explained_that_nothing_gives() -> None:
    given = UNSAFE.union(*(_literals(tree) for tree in TREES.values()))
    assert not REASONS.keys() - given


@pytest.mark.parametrize(
    "error", [kind for kind in vars(domain).values() if isinstance(kind, type)], ids=str
)
def test_every_failure_has_a_reason_that_is_explained(error: type) -> None:
    assert not issubclass(error, WooVtigerError) or error.reason in REASONS


@pytest.mark.parametrize("code", REASONS)
def test_an_explanation_is_made_of_whole_sentences(code: str) -> None:
    for text in (REASONS[code].meaning, REASONS[code].remedy):
        assert text[0].isupper()
        assert text.endswith(".")


def test_the_page_of_reason_codes_is_up_to_date() -> None:
    assert (ROOT / "docs" / "reason-codes.md").read_text() == reasons_page()
