"""What deliveries say: the recorded ones of every kind, and ones that lie."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Event, InvalidInput, Module
from app.woocommerce.webhook_delivery import (
    LARGEST_PARSED,
    TOPICS,
    HookKind,
    WooHook,
    find_ping,
    parse_hook,
)
from tests.recorded import Delivery, deliveries

HOOKS = deliveries("woocommerce-hooks")
MONTH = deliveries("woocommerce-month-sample")


def recorded(name: str) -> WooHook:
    delivery = HOOKS[name]
    return parse_hook(delivery.headers, delivery.body)


def made(topic: str, body: object) -> WooHook:
    return parse_hook({"x-wc-webhook-topic": topic}, orjson.dumps(body))


@pytest.mark.parametrize("delivery", [*HOOKS.values(), *MONTH.values()], ids=lambda one: one.name)
def test_every_recorded_delivery_is_understood(delivery: Delivery) -> None:
    hook = parse_hook(delivery.headers, delivery.body)
    if hook.kind is HookKind.RECORD and hook.module:
        assert hook.record_id
        assert hook.topic == delivery.headers["x-wc-webhook-topic"]
        assert hook.webhook_id == delivery.headers["x-wc-webhook-id"]


def test_the_unsigned_ping_gives_its_webhook() -> None:
    assert recorded("hook_ping") == WooHook(HookKind.PING, webhook_id="1")


def test_a_created_customer_is_a_contact() -> None:
    hook = recorded("hook_customer_created_oncreate")
    assert (hook.kind, hook.module, hook.event) == (
        HookKind.RECORD,
        Module.CONTACTS,
        Event.CREATED,
    )
    assert hook.record_id == "2"


def test_a_deletion_names_its_record() -> None:
    hook = recorded("hook_customer_deleted")
    assert (hook.module, hook.event, hook.record_id) == (Module.CONTACTS, Event.DELETED, "3")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("hook_customer_created_after_object_gone", "wc_user_invalid_id"),
        ("hook_product_restored_spurious_page", "woocommerce_rest_product_invalid_id"),
    ],
)
def test_an_error_in_place_of_the_record_is_an_envelope(name: str, code: str) -> None:
    hook = recorded(name)
    assert (hook.kind, hook.code, hook.record_id) == (HookKind.ENVELOPE, code, None)
    assert hook.message
    assert hook.module is not None


@pytest.mark.parametrize(
    ("name", "module", "event", "record_id"),
    [
        ("hook_action_tax_rate_added", Module.TAXES, Event.CREATED, "1"),
        ("hook_action_tax_rate_updated", Module.TAXES, Event.UPDATED, "1"),
        ("hook_action_tax_rate_deleted", Module.TAXES, Event.DELETED, "4"),
        ("hook_action_force_delete_order_1", Module.SALES_ORDERS, Event.DELETED, "246"),
        ("hook_action_force_delete_product_1", Module.PRODUCTS, Event.DELETED, "244"),
    ],
)
def test_actions_tell_of_taxes_and_of_deletions_past_the_trash(
    name: str, module: Module, event: Event, record_id: str
) -> None:
    hook = recorded(name)
    assert (hook.module, hook.event, hook.record_id) == (module, event, record_id)


def test_other_topics_have_no_module() -> None:
    coupon = recorded("hook_order_create_0_coupon_created")
    assert (coupon.kind, coupon.module, coupon.resource) == (HookKind.UNSYNCED, None, "coupon")
    before = recorded("hook_action_force_delete_product_0")
    assert (before.kind, before.module, before.resource) == (HookKind.UNSYNCED, None, "action")


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"webhook_id=1", b'{"code":"x"}'])
@pytest.mark.parametrize("topic", ["coupon.created", "action.some_plugin", "x.y"])
def test_of_a_topic_that_no_module_syncs_the_body_is_not_read(topic: str, body: bytes) -> None:
    assert parse_hook({"x-wc-webhook-topic": topic}, body).kind is HookKind.UNSYNCED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"webhook_id=",
        b"webhook_id=0",
        b"webhook_id=x",
        b"webhook_id=-1",
        b"webhook_id=1&a=b",
        b"a=b&webhook_id=1",
        b"webhook_id=1\n",
        b"webhook%5Fid=1",
        b"webhook_id=" + b"1" * 21,
        "webhook_id=١".encode(),
    ],
)
def test_a_form_of_another_shape_is_no_ping(body: bytes) -> None:
    assert find_ping({"content-type": "application/x-www-form-urlencoded"}, body) is None


def test_of_a_large_body_the_beginning_is_parsed() -> None:
    blob = b'"x":[' + b"{}," * LARGEST_PARSED + b"{}]}"
    topic = {"x-wc-webhook-topic": "order.updated"}
    first = parse_hook(topic, b'{"id":501,' + blob)
    assert (first.kind, first.record_id) == (HookKind.RECORD, "501")
    last = parse_hook(topic, b"{" + blob[:-1] + b',"id":501}')
    assert last.kind is HookKind.NOTHING
    with pytest.raises(InvalidInput, match="not JSON"):
        parse_hook(topic, b"<br />" + blob)


def test_a_body_of_another_kind_is_still_a_hint_for_its_topic() -> None:
    hook = made("customer.updated", {"id": 7, "line_items": []})
    assert (hook.module, hook.record_id) == (Module.CONTACTS, "7")


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"webhook_id=1"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_hook({"x-wc-webhook-topic": "order.updated"}, body)


@pytest.mark.parametrize("record_id", [None, 0, -1, "", "x", 1.5, True, [], "9" * 5000])
def test_a_topic_of_ours_without_an_id_names_no_record(record_id: object) -> None:
    for topic, body in (
        ("product.updated", {"id": record_id}),
        ("action.woocommerce_delete_order", {"arg": record_id}),
    ):
        hook = made(topic, body)
        assert (hook.kind, hook.record_id) == (HookKind.NOTHING, None)
        assert hook.message == f"The delivery names no record ({topic}): its body has no id"


@pytest.mark.parametrize(
    ("body", "shown"),
    [(b"[1]", "is [1]"), (b'"x"', 'is "x"'), (b"null", "is null"), (b" ", "is empty")],
)
def test_a_body_that_is_no_object_names_no_record(body: bytes, shown: str) -> None:
    hook = parse_hook({"x-wc-webhook-topic": "order.updated"}, body)
    assert hook.kind is HookKind.NOTHING
    assert hook.message.endswith(f"its body {shown}")


@pytest.mark.parametrize(
    ("head", "record_id"),
    [
        (b'{"id":501,"total":"3', "501"),
        (b'\xef\xbb\xbf{ "parent_id": 0, "id" : "501" , "x', "501"),
        (b'{"meta":{"id":7},"id":501}', "501"),
        (b'{"id":501', None),
        (b'{"id":50', None),
        (b'{"meta":{"id":7,"x":"', None),
        (b'[{"id":501},', None),
        (b"", None),
    ],
)
def test_a_cut_body_names_its_record_if_that_is_whole(head: bytes, record_id: str | None) -> None:
    hook = parse_hook({"x-wc-webhook-topic": "order.updated"}, head, is_whole=False)
    assert hook.record_id == record_id
    assert hook.kind is (HookKind.RECORD if record_id else HookKind.NOTHING)


@pytest.mark.parametrize("topic", ["", "customer", ".", "customer."])
def test_a_delivery_without_a_topic_is_refused(topic: str) -> None:
    with pytest.raises(InvalidInput, match="topic"):
        made(topic, {"id": 1})


def test_a_form_with_a_topic_is_no_ping() -> None:
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-wc-webhook-topic": "order.updated",
    }
    with pytest.raises(InvalidInput):
        parse_hook(headers, b"webhook_id=1")


def test_all_installed_topics_lead_to_a_module() -> None:
    assert len(set(TOPICS)) == len(TOPICS) == 17
    for topic in TOPICS:
        assert made(topic, {"id": 5, "arg": 5}).module is not None


@given(topic=st.sampled_from([*TOPICS, "coupon.created", "x.y"]), body=st.binary(max_size=200))
def test_any_bytes_are_either_understood_or_refused(topic: str, body: bytes) -> None:
    try:
        hook = parse_hook({"x-wc-webhook-topic": topic}, body)
    except InvalidInput:
        return
    assert hook.topic == topic


@pytest.mark.parametrize(
    "topic", ["", "order", "order.", ".updated", "order.up dated", "o" * 95 + ".updated", "Order.x"]
)
def test_a_topic_of_another_form_is_refused(topic: str) -> None:
    with pytest.raises(InvalidInput, match="names no topic"):
        made(topic, {"id": 7})


def test_an_id_is_the_same_with_leading_zeros() -> None:
    assert made("order.updated", {"id": "05"}).record_id == "5"
