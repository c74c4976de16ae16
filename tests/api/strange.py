"""What strangers and broken senders put into requests to the receivers, as strategies."""

import base64
from dataclasses import dataclass
from typing import Any

import orjson
from hypothesis import strategies as st

from app.vtiger.callbacks import sign as sign_batch
from app.woocommerce.webhook_delivery import sign
from tests.api.calls import CALLBACK_SECRET, SECRET

NASTY = [
    "",
    "0",
    "05",
    "-1",
    "1" * 25,
    "9223372036854775808",
    "1e999",
    "NaN",
    "12x34",
    "12x034",
    "x",
    "1x2x3",
    "\u0663",
    "\uff10\uff15",
    "\x00",
    "a\x00b",
    "\ud800",
    "\u202e",
    "\r\n",
    "\t",
    "%00",
    "../..",
    "$(id)",
    "${id}",
    "<script>",
    "'; DROP TABLE deliveries; --",
    "a" * 401,
    "\u00e9" * 3000,
    "customer.updated",
    "contacts.updated",
    "order.deleted",
    "coupon.created",
    "action.woocommerce_add_to_cart",
    "9999-12-31T23:59:59",
    "0001-01-01T00:00:00+14:00",
]
NAMES = [
    "id",
    "record",
    "record_id",
    "recordid",
    "crmid",
    "ID",
    " id ",
    "module",
    "changes",
    "installation",
    "sequence",
    "event",
    "user_id",
    "webhook_id",
    "code",
    "message",
    "data",
    "status",
    "email",
    "billing",
    "line_items",
    "date_modified_gmt",
    "total",
    "meta_data",
]
TOPICS = [
    "customer.updated",
    "customer.created",
    "customer.deleted",
    "order.updated",
    "product.restored",
    "coupon.updated",
    "contacts.updated",
    "other.updated",
]
PATHS = [
    "/webhooks/woocommerce/main",
    "/webhooks/woocommerce/main/",
    "/webhooks/woocommerce/shop-fr",
    "/webhooks/woocommerce/other",
    "/callbacks/vtiger",
    "/callbacks/vtiger/",
    "/callbacks/vtiger/status",
    "/callbacks/vtiger/summary",
    "/callbacks/vtiger/contacts",
    "/callbacks/vtiger/SalesOrder",
    "/callbacks/vtiger/products/",
    "/callbacks/vtiger/nothing",
]
KINDS = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; charset=utf-16",
    "",
]

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=40))
numbers = st.one_of(
    st.integers(-(10**30), 10**30), st.floats(), st.sampled_from([0, 1, 7, 2**63, -(2**63)])
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), texts), inner, max_size=5),
    ),
    max_leaves=12,
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "sequence": st.one_of(numbers, texts),
        "id": st.one_of(numbers, texts),
        "module": st.one_of(st.sampled_from(["Contacts", "SalesOrder", "Leads"]), values),
        "event": st.one_of(st.sampled_from(["created", "updated", "deleted"]), values),
    },
)
batches = st.fixed_dictionaries(
    {},
    optional={
        "installation": st.one_of(st.just("9f86d081884c7d65"), values),
        "changes": st.one_of(st.lists(changes, max_size=5), values),
    },
)
fields = st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), texts), texts), max_size=6)


def _json(value: Any) -> bytes:
    """With lone surrogates escaped, and numbers that only some readers know."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return repr(value).replace("'", '"').encode("utf-8", "replace")


def _form(pairs: list[tuple[str, str]]) -> bytes:
    encoded = [
        (name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in pairs
    ]
    return b"&".join(name + b"=" + value for name, value in encoded)


likely_ids = st.one_of(
    st.integers(1, 2**70), st.from_regex(r"[0-9]{1,3}x[0-9]{1,30}", fullmatch=True), texts
)
records = st.fixed_dictionaries({"id": likely_ids}, optional={"email": texts, "status": texts})
likely_changes = st.fixed_dictionaries(
    {
        "sequence": st.integers(1, 2**64),
        "id": likely_ids,
        "module": st.sampled_from(["Contacts", "SalesOrder", "Products", "Leads"]),
        "event": st.sampled_from(["created", "updated", "deleted"]),
    }
)
likely_batches = st.fixed_dictionaries(
    {"installation": texts, "changes": st.lists(likely_changes, max_size=4)}
)
likely_questions = st.fixed_dictionaries(
    {"asks": st.sampled_from(["status", "summary"])},
    optional={
        "records": st.lists(
            st.fixed_dictionaries(
                {"id": likely_ids, "module": st.sampled_from(["Contacts", "SalesOrder", "Leads"])}
            ),
            max_size=4,
        )
    },
)
bodies = st.one_of(
    records.map(_json),
    likely_questions.map(_json),
    likely_batches.map(_json),
    likely_ids.map(lambda one: _form([("id", str(one))])),
    values.map(_json),
    batches.map(_json),
    fields.map(_form),
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"[" * 3000, b"{" * 3000, b'{"id":' * 500, b"id=" + b"9" * 5000, b"a&" * 3000]
    ),
)
field_values = st.one_of(
    st.sampled_from([each.encode("utf-8", "replace") for each in NASTY]), st.binary(max_size=30)
).map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\x00"))


@dataclass(frozen=True, slots=True)
class Strange:
    """A request as a server passes it on."""

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@st.composite
def requests(draw: st.DrawFn, now: float) -> Strange:
    """Any request to a receiver; two of three with the right secret, so that it gets further."""
    body = draw(bodies)
    headers = [(b"content-type", draw(st.sampled_from(KINDS)).encode())]
    topic = draw(st.one_of(st.sampled_from(TOPICS), st.sampled_from(TOPICS), texts))
    headers.append((b"x-wc-webhook-topic", topic.encode("utf-8", "replace")))
    headers.append((b"x-wc-webhook-id", draw(field_values)))
    stamp = str(int(now) + draw(st.sampled_from([0, 0, 0, 400, -(10**20)])))
    if draw(st.integers(0, 2)):
        headers.append((b"x-wc-webhook-signature", sign(body, SECRET).encode()))
        headers.append((b"x-woosync-timestamp", stamp.encode()))
        headers.append((b"x-woosync-signature", sign_batch(CALLBACK_SECRET, stamp, body).encode()))
        headers.append((b"x-callback-token", CALLBACK_SECRET.encode()))
    else:
        names = ["x-wc-webhook-signature", "x-woosync-signature", "x-woosync-timestamp"]
        names += ["x-callback-token", "authorization"]
        for name in draw(st.lists(st.sampled_from(names), max_size=3)):
            headers.append((name.encode(), draw(field_values)))
        if draw(st.booleans()):
            basic = base64.b64encode(draw(st.binary(max_size=20)))
            headers.append((b"authorization", b"Basic " + basic))
    kept = tuple((name, bytes(b for b in value if b not in b"\r\n\x00")) for name, value in headers)
    return Strange(
        draw(st.sampled_from(["POST", "POST", "POST", "PUT", "GET"])),
        draw(st.sampled_from(PATHS)),
        draw(fields.map(_form)) if draw(st.booleans()) else b"",
        kept,
        body,
    )
