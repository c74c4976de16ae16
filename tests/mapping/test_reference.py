"""The page of the default mapping tells every row of every table, and no other."""

from pathlib import Path

import pytest

from app.domain import DeletePolicy, Module
from app.mapping.rules import FieldRule
from app.modules.default_mappings import DEFAULT_RULES, MAPPINGS, TRANSFORM_NOTES
from app.modules.mapping_page import mapping_reference
from app.modules.orders.statuses import DEFAULT

PAGE = Path(__file__).parents[2] / "docs" / "mapping.md"
ROWS = [(module, rule) for module, rules in DEFAULT_RULES.items() for rule in rules]


def section(module: Module) -> str:
    title = f"## {module.replace('_', ' ').capitalize()}\n"
    return PAGE.read_text().partition(title)[2].partition("\n## ")[0]


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == mapping_reference()


@pytest.mark.parametrize(("module", "rule"), ROWS, ids=lambda each: getattr(each, "name", each))
def test_every_mapped_field_has_its_row(module: Module, rule: FieldRule) -> None:
    [row] = [line for line in section(module).splitlines() if line.startswith(f"| `{rule.name}` |")]
    assert all(f"`{path}`" in row for path in rule.woo)
    assert f"`{rule.vtiger}`" in row
    assert rule.transform in row
    assert all(system.label in row for system in rule.required)


def test_no_note_is_of_a_row_that_is_not_there() -> None:
    noted = {(module, name) for module, mapping in MAPPINGS.items() for name in mapping.notes}
    assert noted <= {(module, rule.name) for module, rule in ROWS}
    assert TRANSFORM_NOTES.keys() == {rule.transform for _, rule in ROWS}


def test_statuses_and_policies_are_all_named() -> None:
    page = PAGE.read_text()
    known = DEFAULT
    for woo, vtiger in (*known.to_vtiger.items(), *((w, v) for v, w in known.to_woo.items())):
        assert f"`{woo}`" in page
        assert f"`{vtiger}`" in page
    assert all(f"`{policy}`" in page for policy in DeletePolicy)
