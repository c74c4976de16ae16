"""Whatever is asked for by id is refused where Vtiger answers with another record."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from app.domain import WrongRecord
from app.vtiger.client import VtigerClient
from app.vtiger.query import Query, equals, one_of
from tests.vtiger.crm import open_crm, result

pytestmark = pytest.mark.anyio

Call = Callable[[VtigerClient], Awaitable[Any]]
CALLS: tuple[Call, ...] = (
    lambda crm: crm.retrieve("12x5", "Contacts"),
    lambda crm: crm.retrieve_order("12x5"),
    lambda crm: crm.revise("12x5", {"lastname": "L"}, module="Contacts"),
)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("given", ["12x6", "4x5"])
async def test_another_record_is_refused(call: Call, given: str) -> None:
    client, _ = open_crm(result({"id": given}))
    with pytest.raises(WrongRecord, match=f"12x5.*{given}") as refused:
        await call(client)
    assert (refused.value.record_id, refused.value.retryable) == ("12x5", False)


async def test_an_id_with_leading_zeros_is_the_same() -> None:
    client, _ = open_crm(result({"id": "12x5"}))
    assert (await client.retrieve("12x05", "Contacts")).id == "12x5"


async def test_a_tax_that_was_not_revised_is_no_answer() -> None:
    tax = {"id": "33x1", "taxname": "tax1", "taxlabel": "VAT", "percentage": "20", "deleted": "0"}
    client, _ = open_crm(result([tax]), result({**tax, "id": "33x2"}))
    with pytest.raises(WrongRecord):
        await client.revise_tax("33x1", Decimal("19"))


async def test_of_a_query_by_ids_others_are_left_out() -> None:
    rows = [{"id": f"12x{n}"} for n in (5, 6, 7)]
    client, _ = open_crm(result(rows))
    by_id = (one_of("id", ["12x5", "12x7"]),)
    found = [record.id async for record in client.search("Contacts", by_id)]
    assert found == [record.id for record in await client.query(Query("Contacts", where=by_id))]
    assert found == ["12x5", "12x7"]
    assert len(await client.query(Query("Contacts", where=(equals("email", "a"),)))) == 3
