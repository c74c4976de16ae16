"""WooCommerce's webhooks: proven, stored before they are answered, once while they wait."""

import asyncio

import httpx
import pytest
from sqlalchemy import text

from app.config.settings import Settings
from app.db.opening import sqlalchemy_url
from app.db.session import open_engine, transaction
from app.domain import DeliveryState, Event, Module, Origin
from app.inbox.repository import claim, settle
from app.observability import REGISTRY
from app.runtime import Runtime
from tests.api.calls import FORM, HOOKS, hook_headers, send_hook
from tests.api.rows import stored

pytestmark = pytest.mark.anyio

GONE = {"code": "wc_user_invalid_id", "message": "Invalid user ID.", "data": {"status": 404}}


async def end_all(runtime: Runtime) -> None:
    async with transaction(runtime.sessions) as session:
        for delivery in await stored(runtime):
            claimed = await claim(session, delivery.record_key)
            ids = [each.id for each in claimed]
            await settle(session, ids, 1, state=DeliveryState.DONE)


async def test_a_signed_delivery_is_stored_as_it_came(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    response = await send_hook(stranger, b'{ "id": 7,"first_name":"Zo\\u00eb"}')
    [delivery] = await stored(runtime)
    assert response.status_code == 202
    assert response.json() == {"delivery_id": str(delivery.id)}
    assert delivery.body == b'{ "id": 7,"first_name":"Zo\\u00eb"}'
    assert (delivery.store, delivery.module, delivery.record_id) == ("main", "contacts", "7")
    assert (delivery.origin, delivery.event) == (Origin.WEBHOOK, Event.UPDATED)
    assert delivery.record_key == "main:contacts:woocommerce:7"


async def test_a_slash_at_the_end_of_the_address_changes_nothing(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    """The shop does not follow a redirect with the body."""
    response = await send_hook(stranger, {"id": 7}, path=f"{HOOKS}/")
    assert response.status_code == 202
    assert len(await stored(runtime)) == 1


async def test_another_connection_sees_it_once_it_was_answered(
    stranger: httpx.AsyncClient, settings: Settings
) -> None:
    assert settings.database_url is not None
    answered = (await send_hook(stranger, {"id": 7})).json()
    engine = open_engine(sqlalchemy_url(settings.database_url.get_secret_value()))
    async with engine.connect() as connection:
        found = (await connection.execute(text("SELECT id FROM deliveries"))).scalars().all()
    await engine.dispose()
    assert [str(each) for each in found] == [answered["delivery_id"]]


async def test_the_same_body_is_a_duplicate_while_it_waits(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    first = await send_hook(stranger, {"id": 7})
    second = await send_hook(stranger, {"id": 7})
    assert second.status_code == 200
    assert second.json() == {**first.json(), "duplicate": True}
    assert [delivery.duplicates for delivery in await stored(runtime)] == [1]


async def test_the_same_body_is_a_new_hint_once_the_first_was_settled(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    first = await send_hook(stranger, {"id": 7})
    await end_all(runtime)
    again = await send_hook(stranger, {"id": 7})
    assert again.status_code == 202
    assert again.json()["delivery_id"] != first.json()["delivery_id"]


async def test_the_same_body_is_a_new_hint_while_the_first_is_being_worked_on(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    await send_hook(stranger, {"id": 7})
    async with transaction(runtime.sessions) as session:
        await claim(session, "main:contacts:woocommerce:7")
    assert (await send_hook(stranger, {"id": 7})).status_code == 202


async def test_concurrent_identical_posts_give_one_delivery(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    answers = await asyncio.gather(*(send_hook(stranger, {"id": 7}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]
    assert len({answer.json()["delivery_id"] for answer in answers}) == 1
    assert len(await stored(runtime)) == 1


async def test_another_topic_webhook_or_store_is_another_hint(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    body = b'{"id":7}'
    other_webhook = hook_headers(body) | {"x-wc-webhook-id": "14"}
    answers = [
        await send_hook(stranger, body),
        await send_hook(stranger, body, topic="customer.deleted"),
        await stranger.post(HOOKS, content=body, headers=other_webhook),
        await send_hook(stranger, body, path="/webhooks/woocommerce/shop-fr"),
    ]
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len(await stored(runtime)) == 4


async def test_a_ping_is_answered_exactly_200_and_kept_nowhere(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    response = await stranger.post(HOOKS, content=b"webhook_id=41", headers=FORM)
    assert response.status_code == 200
    assert await stored(runtime) == []


async def test_an_error_envelope_is_kept_and_answered_200(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    response = await send_hook(stranger, GONE)
    [delivery] = await stored(runtime)
    assert response.status_code == 200
    assert response.json() == {"delivery_id": str(delivery.id)}
    assert (delivery.record_id, delivery.module) == ("", Module.CONTACTS)
    assert delivery.remote_note == "wc_user_invalid_id: Invalid user ID."


@pytest.mark.parametrize(
    ("topic", "body", "module", "record_id"),
    [
        ("action.woocommerce_tax_rate_deleted", b'{"action":"x","arg":4}', "taxes", "4"),
        ("customer.deleted", b'{"id":3}', "contacts", "3"),
        ("customer.merged", b'{"id":3}', "contacts", "3"),
    ],
)
async def test_topics_beyond_the_ordinary_are_stored(
    stranger: httpx.AsyncClient,
    runtime: Runtime,
    topic: str,
    body: bytes,
    module: str,
    record_id: str,
) -> None:
    response = await send_hook(stranger, body, topic=topic)
    [delivery] = await stored(runtime)
    assert response.status_code == 202
    assert (delivery.module, delivery.record_id) == (module, record_id)


@pytest.mark.parametrize(
    ("topic", "label"),
    [
        ("coupon.created", "coupon"),
        ("action.some_plugin", "action"),
        ("contacts.updated", "other"),
        ("made_up.by_somebody", "other"),
    ],
)
async def test_topics_that_no_module_syncs_are_counted_and_not_stored(
    stranger: httpx.AsyncClient, runtime: Runtime, topic: str, label: str
) -> None:
    before = ignored(label)
    response = await send_hook(stranger, {"id": 26}, topic=topic)
    assert (response.status_code, response.json()) == (200, {"ignored": True})
    assert ignored(label) == before + 1
    assert await stored(runtime) == []


async def test_a_topic_that_no_module_syncs_needs_a_signature_all_the_same(
    stranger: httpx.AsyncClient,
) -> None:
    headers = hook_headers(b"{}", topic="coupon.created") | {"x-wc-webhook-signature": "AAAA"}
    before = ignored("coupon")
    response = await stranger.post(HOOKS, content=b"{}", headers=headers)
    assert (response.status_code, ignored("coupon")) == (401, before)


def ignored(resource: str) -> float:
    labels = {"store": "main", "resource": resource}
    return REGISTRY.get_sample_value("woo_vtiger_webhooks_ignored_total", labels) or 0.0


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b"null", b"", b'"text"', b'{"name":"x"}', b'{"id":0}', b'{"id":"x"}']
)
async def test_a_signed_body_that_names_no_record_is_answered_200_and_kept(
    stranger: httpx.AsyncClient, runtime: Runtime, body: bytes
) -> None:
    response = await send_hook(stranger, body, topic="order.updated")
    [delivery] = await stored(runtime)
    assert (response.status_code, delivery.record_id) == (200, "")
    assert delivery.remote_note.startswith("The delivery names no record (order.updated): its body")


async def test_an_action_without_an_id_names_no_record(stranger: httpx.AsyncClient) -> None:
    topic = "action.woocommerce_delete_order"
    response = await send_hook(stranger, {"action": topic[7:], "arg": []}, topic=topic)
    assert response.status_code == 200


async def test_byte_order_marks_before_a_body_are_none_of_it(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    body = b"\xef\xbb\xbf\n\xef\xbb\xbf" + b'{"id":7}'
    response = await send_hook(stranger, body)
    [delivery] = await stored(runtime)
    assert (response.status_code, delivery.record_id, delivery.body) == (202, "7", body)


async def test_a_body_that_is_too_large_to_keep_is_taken_as_a_hint(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    for letter, repeated in ((b"x", False), (b"y", False), (b"y", True)):
        body = b'{ "id": 501, "meta_data": "' + letter * 200_000 + b'"}'
        response = await send_hook(stranger, body, topic="order.updated")
        assert response.status_code == (200 if repeated else 202)
        assert ("duplicate" in response.json()) is repeated
    deliveries = await stored(runtime)
    assert {each.record_key for each in deliveries} == {"main:sales_orders:woocommerce:501"}
    assert [each.body for each in deliveries] == [None, None]


async def test_a_large_body_whose_id_is_not_at_its_beginning_is_kept_as_skipped(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    body = b'{"blob":"' + b"x" * 200_000 + b'","id":501}'
    response = await send_hook(stranger, body, topic="order.updated")
    [delivery] = await stored(runtime)
    assert (response.status_code, delivery.record_id) == (200, "")
    assert "its id is not at its beginning" in delivery.remote_note
