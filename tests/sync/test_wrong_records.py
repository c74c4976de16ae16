"""A system that answers with another record than was asked for: nothing of it is believed."""

from typing import Any

import pytest

from app.domain import Module, Outcome
from tests.running import run
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


def swapping(asked: str, other: str) -> Any:
    """What a cache in front of the CRM makes of one record: an answer under another's id."""

    def spoil(_: str, data: Any) -> Any:
        record = data.get("result") if isinstance(data, dict) else None
        if not isinstance(record, dict) or record.get("id") != asked:
            return data
        return {**data, "result": {**record, "id": other}}

    return spoil


async def failures(world: World) -> list[tuple[str, str | None]]:
    return [(row.source_id, row.reason) for row in await world.log(Outcome.FAILED)]


async def test_a_contact_that_is_answered_for_another_is_a_failure_of_its_own(
    emptied_database_url: str,
) -> None:
    async with open_world(emptied_database_url) as world:
        ada = await world.customer("ada@shop.example", first_name="Ada", last_name="L")
        grace = await world.customer("grace@shop.example", first_name="Grace", last_name="H")
        await world.settle()
        there = {each["firstname"]: each["id"] for each in world.contacts()}
        ada_there, grace_there = there["Ada"], there["Grace"]
        world.later()
        world.traffic.spoil = swapping(ada_there, grace_there)
        await world.edit_contact(ada_there, phone="111")
        await world.edit_contact(grace_there, phone="222")
        await world.settle()

        assert await failures(world) == [(ada_there, "wrong_record")]
        assert (await world.get_customer(ada))["billing"]["phone"] == ""
        assert (await world.get_customer(grace))["billing"]["phone"] == "222"

        world.traffic.spoil = None
        await run(world, Module.CONTACTS)
        await world.settle()
        assert (await world.get_customer(ada))["billing"]["phone"] == "111"
