"""Recorded requests sent again: the sandbox must answer as the real system did."""

from typing import Any

import pytest

from sandbox.vtiger.crm import Crm
from sandbox.vtiger.schema import CustomField
from sandbox.vtiger.users import CrmUser, default_users
from tests.sandbox.vtiger.webservice import Clock, Exchange, WebService, recorded, recordings

pytestmark = pytest.mark.anyio

LAB_FIELDS = {
    "Contacts": [
        CustomField("cf_853", "Woo Customer Id"),
        CustomField("cf_859", "Loyalty", "double"),
        CustomField("cf_861", "Channel", "picklist"),
        CustomField("cf_863", "Newsletter", "boolean"),
    ]
}
VOLATILE = {"id", "contact_no", "account_no", "createdtime", "modifiedtime", "sessionName"}
REFUSALS = [
    *recordings("10-err-getchallenge-*", "10-getchallenge-via-post", "10-err-login-json-body"),
    *recordings("10-err-login-via-get", "11-err-*", "11-create-missing-owner"),
    *recordings("11-query-no-semicolon", "12-err-after-logout", "12-err-session-gc"),
    *recordings("12-err-logout-*", "24-create-user-*", "60-err-sync-*", "71-*", "53-err-*"),
    *recordings("23-err-unit_price-comma", "53-query-dblquoted*", "53-query-quote-backslash"),
    *recordings("53-query-quote-like-backslash"),
]
OWN_SESSION = {"11-err-bad-session", "12-err-after-logout", "12-err-session-gc"}
CREATES = [
    *recordings("11-create-o*", "11-create-unknown-field", "20-create-account", "22-*"),
    *recordings("55-create-group-owner", "55-nonadmin-create", "80-create-*"),
]


def crm_of(exchange: Exchange, clock: Clock) -> Crm:
    """The lab as it was: with custom fields only after somebody had made them."""
    had_fields = "cf_853" in str(exchange.body)
    users = [*default_users(), CrmUser("plainuser", "plain", is_admin=False, id=7)]
    return Crm(users=users, custom_fields=LAB_FIELDS if had_fields else {}, clock=clock)


async def logged_in(crm: Crm, user: str = "admin") -> WebService:
    service = WebService(crm)
    await service.login(user)
    return service


@pytest.mark.parametrize("name", REFUSALS)
async def test_is_refused_as_recorded(clock: Clock, name: str) -> None:
    exchange = recorded(name)
    service = await logged_in(crm_of(exchange, clock))
    session = exchange.url if name in OWN_SESSION else {}
    answer = await service.replay(exchange, sessionName=session.get("sessionName", service.session))
    assert answer.status_code == exchange.status
    assert answer.headers["content-type"].lower() == exchange.media_type.lower()
    assert (answer.json() if exchange.body else answer.text) == (exchange.body or exchange.text)


@pytest.mark.parametrize("name", CREATES)
async def test_creates_the_recorded_record(clock: Clock, name: str) -> None:
    exchange = recorded(name)
    owner = "plainuser" if "nonadmin" in name else "admin"
    service = await logged_in(crm_of(exchange, clock), owner)
    answer = (await service.replay(exchange)).json()["result"]
    assert steady(answer) == steady(exchange.result)
    assert set(answer) == set(exchange.result)


async def test_a_full_contact_reads_and_queries_as_recorded(clock: Clock) -> None:
    create = recorded("21-create-contact-full")
    service = await logged_in(crm_of(create, clock))
    for number in range(2, 8):
        await service.create("Accounts", accountname=f"Account {number}")
    await service.replay(create)
    for name in ("21-retrieve-contact-full", "21-query-contact-full"):
        exchange = recorded(name)
        answer = (await service.replay(exchange)).json()["result"]
        both = [answer, exchange.result] if "retrieve" in name else [answer[0], exchange.result[0]]
        assert steady(both[0]) == steady(both[1])
        assert list(both[0]) == list(both[1])


@pytest.mark.parametrize("name", recordings("03-describe-*", "02-*"))
async def test_describes_what_the_real_system_describes(clock: Clock, name: str) -> None:
    exchange = recorded(name)
    service = await logged_in(crm_of(exchange, clock))
    assert (await service.replay(exchange)).json() == exchange.body


async def test_describes_custom_and_unique_fields(clock: Clock) -> None:
    custom = recorded("80-describe-contacts-with-custom-fields")
    service = await logged_in(crm_of(custom, clock))
    assert (await service.replay(custom)).json() == custom.body
    unique = recorded("54-describe-contacts-unique-email")
    crm = Crm(custom_fields=LAB_FIELDS, unique_fields={"Contacts": ["email"]}, clock=clock)
    assert (await (await logged_in(crm)).replay(unique)).json() == unique.body


async def test_a_second_account_of_the_same_name_is_a_duplicate(clock: Clock) -> None:
    first = recorded("20-create-account")
    service = await logged_in(crm_of(first, clock))
    await service.replay(first)
    again = recorded("20-err-account-duplicate")
    assert (await service.replay(again)).json() == again.body
    other = await service.create("Accounts", accountname="Other")
    revise = recorded("20-err-account-revise-duplicate")
    revise.form["element"] = revise.form["element"].replace("11x123", other["id"])
    assert (await service.replay(revise)).json() == revise.body


async def test_an_admin_may_make_contacts_unique_by_email(clock: Clock) -> None:
    crm = Crm(unique_fields={"Contacts": ["email"]}, clock=clock)
    service = await logged_in(crm)
    await service.create("Contacts", lastname="U1", email="uniq@example.test")
    create = recorded("54-err-contact-duplicate-email")
    assert (await service.replay(create)).json() == create.body
    other = await service.create("Contacts", lastname="U2")
    revise = recorded("54-err-contact-revise-duplicate")
    revise.form["element"] = revise.form["element"].replace("12x914", other["id"])
    assert (await service.replay(revise)).json() == revise.body
    both_empty = await service.create("Contacts", lastname="U3", email="")
    assert both_empty["email"] == ""


@pytest.mark.parametrize("name", ["24-query-users", "72-currency-query"])
async def test_tables_hold_the_recorded_rows(clock: Clock, name: str) -> None:
    exchange = recorded(name)
    service = await logged_in(Crm(users=default_users()[:1], clock=clock))
    assert (await service.replay(exchange)).json() == exchange.body


def steady(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in VOLATILE}
