"""Deliveries: filters, what stopped them, what came with them, replay."""

import pytest

from app.db.session import transaction
from app.domain import DeliveryState, Origin
from app.inbox.repository import Postponement, claim, postpone
from app.runtime import Runtime
from tests.api.rows import hint, settled_hint, stored
from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio


def rows(page: str) -> int:
    return page.count('<td class="when"')


async def test_filters_narrow_the_list(admin: Browser, runtime: Runtime) -> None:
    await settled_hint(runtime, "7", state=DeliveryState.DEAD)
    await settled_hint(runtime, "8")
    await hint(runtime, "9", store="shop-fr")
    for query, count in {
        "": 3,
        "state=dead": 1,
        "state=dead&state=done": 2,
        "store=shop-fr": 1,
        "record_id=8": 1,
        "system=vtiger": 0,
        "origin=webhook": 3,
        "module=products": 0,
        "until=2020-01-01": 0,
    }.items():
        assert rows(await admin.text(f"/ui/deliveries?{query}")) == count, query
    assert "<b>1</b> dead letter" in await admin.text("/ui/deliveries")


async def test_a_delivery_tells_what_stopped_it_and_what_to_do(
    admin: Browser, runtime: Runtime
) -> None:
    delivery = await hint(runtime)
    async with transaction(runtime.sessions) as session:
        await claim(session, "main:contacts:woocommerce:7")
        wait = Postponement(60, "remote_unavailable", "Vtiger refused the connection.")
        await postpone(session, [delivery], wait)
    page = await admin.text(f"/ui/deliveries/{delivery}")
    assert "Vtiger refused the connection." in page
    assert "remote_unavailable" in page
    assert "What to do" in page
    assert "Next attempt" in page
    assert "{&#34;id&#34;:7}" in page


async def test_a_settled_delivery_leads_to_its_entry(admin: Browser, runtime: Runtime) -> None:
    delivery, entry = await settled_hint(runtime)
    page = await admin.text(f"/ui/deliveries/{delivery}")
    assert f'href="/ui/records/{entry}"' in page
    assert "Next attempt" not in page


async def test_replay_makes_a_delivery_of_its_own(admin: Browser, runtime: Runtime) -> None:
    delivery, _ = await settled_hint(runtime, state=DeliveryState.DEAD)
    path = f"/ui/deliveries/{delivery}"
    answer = await admin.post(f"{path}/replay", on=path)
    _, replay = await stored(runtime)
    assert answer.headers["location"] == f"/ui/deliveries/{replay.id}?replayed=1"
    assert (replay.origin, replay.remote_note) == (Origin.REPLAY, f"replay of delivery {delivery}")


async def test_all_that_match_are_replayed_and_no_others(admin: Browser, runtime: Runtime) -> None:
    for record_id in ("7", "8"):
        await settled_hint(runtime, record_id, state=DeliveryState.DEAD)
    await settled_hint(runtime, "9")
    page = await admin.text("/ui/deliveries?state=dead")
    assert 'name="filters" value="state=dead"' in page
    answer = await admin.post(
        "/ui/deliveries/replay", on="/ui/deliveries?state=dead", filters="state=dead"
    )
    replays = [each for each in await stored(runtime) if each.origin == Origin.REPLAY]

    assert answer.headers["location"] == "/ui/deliveries?state=dead&replayed=2"
    assert {each.record_id for each in replays} == {"7", "8"}
    assert "2 records are replayed." in await admin.text(answer.headers["location"])


async def test_everything_is_never_replayed_by_accident(admin: Browser, runtime: Runtime) -> None:
    await settled_hint(runtime, state=DeliveryState.DEAD)
    assert "Replay all" not in await admin.text("/ui/deliveries")
    for filters in ("", "state=exploded", "nonsense=1"):
        answer = await admin.post("/ui/deliveries/replay", on="/ui/deliveries", filters=filters)
        assert answer.status_code == 422
    assert len(await stored(runtime)) == 1
