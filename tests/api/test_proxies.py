"""Who a request comes from, directly and behind proxies, trusted or not."""

import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from app.api.middleware import MAX_LOGGED_PROXIES, TrustedProxies, parse_address

pytestmark = pytest.mark.anyio

Header = tuple[bytes, bytes]


class Reached:
    """An application that notes where requests come from."""

    def __init__(self, *networks: str) -> None:
        self.layer = TrustedProxies(self, networks=networks)
        self.seen: list[tuple[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        self.seen.append((scope["client"][0], scope["scheme"]))

    async def ask(self, peer: str, headers: Sequence[Header]) -> tuple[str, str]:
        scope = {"type": "http", "scheme": "http", "client": (peer, 4711), "headers": headers}

        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            del message

        await self.layer(scope, receive, send)
        return self.seen[-1]


def forwarded(*values: str, proto: str = "") -> list[Header]:
    lines = [(b"x-forwarded-for", value.encode("latin-1")) for value in values]
    return [*lines, (b"x-forwarded-proto", proto.encode())] if proto else lines


async def test_nobody_is_believed_unless_somebody_is_trusted() -> None:
    service = Reached()
    headers = forwarded("203.0.113.7", proto="https")
    for peer in ("127.0.0.1", "::1", "198.51.100.2"):
        assert await service.ask(peer, headers) == (peer, "http")


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        ("127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["1.2.3.4", "203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["1.2.3.4, 203.0.113.7, 10.9.8.7"], "203.0.113.7"),
        ("127.0.0.1", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("::ffff:127.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("127.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("127.0.0.1", ["203.0.113.7, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7, unknown, 10.9.8.7"], "10.9.8.7"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
    ],
)
async def test_the_client_is_the_first_from_the_right_that_is_no_trusted_proxy(
    peer: str, values: list[str], client: str
) -> None:
    service = Reached("127.0.0.1/32", "10.0.0.0/8")
    assert (await service.ask(peer, forwarded(*values)))[0] == client


async def test_a_rotating_header_does_not_make_one_caller_many() -> None:
    """A proxy adds the address that it sees; what stood there before is anybody's word."""
    service = Reached("127.0.0.1/32")
    clients = {
        (await service.ask("127.0.0.1", forwarded(f"9.9.9.{number}, 203.0.113.7")))[0]
        for number in range(20)
    }
    assert clients == {"203.0.113.7"}


@pytest.mark.parametrize(
    ("values", "proto", "scheme"),
    [
        (["203.0.113.7"], "https", "https"),
        (["203.0.113.7"], "HTTPS", "https"),
        (["203.0.113.7"], "ftp", "http"),
        ([], "https", "https"),
        (["203.0.113.7"], "https, http", "http"),
        (["203.0.113.7, 10.0.0.1"], "https, http", "https"),
    ],
)
async def test_the_scheme_is_that_of_the_client(values: list[str], proto: str, scheme: str) -> None:
    service = Reached("10.0.0.0/8")
    assert (await service.ask("10.0.0.2", forwarded(*values, proto=proto)))[1] == scheme


async def test_an_untrusted_proxy_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "app.api.middleware")
    service = Reached()
    for _ in range(3):
        await service.ask("192.0.2.9", forwarded("203.0.113.7"))
    [told] = [record.getMessage() for record in caplog.records]
    assert ("192.0.2.9" in told, "TRUSTED_PROXIES" in told) == (True, True)
    for number in range(100):
        await service.ask(f"192.0.2.{number}", forwarded("203.0.113.7"))
    assert len(caplog.records) == MAX_LOGGED_PROXIES


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    found = parse_address(text)
    assert found is None or parse_address(str(found)) == found
