"""Order statuses set on either side in any order, with any table, hinted late, twice and shuffled.

The rules: a status that the service writes follows from a later change on the other side; it is
never written over a status that agrees with it already; nothing is written without an edit.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import ConflictPolicy, Direction, System
from app.links.models import Link
from app.mapping.rules import holds
from app.mapping.values import Agreed, Mapped, base_from_json, base_to_json
from app.modules.orders.lines import OrderRefs
from app.modules.orders.mapping import ORDER_RULES, vtiger_order, woo_order
from app.modules.orders.statuses import (
    DEFAULT,
    DEFAULT_ROWS,
    STATUS_NOT_MAPPED,
    StatusMap,
    StatusRow,
    find_faults,
)
from app.modules.orders.to_vtiger import plan_order
from app.modules.orders.to_woocommerce import woo_order_patch
from app.modules.ports import Side
from app.sync.agreement import newer_side
from app.sync.merge import Merge, merge, next_base
from app.sync.reconcile import is_fresh
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.orders import made_order, refs_for

WOO, VTIGER = System.WOOCOMMERCE, System.VTIGER
RULES = tuple(rule for rule in ORDER_RULES if rule.name == "status")
STATUS = RULES[0]
SHOP = ("pending", "on-hold", "processing", "completed", "cancelled", "packed", "archived")
CRM = ("Created", "Approved", "Delivered", "Cancelled", "Packed", "Closed")
START = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass
class Record:
    """One order in one system: its status, and the stamps of it, of the last read, of our write."""

    status: str
    at: int = 0
    known_at: int = 0
    written_at: int = -1
    synced: str = ""
    history: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Model:
    """A shop, a CRM and the service between them; `writes` are those of the service."""

    statuses: StatusMap
    records: dict[System, Record]
    base: dict[str, Agreed] = field(default_factory=dict)
    now: int = 0
    writes: list[tuple[System, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    policy: ConflictPolicy = ConflictPolicy.LATEST_WINS
    is_watched: bool = False

    def refs(self) -> OrderRefs:
        return replace(refs_for(made_order()), statuses=self.statuses)

    def mapped(self, system: System, status: str) -> Mapped:
        if system is WOO:
            return woo_order(WooRecord({"id": 5, "status": status}), self.refs(), rules=RULES)
        return vtiger_order(
            VtigerRecord("7x1", "SalesOrder", {"sostatus": status}), self.refs(), rules=RULES
        )

    def edit(self, system: System, status: str) -> None:
        record = self.records[system]
        self.now += 1
        record.history.append((record.status, record.at))
        record.status, record.at = status, self.now

    def sync(self, source: System, *, body_age: int = 0) -> None:
        """What `reconcile` does with a hint, which may carry an older state of the shop."""
        seen = {system: (each.status, each.at) for system, each in self.records.items()}
        history = self.records[WOO].history
        if source is WOO and body_age and len(history) >= body_age:
            body = history[-body_age]
            known = self._time(self.records[WOO].known_at)
            if is_fresh(
                self._time(body[1]), known_at=known, now=self._time(self.now), within=WITHIN
            ):
                seen[WOO] = body
        values = self.mapped(source, seen[source][0])
        if holds(
            STATUS,
            self.base,
            values.get("status"),
            system=source,
            exact=values.exact.get("status"),
        ):
            if seen[source][1] == self.records[source].at:
                self.records[source].known_at = self.records[source].at
            return
        merged = self._merge(seen)
        if merged.to_woo and seen[WOO][0] != self.records[WOO].status:
            seen[WOO] = (self.records[WOO].status, self.records[WOO].at)
            merged = self._merge(seen)
        self._apply(merged, seen)

    def _time(self, at: int) -> datetime:
        return START + timedelta(seconds=at)

    def _merge(self, seen: dict[System, tuple[str, int]]) -> Merge:
        shop, crm = seen[WOO][0], seen[VTIGER][0]
        sides, link = {}, Link(module="sales_orders", base={})
        for system, (status, at) in seen.items():
            link.side(system).written_at = self._time(self.records[system].written_at)
            values, moment = self.mapped(system, status), self._time(at)
            sides[system] = Side(system, "1", values, moment, None, "", None, None)
        return merge(
            self.base,
            sides[WOO].values,
            sides[VTIGER].values,
            rules=RULES,
            direction=Direction.BOTH,
            policy=self.policy,
            newer=newer_side(link, sides),
            carried={"status"} if self.statuses.agrees(shop, crm) else set(),
        )

    def _apply(self, merged: Merge, seen: dict[System, tuple[str, int]]) -> None:
        after: dict[System, Mapped] = {}
        unwritten: frozenset[str] = frozenset()
        shop, crm = seen[WOO][0], seen[VTIGER][0]
        is_same = self.statuses.agrees(shop, crm)
        if merged.untranslated:
            notes = self.mapped(WOO, shop).lacking
            self.notes += [note.reason for note in notes.values()]
        if merged.to_woo:
            order = WooRecord({"id": 5, "status": shop})
            patch = woo_order_patch(merged.to_woo, self.refs(), current=order, rules=RULES)
            self._write(WOO, patch.body.get("status"), is_same=is_same)
            self.notes += [note.reason for note in patch.notes]
            unwritten |= patch.unwritten
            after[WOO] = self.mapped(WOO, self.records[WOO].status)
        if merged.to_vtiger:
            sale = VtigerRecord("7x1", "SalesOrder", {"sostatus": crm})
            plan = plan_order(
                WooRecord({"id": 5, "status": shop}),
                self.refs(),
                rules=RULES,
                changes=merged.to_vtiger,
                current=sale,
            )
            self._write(VTIGER, plan.fields.get("sostatus"), is_same=is_same)
            unwritten |= plan.unwritten
            after[VTIGER] = self.mapped(VTIGER, self.records[VTIGER].status)
        base = next_base(
            self.base,
            merged,
            woo_after=after.get(WOO),
            vtiger_after=after.get(VTIGER),
            unwritten=unwritten,
        )
        self.base = base_from_json(base_to_json(base))
        for system, record in self.records.items():
            record.known_at = max(record.known_at, seen[system][1])
            record.synced = record.status if system in after else seen[system][0]

    def _write(self, target: System, status: str | None, *, is_same: bool) -> None:
        if status is None:
            return
        assert not is_same, "a write over a status that means the same"
        record, other = self.records[target], self.records[target.other]
        if self.is_watched:
            assert other.status != other.synced, "a write without an edit"
            is_edited = record.status != record.synced
            assert not is_edited or record.at <= other.at, "an older edit replaced a newer one"
        self.writes.append((target, status))
        self.now += 1
        record.status, record.at = status, self.now
        record.known_at = record.written_at = self.now


WITHIN = timedelta(days=1)


def started(statuses: StatusMap, shop: str = "processing") -> Model:
    """A pair that the service has just created in the CRM from an order of the shop."""
    crm = statuses.to_vtiger.get(shop, statuses.first)
    model = Model(statuses, {WOO: Record(shop, synced=shop), VTIGER: Record(crm, synced=crm)})
    sides = model.mapped(WOO, shop), model.mapped(VTIGER, crm)
    model.base = {"status": Agreed.of("status", *sides)}
    return model


@st.composite
def tables(draw: st.DrawFn) -> StatusMap:
    """Any table without contradictions, coarser on either side, with gaps and one-way rows."""
    ways = st.sampled_from([Direction.BOTH, Direction.WOO_TO_VTIGER, Direction.VTIGER_TO_WOO])
    rows: list[StatusRow] = []
    for shop, crm, way in draw(
        st.lists(st.tuples(st.sampled_from(SHOP), st.sampled_from(CRM), ways), max_size=12)
    ):
        row = StatusRow(shop, crm, way)
        if not find_faults([*rows, row]):
            rows.append(row)
    return StatusMap(tuple(rows) or DEFAULT_ROWS)


EDITS = st.one_of(
    st.tuples(st.just(WOO), st.sampled_from(SHOP)),
    st.tuples(st.just(VTIGER), st.sampled_from(CRM)),
)
HINTS = st.tuples(st.just("hint"), st.tuples(st.sampled_from(list(System)), st.integers(0, 2)))


@settings(max_examples=400, deadline=None)
@given(
    table=tables(), shop=st.sampled_from(SHOP), steps=st.lists(st.one_of(EDITS, HINTS), max_size=14)
)
def test_no_status_goes_back_or_ping_pongs(table: StatusMap, shop: str, steps: list[Any]) -> None:
    model = started(table, shop)
    model.is_watched, edits = True, 0
    for what, value in steps:
        if what == "hint":
            system, age = value
            model.sync(system, body_age=age)
        elif model.records[what].status != value:
            model.edit(what, value)
            edits += 1
    for system in (WOO, VTIGER, WOO):
        model.sync(system)
    settled, written = dict(model.records), len(model.writes)
    assert written <= edits
    for system in (VTIGER, WOO) * 2:
        model.sync(system)
        model.sync(WOO, body_age=1)
    assert len(model.writes) == written, "a write without an edit"
    assert settled == model.records


@settings(max_examples=100, deadline=None)
@given(
    table=tables(),
    policy=st.sampled_from(ConflictPolicy),
    steps=st.lists(st.one_of(EDITS, HINTS), max_size=10),
)
def test_every_policy_comes_to_rest(
    table: StatusMap, policy: ConflictPolicy, steps: list[Any]
) -> None:
    model = started(table)
    model.policy = policy
    for what, value in steps:
        if what == "hint":
            model.sync(value[0], body_age=value[1])
        elif model.records[what].status != value:
            model.edit(what, value)
    for system in (WOO, VTIGER, WOO):
        model.sync(system)
    written = len(model.writes)
    for system in (VTIGER, WOO) * 2:
        model.sync(system)
    assert len(model.writes) == written


COARSE = StatusMap(
    (
        StatusRow("pending", "Created"),
        StatusRow("processing", "Approved"),
        StatusRow("completed", "Approved", Direction.WOO_TO_VTIGER),
        StatusRow("cancelled", "Cancelled"),
    )
)


def test_a_completed_order_is_not_set_back_by_a_coarser_crm() -> None:
    model = started(COARSE)
    model.edit(WOO, "completed")
    for system in (WOO, VTIGER, WOO, VTIGER):
        model.sync(system)
    assert (model.writes, model.records[WOO].status) == ([], "completed")


def test_an_older_edit_of_the_crm_loses_to_a_newer_one_that_its_table_does_not_show() -> None:
    """The shop completes the order, which is Approved as before in the CRM; the hint of an earlier
    edit there arrives afterwards."""
    model = started(COARSE)
    model.edit(VTIGER, "Created")
    model.edit(WOO, "completed")
    model.sync(VTIGER)
    assert model.records[WOO].status == "completed"
    assert model.writes == [(VTIGER, "Approved")]


def test_the_crms_finer_statuses_do_not_change_the_shops() -> None:
    rows = (*DEFAULT_ROWS, StatusRow("processing", "Packed", Direction.VTIGER_TO_WOO))
    model = started(StatusMap(rows))
    model.edit(VTIGER, "Packed")
    for system in (VTIGER, WOO, VTIGER):
        model.sync(system)
    assert (model.writes, model.records[VTIGER].status) == ([], "Packed")


@pytest.mark.parametrize(("system", "status"), [(WOO, "packed"), (VTIGER, "Packed")])
def test_a_status_without_a_row_is_left_alone_and_told_once(system: System, status: str) -> None:
    model = started(DEFAULT)
    model.edit(system, status)
    for source in (system, WOO, VTIGER, system):
        model.sync(source)
    assert (model.writes, model.notes) == ([], [STATUS_NOT_MAPPED])


@pytest.mark.parametrize(("system", "status"), [(WOO, "packed"), (VTIGER, "Packed")])
def test_a_status_that_was_left_alone_goes_over_when_a_row_has_it(
    system: System, status: str
) -> None:
    model = started(DEFAULT)
    model.edit(system, status)
    model.sync(system)
    model.statuses = StatusMap((*DEFAULT_ROWS, StatusRow("packed", "Packed")))
    for source in (system, WOO, VTIGER):
        model.sync(source)
    assert {each.status for each in model.records.values()} == {"packed", "Packed"}
    assert len(model.writes) == 1


def test_a_status_that_was_left_alone_does_not_replace_a_newer_one() -> None:
    model = started(DEFAULT)
    model.edit(VTIGER, "Packed")
    model.sync(VTIGER)
    model.edit(WOO, "archived")
    model.sync(WOO)
    model.statuses = StatusMap((*DEFAULT_ROWS, StatusRow("packed", "Packed")))
    for source in (VTIGER, WOO):
        model.sync(source)
    assert (model.writes, model.records[WOO].status) == ([], "archived")


def test_a_new_table_changes_the_crm_but_no_edit_of_a_person() -> None:
    """processing leads to another status now; somebody has just set the order to Delivered."""
    model = started(DEFAULT)
    rows = [row for row in DEFAULT_ROWS if row.shop != "processing"]
    model.statuses = StatusMap((*rows, StatusRow("processing", "Packed")))
    model.policy = ConflictPolicy.WOOCOMMERCE_WINS
    model.edit(VTIGER, "Delivered")
    model.sync(WOO)
    assert model.writes == [(WOO, "completed")]
    untouched = replace(started(DEFAULT), statuses=model.statuses)
    untouched.sync(WOO)
    assert untouched.writes == [(VTIGER, "Packed")]


def test_a_new_order_of_a_status_without_a_row_is_not_set_back_by_the_crms_first_status() -> None:
    model = started(DEFAULT, "packed")
    model.base = {}
    for source in (WOO, VTIGER, WOO):
        model.sync(source)
    assert (model.writes, model.records[WOO].status) == ([], "packed")
