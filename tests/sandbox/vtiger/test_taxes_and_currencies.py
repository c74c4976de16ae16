"""Taxes and currencies by the web service, in the order the real system was asked."""

import pytest

from sandbox.vtiger.crm import Crm
from tests.sandbox.vtiger.webservice import Refused, WebService, recorded

pytestmark = pytest.mark.anyio


async def replayed(service: WebService, *names: str) -> None:
    for name in names:
        exchange = recorded(name)
        answer = await service.replay(exchange)
        assert answer.json() == exchange.body, name


async def test_taxes_are_created_renamed_and_corrupted_as_recorded(
    crm: Crm, service: WebService
) -> None:
    await replayed(service, "70-tax-query", "70-tax-retrieve", "70-tax-create")
    await replayed(service, "70-tax-create-dup-label", "70-tax-revise", "70-tax-query-after")
    await replayed(service, "70-tax-update")
    relabelled(crm, "34x5", "TVA 7%")
    relabelled(crm, "34x4", "TVA 5.5%", name="tax4")
    await replayed(service, "70-tax-update-unique-label", "70-tax-update-rename-label-CORRUPTS")
    relabelled(crm, "34x4", "TVA 5.5%", name="tax4")
    await replayed(service, "70-tax-revise-percentage-only", "55-nonadmin-tax-query")
    await replayed(service, "70-tax-delete", "70-tax-query-after-delete")


def relabelled(crm: Crm, ws_id: str, label: str, name: str = "tax5") -> None:
    """What was done by hand between the recordings."""
    crm.actors["Tax"].get(ws_id).values.update(taxlabel=label, taxname=name)


async def test_a_missing_tax_is_not_found(service: WebService) -> None:
    with pytest.raises(Refused) as refused:
        await service.get("retrieve", id="34x99")
    assert refused.value.code == "RECORD_NOT_FOUND"


async def test_a_currency_is_added_after_the_base_one(service: WebService) -> None:
    await replayed(service, "72-currency-query", "72-currency-create", "72-currency-query-after")


async def test_a_currency_without_its_flags_is_refused(service: WebService) -> None:
    with pytest.raises(Refused) as refused:
        await service.create("Currency", currency_name="Yen")
    assert refused.value.error["message"] == "defaultid does not have a value"


async def test_groups_and_users_are_read_only(service: WebService) -> None:
    assert [row["groupname"] for row in await service.query("SELECT * FROM Groups;")] == [
        "Team Selling",
        "Marketing Group",
        "Support Group",
    ]
    user = await service.get("retrieve", id="19x1")
    assert (user["user_name"], user["label"]) == ("admin", "Lab Administrator")
    for refusal in (service.revise("19x1", title="x"), service.post("delete", id="20x2")):
        with pytest.raises(Refused) as refused:
            await refusal
        assert refused.value.code == "ACCESS_DENIED"
    with pytest.raises(Refused):
        await service.get("retrieve", id="19x99")
