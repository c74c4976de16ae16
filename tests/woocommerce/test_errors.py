"""Every failure of a shop, as recorded or as networks make them, in its place of the tree."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from app.domain import (
    AuthRejected,
    Duplicate,
    NotFound,
    RateLimited,
    Rejected,
    RemoteError,
    RemoteTimeout,
    RemoteUnavailable,
    ResponseUnreadable,
)
from app.http.client import ClientLimits
from tests.scripted import Step, json_answer
from tests.woocommerce.shop import open_shop, recorded

pytestmark = pytest.mark.anyio


async def read_failure(*steps: Step, limits: ClientLimits | None = None) -> RemoteError:
    client, _ = open_shop(*steps, limits=limits)
    with pytest.raises(RemoteError) as caught:
        await client.get_customer("1")
    return caught.value


async def write_failure(*steps: Step, limits: ClientLimits | None = None) -> RemoteError:
    client, _ = open_shop(*steps, limits=limits)
    with pytest.raises(RemoteError) as caught:
        await client.update_customer("1", {})
    return caught.value


class Trickle(httpx.AsyncByteStream):
    """A body that begins and never ends."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()


def compressed(content: bytes) -> httpx.Response:
    stream = httpx.ByteStream(content)
    return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=stream)


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("auth_none", AuthRejected, "woocommerce_rest_cannot_view"),
        ("auth_unknown_key", AuthRejected, "woocommerce_rest_cannot_view"),
        ("auth_wrong_secret", AuthRejected, "woocommerce_rest_authentication_error"),
        ("auth_readonly_key_post", AuthRejected, "woocommerce_rest_authentication_error"),
        ("auth_oauth1_nonce_replay", AuthRejected, "woocommerce_rest_authentication_error"),
        ("shop_manager_delete_customer", AuthRejected, "woocommerce_rest_cannot_delete"),
        ("err_customer_404", NotFound, "wc_user_invalid_id"),
        ("err_product_404", NotFound, "woocommerce_rest_product_invalid_id"),
        ("err_order_404", NotFound, "woocommerce_rest_shop_order_invalid_id"),
        ("err_tax_404", NotFound, "woocommerce_rest_invalid_id"),
        ("err_product_already_trashed", NotFound, "woocommerce_rest_already_trashed"),
        ("err_customer_duplicate_email", Duplicate, "registration-error-email-exists"),
        ("err_customer_duplicate_username", Duplicate, "registration-error-username-exists"),
        (
            "err_customer_update_duplicate_email",
            Duplicate,
            "woocommerce_rest_customer_invalid_email",
        ),
        ("err_product_duplicate_sku", Duplicate, "product_invalid_sku"),
        ("err_tax_class_duplicate", Duplicate, "woocommerce_rest_tax_class_exists"),
        ("err_bad_json", Rejected, "rest_invalid_json"),
        ("err_batch_limit_101", Rejected, "woocommerce_rest_request_entity_too_large"),
        ("err_customer_bad_billing", Rejected, "rest_invalid_param"),
        ("err_customer_bad_email", Rejected, "customer_invalid_email"),
        ("err_customer_delete_no_force", Rejected, "woocommerce_rest_trash_not_supported"),
        ("err_customer_empty_email", Rejected, "registration-error-invalid-email"),
        ("err_customer_update_empty_email", Rejected, "rest_invalid_param"),
        ("err_invalid_param", Rejected, "rest_invalid_param"),
        ("err_missing_param", Rejected, "rest_missing_callback_param"),
        (
            "webhooks_create_tax_created_invalid",
            Rejected,
            "woocommerce_rest_shop_webhook_invalid_topic",
        ),
    ],
)
async def test_a_recorded_error_is_typed_by_its_code(
    name: str, kind: type[RemoteError], code: str
) -> None:
    error = await write_failure(recorded(name))
    assert (type(error), error.code) == (kind, code)
    assert not error.ambiguous


async def test_a_duplicate_sku_names_its_holder() -> None:
    error = await write_failure(recorded("err_product_duplicate_sku"))
    assert isinstance(error, Duplicate)
    assert error.holder_id == "10"


async def test_a_refused_parameter_is_explained() -> None:
    error = await write_failure(recorded("err_customer_bad_billing"))
    assert str(error) == "Invalid parameter(s): billing: billing: Invalid email address."
    assert error.status == 400


async def test_a_switched_off_plugin_is_an_outage_and_no_deletion() -> None:
    error = await read_failure(recorded("err_unknown_route"))
    assert type(error) is RemoteUnavailable
    assert error.retryable


@pytest.mark.parametrize("status", [429, 503])
async def test_a_plea_for_fewer_calls_tells_how_long(status: int) -> None:
    answer = json_answer({"code": "x", "message": "y"}, status=status, headers={"Retry-After": "7"})
    client, shop = open_shop(answer)
    with pytest.raises(RateLimited) as caught:
        await client.get_customer("1")
    assert caught.value.retry_after == 7
    assert not caught.value.ambiguous
    assert len(shop.asked) == 1


async def test_a_plea_without_a_time() -> None:
    error = await read_failure(httpx.Response(429))
    assert isinstance(error, RateLimited)
    assert error.retry_after is None


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("content", [b"", b"<html>", b'{"code":"internal_server_error"}'])
async def test_a_server_failure_makes_only_writes_doubtful(status: int, content: bytes) -> None:
    answer = httpx.Response(status, content=content)
    read, written = await read_failure(answer), await write_failure(answer)
    assert type(read) is type(written) is RemoteUnavailable
    assert (read.ambiguous, written.ambiguous) == (False, True)
    assert written.status == status


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("connection refused"),
        httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"),
        httpx.ConnectError("Name or service not known"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("busy"),
    ],
)
async def test_what_never_left_is_not_doubtful(failure: httpx.TransportError) -> None:
    error = await write_failure(failure)
    assert isinstance(error, RemoteUnavailable)
    assert not error.ambiguous


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.ReadTimeout("slow"), RemoteTimeout),
        (httpx.WriteTimeout("slow"), RemoteTimeout),
        (httpx.ReadError("reset"), RemoteUnavailable),
        (httpx.RemoteProtocolError("closed without an answer"), RemoteUnavailable),
    ],
)
async def test_what_may_have_arrived_is_doubtful_for_writes_only(
    failure: httpx.TransportError, kind: type[RemoteError]
) -> None:
    read, written = await read_failure(failure), await write_failure(failure)
    assert type(read) is type(written) is kind
    assert (read.ambiguous, written.ambiguous) == (False, True)


async def test_an_answer_that_trickles_in_for_ever_is_a_timeout() -> None:
    error = await write_failure(
        lambda _: httpx.Response(200, stream=Trickle()), limits=ClientLimits(total_timeout=0)
    )
    assert type(error) is RemoteTimeout
    assert error.ambiguous


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<!DOCTYPE html><title>Checking your browser</title>"),
        httpx.Response(200, content=b'{"id": 1, "email": "cut of'),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b"{}" * 600),
        lambda _: compressed(b"not gzip"),
        lambda _: compressed(gzip.compress(b" " * 5000)),
    ],
    ids=["html", "cut", "empty", "oversized", "bad gzip", "oversized once unpacked"],
)
async def test_an_answer_that_is_none(answer: Step) -> None:
    limits = ClientLimits(max_response_bytes=1000)
    read = await read_failure(answer, limits=limits)
    written = await write_failure(answer, limits=limits)
    assert type(read) is type(written) is ResponseUnreadable
    assert (read.ambiguous, written.ambiguous) == (False, True)


async def test_a_redirect_is_named_without_its_secrets_and_not_followed() -> None:
    location = "https://user:pw@www.shop.test/x?oauth_signature=s"
    client, shop = open_shop(httpx.Response(301, headers={"Location": location}))
    with pytest.raises(
        RemoteUnavailable, match=r"redirects to https://www\.shop\.test/x;"
    ) as caught:
        await client.update_customer("1", {})
    assert len(shop.asked) == 1
    assert not caught.value.ambiguous


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthRejected), (403, AuthRejected), (404, ResponseUnreadable), (413, Rejected)],
)
async def test_something_in_front_of_the_shop_refuses(status: int, kind: type[RemoteError]) -> None:
    error = await write_failure(httpx.Response(status, html="<h1>nginx</h1>"))
    assert type(error) is kind
    assert not error.ambiguous
