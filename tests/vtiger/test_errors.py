"""Vtiger's three kinds of failure, as recorded, in their places of the error tree."""

import httpx
import pytest

from app.domain import (
    AuthRejected,
    Duplicate,
    NotFound,
    RateLimited,
    Rejected,
    RemoteError,
    RemoteUnavailable,
    ResponseUnreadable,
)
from app.http.client import ClientLimits
from app.vtiger.query import Query
from app.vtiger.schemas import damages_orders
from tests.scripted import Step
from tests.vtiger.crm import open_crm, recorded, refusal, result

pytestmark = pytest.mark.anyio


async def retrieve_failure(*steps: Step, limits: ClientLimits | None = None) -> RemoteError:
    client, _ = open_crm(*steps, limits=limits)
    with pytest.raises(RemoteError) as caught:
        await client.retrieve("12x1", "Contacts")
    return caught.value


async def write_failure(*steps: Step, limits: ClientLimits | None = None) -> RemoteError:
    client, _ = open_crm(*steps, limits=limits)
    with pytest.raises(RemoteError) as caught:
        await client.create("Contacts", {"assigned_user_id": "19x1"})
    return caught.value


@pytest.mark.parametrize(
    "name",
    [
        "11-err-retrieve-notfound",
        "11-err-retrieve-garbage-id",
        "11-err-retrieve-id-no-x",
        "11-err-retrieve-unknown-prefix",
        "11-err-retrieve-wrong-module",
        "52-err-retrieve-deleted",
    ],
)
async def test_a_record_that_is_not_there_is_not_found(name: str) -> None:
    error = await retrieve_failure(recorded(name))
    assert (type(error), error.code, error.ambiguous) == (NotFound, "ACCESS_DENIED", False)


async def test_revising_or_deleting_what_is_not_there() -> None:
    client, _ = open_crm(recorded("52-err-revise-deleted"))
    with pytest.raises(NotFound):
        await client.revise("14x143", {"productname": "z"}, module="Products")
    client, _ = open_crm(recorded("52-err-delete-again"))
    with pytest.raises(NotFound):
        await client.delete("14x143")


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("11-err-create-unknown-module", Rejected, "ACCESS_DENIED"),
        ("11-err-create-missing-mandatory", Rejected, "MANDATORY_FIELDS_MISSING"),
        ("11-err-create-empty-mandatory", Rejected, "MANDATORY_FIELDS_MISSING"),
        ("11-err-create-bad-json", Rejected, "MANDATORY_FIELDS_MISSING"),
        ("11-err-create-bad-ref-type", Rejected, "REFERENCE_INVALID"),
        ("20-err-account-duplicate", Duplicate, "0"),
        ("54-err-contact-duplicate-email", Duplicate, "0"),
        ("54-err-contact-revise-duplicate", Duplicate, "0"),
        ("50-err-contact-revise-clear-mandatory", Rejected, "MANDATORY_FIELDS_MISSING"),
    ],
)
async def test_a_refused_write_says_why(name: str, kind: type[RemoteError], code: str) -> None:
    error = await write_failure(recorded(name))
    assert (type(error), error.code, error.ambiguous) == (kind, code, False)
    assert str(error)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("11-err-query-syntax", "QUERY_SYNTAX_ERROR"),
        ("53-err-query-parens", "QUERY_SYNTAX_ERROR"),
        ("11-err-query-unknown-field", "ACCESS_DENIED"),
        ("11-err-query-unknown-module", "ACCESS_DENIED"),
    ],
)
async def test_a_refused_query_is_rejected(name: str, code: str) -> None:
    client, _ = open_crm(recorded(name))
    with pytest.raises(Rejected) as caught:
        await client.query(Query("Contacts"))
    assert caught.value.code == code


async def test_an_unknown_module_is_rejected() -> None:
    client, _ = open_crm(recorded("11-err-describe-unknown"))
    with pytest.raises(Rejected, match="Nope"):
        await client.describe("Nope")


async def test_an_error_inside_vtiger_makes_only_writes_doubtful() -> None:
    broken = recorded("53-query-dblquoted")
    read, written = await retrieve_failure(broken), await write_failure(broken)
    assert type(read) is type(written) is RemoteUnavailable
    assert (read.ambiguous, written.ambiguous) == (False, True)
    assert written.code == "INTERNAL_SERVER_ERROR"


async def test_an_empty_500_makes_only_writes_doubtful() -> None:
    empty = recorded("11-err-unknown-operation")
    read, written = await retrieve_failure(empty), await write_failure(empty)
    assert type(read) is type(written) is RemoteUnavailable
    assert (read.ambiguous, written.ambiguous, written.status) == (False, True, 500)


async def test_a_sentence_instead_of_json_may_hide_a_created_record() -> None:
    error = await write_failure(recorded("11-err-create-bad-owner"))
    assert type(error) is ResponseUnreadable
    assert error.ambiguous
    assert "Sorry! Attempt to access restricted file." in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<!DOCTYPE html><title>vtiger</title>"),
        httpx.Response(200, content=b'{"success": true, "resul'),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, content=b" " * 2000),
    ],
    ids=["html", "cut", "no envelope", "oversized"],
)
async def test_an_answer_that_is_none(answer: httpx.Response) -> None:
    limits = ClientLimits(max_response_bytes=1500)
    read = await retrieve_failure(answer, limits=limits)
    written = await write_failure(answer, limits=limits)
    assert type(read) is type(written) is ResponseUnreadable
    assert (read.ambiguous, written.ambiguous) == (False, True)


async def test_something_in_front_of_vtiger() -> None:
    assert isinstance(await write_failure(httpx.Response(401)), AuthRejected)
    assert isinstance(await write_failure(httpx.Response(429)), RateLimited)
    missing = await write_failure(httpx.Response(404, html="<h1>not here</h1>"))
    assert (type(missing), missing.ambiguous) == (ResponseUnreadable, False)
    moved = await write_failure(
        httpx.Response(302, headers={"Location": "https://crm.test/login?sessionName=x"})
    )
    assert str(moved).startswith("Vtiger redirects to https://crm.test/login;")


async def test_what_never_left_is_not_doubtful_and_what_may_have_arrived_is() -> None:
    assert not (await write_failure(httpx.ConnectError("refused"))).ambiguous
    assert (await write_failure(httpx.ReadTimeout("slow"))).ambiguous
    assert not (await retrieve_failure(httpx.ReadTimeout("slow"))).ambiguous


async def test_an_unknown_code_is_a_rejection() -> None:
    error = await write_failure(refusal("CURRENCY_INACTIVE", "not active"))
    assert (type(error), error.code, str(error)) == (Rejected, "CURRENCY_INACTIVE", "not active")
    odd = await write_failure(httpx.Response(200, json={"success": False}))
    assert type(odd) is Rejected


async def test_reads_are_tried_again_and_writes_are_not() -> None:
    client, crm = open_crm(httpx.Response(500), result({"id": "12x1"}))
    assert (await client.retrieve("12x1", "Contacts")).id == "12x1"
    assert len(crm.calls) == 2
    client, crm = open_crm(httpx.Response(500), result({"id": "12x1"}))
    with pytest.raises(RemoteUnavailable):
        await client.create("Contacts", {"assigned_user_id": "19x1"})
    assert len(crm.calls) == 1


@pytest.mark.parametrize("code", ["INVALID_ID_ATTRIBUTE", "RECORD_NOT_FOUND", "ACCESS_DENIED"])
async def test_a_create_is_never_told_that_its_record_is_not_there(code: str) -> None:
    """84-stock-create-order: no id was sent, so it is about what the record names."""
    error = await write_failure(refusal(code, "Id specified is incorrect"))
    assert not isinstance(error, NotFound)
    assert error.ambiguous is (code != "ACCESS_DENIED"), "the row may be made already"


async def test_a_bad_id_in_a_record_is_no_missing_record() -> None:
    client, _ = open_crm(refusal("INVALID_ID_ATTRIBUTE", "Id specified is incorrect"))
    with pytest.raises(Rejected):
        await client.revise("6x1", {"quote_id": ""}, module="SalesOrder")
    client, _ = open_crm(refusal("INVALID_ID_ATTRIBUTE", "Id specified is incorrect"))
    with pytest.raises(NotFound):
        await client.retrieve("x", "SalesOrder")


@pytest.mark.parametrize(
    ("version", "damages"),
    [
        ("8.2.0", False), ("8.3.0", True), ("8.4.0", True), ("8.4", True),
        ("8.5.0", False), ("8.40.0", False), ("7.5.0", False), ("", False),
    ],
)  # fmt: skip
def test_which_versions_damage_orders(version: str, *, damages: bool) -> None:
    assert damages_orders(version) is damages
