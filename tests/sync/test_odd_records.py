"""One record that cannot be read fails alone, named, wherever it is met; all others go on."""

from collections.abc import Callable
from typing import Any

import pytest

from app.domain import DeliveryState, Event, Module, Origin, Outcome, Record, System
from app.inbox.repository import NewDelivery
from app.modules.context import ensure_setup
from app.sync.mappings.preview import Trial, preview
from app.sync.polling import poll
from app.sync.runs.requests import differences
from tests import goods, trade
from tests.mapping.odd import with_gap
from tests.running import run
from tests.setting import STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

Change = Callable[[dict[str, Any]], dict[str, Any]]


def spoiling(record_id: str, change: Change) -> Callable[[str, Any], Any]:
    """What a plug-in makes of one record, wherever it is shown."""

    def spoil(_: str, data: Any) -> Any:
        if isinstance(data, list):
            return [spoil("", each) for each in data]
        if not isinstance(data, dict):
            return data
        if str(data.get("id")) == record_id:
            return change(data)
        if isinstance(data.get("result"), dict | list):
            return {**data, "result": spoil("", data["result"])}
        return data

    return spoil


def with_comma(order: dict[str, Any]) -> dict[str, Any]:
    return {**order, "total": str(order["total"]).replace(".", ",")} if "total" in order else order


async def orders(world: World, *counts: int) -> list[str]:
    """Orders of so many, in a shop with all that orders rest on."""
    await ensure_setup(world.runtime)
    product = goods.product(world, name="Tea", sku="tea")
    return [trade.order(world, (product, count)) for count in counts]


def unreadable(rows: Any, name: str) -> list[tuple[str, str | None]]:
    """The rows of the log that tell of a record by id; each names the field."""
    found = [row for row in rows if row.source_id == name]
    assert all("total" in row.message for row in found if row.reason == "unreadable")
    return [(row.outcome, row.reason) for row in found]


async def test_a_run_brings_all_others_and_a_dry_run_and_preview_tell_of_it(
    emptied_database_url: str,
) -> None:
    async with open_world(emptied_database_url, hooks=False) as world:
        odd, *good = await orders(world, 1, 2, 3, 4)
        world.traffic.spoil = spoiling(odd, with_comma)

        dry = await run(world, Module.SALES_ORDERS, dry_run=True)
        [told] = [
            each
            for each in (await differences(world.runtime, dry.run.id)).items
            if each.woo_id == odd
        ]
        assert (told.reason, "total is" in told.message) == ("unreadable", True)
        assert trade.sales(world) == []

        found = await preview(
            world.runtime, Trial(STORE, Module.SALES_ORDERS, System.WOOCOMMERCE, odd)
        )
        assert found.skip is not None
        assert (found.skip.reason, found.woo_id) == ("unreadable", odd)

        done = await run(world, Module.SALES_ORDERS)
        await world.settle()
        assert done.run.state == "done"
        assert len(trade.sales(world)) == len(good) == 3
        assert unreadable(await world.log(Outcome.FAILED), odd) == [("failed", "unreadable")]
        dead = [each.record_id for each in await world.deliveries() if each.state == "dead"]
        assert dead == [odd]

        world.traffic.spoil = None
        await run(world, Module.SALES_ORDERS)
        await world.settle()
        assert len(trade.sales(world)) == 4


async def test_a_poll_finds_all_others_and_names_it_once(emptied_database_url: str) -> None:
    async with open_world(emptied_database_url, hooks=False) as world:
        await ensure_setup(world.runtime)
        await poll(world.runtime)
        world.later(seconds=300)
        odd, _ = await orders(world, 1, 2)
        world.traffic.spoil = spoiling(odd, with_comma)
        for _ in range(2):
            await poll(world.runtime)
            await world.settle()
            world.later(seconds=60)
        assert len(trade.sales(world)) == 1
        assert unreadable(await world.log(Outcome.FAILED), odd) == [("failed", "unreadable")]
        assert not [
            each for each in await world.deliveries() if each.state == DeliveryState.PENDING
        ]


async def test_lines_with_a_gap_are_neither_lost_nor_doubled(emptied_database_url: str) -> None:
    async with open_world(emptied_database_url, hooks=False) as world:
        [odd] = await orders(world, 1)
        world.traffic.spoil = spoiling(
            odd, lambda body: {**body, "line_items": with_gap([None, *body["line_items"]])}
        )
        await run(world, Module.SALES_ORDERS)
        await world.settle()
        sale = trade.sale(world, odd)
        [line] = trade.lines(sale)
        assert float(line["quantity"]) == 1
        [row] = [each for each in await world.log(Outcome.CREATED) if each.source_id == odd]
        assert [(note["field"], note["reason"]) for note in row.notes] == [
            ("line_items", "unreadable")
        ]

        edited = {**line, "quantity": "2", "listprice": "10"}
        await world.sandbox.crm.ui_edit(sale["id"], {"LineItems": [edited]})
        await world.settle_again()
        kept = trade.kept(world, odd)
        assert [item.quantity for item in kept.lines] == [2]


async def test_what_cannot_be_read_in_vtiger_is_never_written_over(
    emptied_database_url: str,
) -> None:
    async with open_world(emptied_database_url, hooks=False) as world:
        [order_id] = await orders(world, 1)
        await run(world, Module.SALES_ORDERS)
        await world.settle()
        sale = trade.sale(world, order_id)
        before = await trade.shown(world, order_id)
        for change in (
            lambda record: {**record, "LineItems": None},
            lambda record: {**record, "LineItems": [None]},
            lambda record: {**record, "pre_tax_total": ""},
        ):
            world.traffic.spoil = spoiling(sale["id"], change)
            world.traffic.reset()
            world.later(seconds=30)
            trade.edit(world, order_id, customer_note=f"Ring {id(change)}")
            await poll(world.runtime)
            await world.settle()
            assert not world.traffic.writes
        world.traffic.spoil = None
        rows = await world.log(Outcome.FAILED)
        assert {(row.reason, sale["id"] in row.message) for row in rows} == {("unreadable", True)}
        after = await trade.shown(world, order_id)
        assert after["line_items"] == before["line_items"]


async def test_marks_before_every_answer_of_both_systems_are_none_of_them(
    emptied_database_url: str,
) -> None:
    async with open_world(emptied_database_url, hooks=False) as world:
        world.traffic.noise = b"\xef\xbb\xbf"
        await orders(world, 1)
        await run(world, Module.SALES_ORDERS)
        await world.settle()
        assert len(trade.sales(world)) == 1


async def test_a_stamp_of_days_to_come_hides_no_later_change(emptied_database_url: str) -> None:
    async with open_world(emptied_database_url, hooks=False) as world:
        odd, other = await orders(world, 1, 2)
        world.traffic.spoil = spoiling(
            odd, lambda body: {**body, "date_modified_gmt": "8999-12-31T23:59:59"}
        )
        await poll(world.runtime)
        world.later(seconds=300)
        trade.edit(world, other, status="completed")
        await poll(world.runtime)
        await world.settle()
        assert trade.sale(world, other)["sostatus"] == "Delivered"


ODD_PARTS: dict[str, Change] = {
    "line_items has 2001 rows": lambda order: {**order, "line_items": order["line_items"] * 2001},
    "total is '1e999'": lambda order: {**order, "total": "1e999"},
    "total is 'NaN'": lambda order: {**order, "total": "NaN"},
    "shipping_total is": lambda order: {**order, "shipping_total": "9" * 80},
    "date_created_gmt is": lambda order: {**order, "date_created_gmt": "0001-01-01T00:00:00"},
    "date_modified_gmt is": lambda order: {
        **order,
        "date_modified_gmt": "9999-12-31T23:59:59-12:00",
    },
    "customer_id is": lambda order: {**order, "customer_id": 10**20},
    "line_items[0].quantity is": lambda order: {
        **order,
        "line_items": [{**order["line_items"][0], "quantity": 10**30}],
    },
}


async def test_an_order_with_a_part_out_of_all_bounds_names_it_and_is_not_written(
    emptied_database_url: str,
) -> None:
    async with open_world(emptied_database_url, hooks=False) as world:
        odd, good = await orders(world, 1, 2)
        for told, change in ODD_PARTS.items():
            world.traffic.spoil = spoiling(odd, change)
            record = Record(STORE, System.WOOCOMMERCE, Module.SALES_ORDERS, odd, "order")
            await world.runtime.acceptor.accept(
                [NewDelivery(record, Origin.MANUAL, Event.CHANGED, told)]
            )
            await world.settle()
            *_, row = [each for each in await world.log() if each.source_id == odd]
            assert (row.outcome, row.reason, told in row.message) == ("failed", "unreadable", True)
        await run(world, Module.SALES_ORDERS)
        await world.settle()
        assert [sale["vtiger_purchaseorder"] for sale in trade.sales(world)] == [f"WC-main-{good}"]
