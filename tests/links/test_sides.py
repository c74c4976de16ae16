"""A pair's columns of one system, read and set without telling the systems apart."""

from datetime import UTC, datetime

import pytest

from app.domain import Module, Record, System
from app.links.models import FieldConflict, Link

WOO, VTIGER = System.WOOCOMMERCE, System.VTIGER
MOMENT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
IDS = {WOO: "5", VTIGER: "12x34"}


def link() -> Link:
    return Link(store="main", module=Module.CONTACTS, woo_id=IDS[WOO], vtiger_id=IDS[VTIGER])


@pytest.mark.parametrize("system", System)
@pytest.mark.parametrize("name", ["modified_at", "written_at", "deleted_at"])
def test_a_stamp_is_set_on_its_own_side_alone(system: System, name: str) -> None:
    pair = link()
    setattr(pair.side(system), name, MOMENT)

    column = {WOO: f"woo_{name}", VTIGER: f"vtiger_{name}"}
    assert getattr(pair, column[system]) == getattr(pair.side(system), name) == MOMENT
    assert getattr(pair, column[system.other]) is getattr(pair.side(system.other), name) is None


@pytest.mark.parametrize("system", System)
def test_each_side_has_its_record(system: System) -> None:
    expected = Record("main", system, Module.CONTACTS, IDS[system])
    conflict = FieldConflict(
        store="main", module=Module.CONTACTS, woo_id=IDS[WOO], vtiger_id=IDS[VTIGER]
    )

    assert link().side(system).id == IDS[system]
    assert link().record(system) == conflict.record(system) == expected
