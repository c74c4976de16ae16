"""What both clients stand on: waits that remotes ask for, and limits on the wire."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import httpx
import pytest

from app.domain import RemoteError, ResponseUnreadable, System
from app.http.client import Answer, Channel, ClientLimits, Request, parse_retry_after
from app.vtiger.rest import read_rest_answer
from app.vtiger.webservice import read_result
from app.woocommerce.requests import read_json
from tests.scripted import Scripted

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
URL = httpx.URL("https://remote.test/a")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Mon, 23 Nov 2026 21:02:00 GMT", 120.0),
        ("Mon, 23 Nov 2026 22:02:00 +0100", 120.0),
        ("Mon, 23 Nov 2026 20:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 21:02:00 -0000", 120.0),
        ("9" * 400, 86_400.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("９", None),
    ],
)
def test_a_wait_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds


async def test_a_body_is_capped_before_an_auth_flow_can_read_it() -> None:
    class Reading(httpx.Auth):
        requires_response_body = True

    remote = Scripted([httpx.Response(200, content=b"x" * 101)])
    limits = ClientLimits(max_response_bytes=100)
    channel = Channel(System.VTIGER, limits, auth=Reading(), transport=remote, sleep=remote.sleep)
    with pytest.raises(ResponseUnreadable, match="larger than 100 bytes"):
        await channel.send(Request("POST", URL), lambda answer: answer, write=True)


async def test_cookies_are_not_kept() -> None:
    remote = Scripted([httpx.Response(200, headers={"Set-Cookie": "PHPSESSID=1; Path=/"})])
    channel = Channel(System.VTIGER, ClientLimits(), transport=remote)
    for _ in range(2):
        await channel.send(Request("GET", URL), lambda answer: answer.status, write=False)
    assert "cookie" not in remote.asked[1].headers


async def test_each_try_of_a_form_sends_it_whole() -> None:
    remote = Scripted([httpx.ConnectError("refused"), httpx.Response(200)])
    channel = Channel(System.VTIGER, ClientLimits(), transport=remote, sleep=remote.sleep)
    request = Request("POST", URL, {"q": "1"}, form={"a": "é&b"})
    assert await channel.send(request, lambda answer: answer.status, write=True) == 200
    assert [(asked.query, asked.form) for asked in remote.asked] == [({"q": "1"}, {"a": "é&b"})] * 2


WORDS = "Ada Lovelace of Rue Haute"
QUOTED = json.dumps({"code": "broken_inside", "message": WORDS}).encode()
REFUSED = json.dumps(
    {"success": False, "error": {"code": "INTERNAL_SERVER_ERROR", "message": WORDS}}
).encode()
TAKEN = json.dumps({"code": "product_invalid_sku", "message": WORDS}).encode()
NO_CODE = json.dumps({"code": WORDS, "message": WORDS}).encode()


@pytest.mark.parametrize("status", [400, 401, 404, 500])
@pytest.mark.parametrize(
    "body", [QUOTED, REFUSED, NO_CODE, TAKEN, WORDS.encode(), f"{{{WORDS}".encode()]
)
def test_a_summary_quotes_no_word_of_the_remotes(status: int, body: bytes) -> None:
    """Whole systems are told of by it, where nobody would look for a person's data."""
    answer = Answer(status, httpx.Headers(), body, WORDS)
    readers: list[Callable[[], object]] = [
        partial(read_json, answer, write=False),
        partial(read_result, answer, "query", write=False),
        partial(read_rest_answer, answer, "query", write=False),
    ]
    for read in readers:
        with pytest.raises(RemoteError) as refused:
            read()
        assert refused.value.summary
        assert "Ada" not in refused.value.summary
