"""How long the event loop is busy with the worst bodies that the receivers take: `make bench`.

Each body is as large as the default of RECEIVER__MAX_BODY_BYTES lets it be, and made to be as
expensive as any that was found for its receiver. Figures are milliseconds of the processor in one
go.
"""

import gc
import time
from collections.abc import Callable
from contextlib import suppress

from app.api.receivers import MAX_QUERY_FIELDS
from app.config.settings import ReceiverSettings
from app.domain import InvalidInput
from app.parsing import LARGEST_LENIENT, read_fields
from app.vtiger.callbacks import (
    MAX_FIELDS,
    MAX_HINTS,
    MAX_NAMED,
    MAX_VALUES,
    MAX_VISITS,
    MOST_BATCH_VALUES,
    MOST_CHANGES,
    find_fault,
    parse_batch,
    parse_callback,
    sign,
)
from app.woocommerce.webhook_delivery import LARGEST_PARSED, SignatureCheck, find_ping, parse_hook

MOST = ReceiverSettings().max_body_bytes
FORM = "application/x-www-form-urlencoded"


def run() -> dict[str, float]:
    """Milliseconds of the worst body of each receiver, by what is done with it."""
    gc.collect()
    gc.freeze()  # as the service does once it has started
    return {
        "an unsigned form": _worst(FORMS, lambda body: find_ping({"content-type": FORM}, body)),
        "a webhook's signature": _worst([b"x" * MOST], _check_signature),
        "a signed webhook": _worst(
            HOOKS, lambda body: parse_hook({"x-wc-webhook-topic": "order.updated"}, body)
        ),
        "a callback's address": _worst(QUERIES, _read_query),
        "a callback": _worst([*FORMS, *LISTS], lambda body: parse_callback("", body, {})),
        "the add-on's signature": _worst([b"x" * MOST], _check_addon),
        "the add-on's batch": _worst([*BATCHES, *LISTS], parse_batch),
    }


def _worst(bodies: list[bytes], take: Callable[[bytes], object]) -> float:
    return max(_milliseconds(body, take) for body in bodies)


def _milliseconds(body: bytes, take: Callable[[bytes], object]) -> float:
    start = time.process_time()
    with suppress(InvalidInput):
        take(body)
    return (time.process_time() - start) * 1000


def _check_signature(body: bytes) -> None:
    check = SignatureCheck(["one-secret", "the-one-before"])
    check.update(body)
    check.verifies("AAAA")


def _check_addon(body: bytes) -> None:
    find_fault("secret", body, timestamp="1", signature=sign("secret", "1", body), now=1)


def _read_query(query: bytes) -> None:
    list(read_fields(query, most=MAX_QUERY_FIELDS, longest=len(query)))


def _filled(start: bytes, part: bytes, end: bytes, *, size: int = MOST) -> bytes:
    """As many parts between start and end as make the size."""
    return start + part * ((size - len(start) - len(end)) // len(part)) + end


def _padded(start: bytes, part: bytes, end: bytes, *, count: int) -> bytes:
    """So many parts, and a text that makes the body as large as it may be."""
    rest = MOST - len(start) - len(part) * count - len(end)
    return start + part * count + b"\\u00e9" * (rest // 6) + end


ID = b"[id]=$" + b"%41" * 198
FORMS = [
    _filled(b"", b"a=1&", b""),
    _filled(b"", b"&", b""),
    _filled(b"", b"a[b][c]", b"=1"),
    _filled(b"", b"%41", b"=1"),
    _filled(b"id=", b"%41", b""),
    b"".join(b"%d%s&" % (each, ID) for each in range(MAX_NAMED)) + b"a=1&" * 800,
    (b"%41" * 33 + b"=1&") * (MAX_FIELDS - 1),
    (b"a." * 49 + b"a=1&") * (MAX_FIELDS - 1),
    _filled(b"id=1&a=", b"\xff", b""),
    _filled(b"--b\r\nContent-Disposition: form-data; name=", b"--b\r\n", b"--b--"),
    _filled(b"", b"\xef\xbb\xbf", b"id=1"),
]
LISTS = [
    _filled(b"[", b"{},", b"{}]"),
    _filled(b"", b"[", b""),
    b"[" + b"{}," * (MAX_VALUES // 2 - 2) + b"{}]",
    b"[" + b'{"id":"$","record":"$","crmid":"$","module":1},' * (MAX_VISITS // 2) + b"0]",
    b"[" + b'"$",' * (MAX_VALUES - 2) + b"0]",
    b"[NaN," + b'{"id":"$"},' * (MAX_VALUES // 2 - 2) + b"0]",
    b"[" + b"12345678901," * (MAX_VALUES - 2) + b"0]",
    b"{" + b",".join(b'"k%d":{"id":"$"}' % each for each in range(MAX_VALUES // 2 - 1)) + b"}",
    b"{" + b",".join(b'"k%d":1' % each for each in range(MAX_VALUES - 1)) + b"}",
    b"{" + b",".join(b'" ID%d":1' % each for each in range(MAX_VALUES - 1)) + b"}",
    _filled(b'{"a":"', b"\\u00e9", b'"}'),
    _filled(b'{"n":NaN,"a":"', b"\\u00e9", b'"}'),
    _filled(b'{"n":NaN,"a":"', b"\\n", b'"}', size=LARGEST_LENIENT),
    _filled(b'{"', "\u0130".encode(), b'":1,"id":5}'),
    _filled(b"[NaN,", b"9" * 4300 + b",", b"1]", size=LARGEST_LENIENT),
    _padded(b"[", b'{"id":"12x1"},', b'"]', count=MAX_HINTS),
    _filled(b"{", b" ", b"}"),
    _filled(b'{"a":"', b"\xff", b'"}'),
    _filled(b"\xef\xbb\xbf{", b"\xef\xbb\xbf", b"}"),
]
CHANGE = b'{"sequence":9,"id":"12x34","module":"Contacts","event":%s},'
BATCHES = [
    b'{"changes":[' + CHANGE % b'"updated"' * (MOST_CHANGES - 1) + b"0]}",
    b'{"changes":[' + CHANGE % b'[[[[[["x"]]]]]]' * (MOST_CHANGES - 1) + b"0]}",
    b'{"changes":[' + CHANGE % (b'"' + b"x" * 5000 + b'"') * (MOST_CHANGES - 1) + b"0]}",
    b'{"changes":{' + b",".join(b'"%d":1' % each for each in range(MOST_BATCH_VALUES - 3)) + b"}}",
]
HOOKS = [
    _filled(b"[", b"{},", b"{}]", size=LARGEST_PARSED),
    _filled(b"[NaN,", b"{},", b"{}]", size=LARGEST_PARSED),
    _filled(b'{"id":5,"x":[', b'{"a":[]},', b"{}]}", size=LARGEST_PARSED),
    _filled(b"", b"[", b"", size=LARGEST_PARSED),
    _filled(b'{"id":5', b',"a":1', b"}"),
    _filled(b"{", b" ", b'"id":5}'),
    _filled(b"", b"[", b""),
    *LISTS,
]
QUERIES = [
    _filled(b"", b"&", b"", size=64 * 1024),
    _filled(b"", b"a=1&", b"", size=64 * 1024),
    _filled(b"token=", b"%41", b"", size=64 * 1024),
]
