"""The query language: what it finds, in which order and shape, and what it cannot read."""

import pytest

from sandbox.vtiger.crm import Crm
from tests.sandbox.vtiger.webservice import Clock, Refused, WebService, recorded

pytestmark = pytest.mark.anyio

WHERE = "SELECT id FROM Contacts WHERE {};"
PAGE = "SELECT id FROM Contacts WHERE id>'{}' ORDER BY id LIMIT 50;"
ONEIL = 'O\'Neil \\ back % _ "dq"'


@pytest.fixture
async def people(service: WebService) -> list[str]:
    """120 contacts, oldest first, among them the recorded ones."""
    first = [
        await service.create("Contacts", lastname=ONEIL, email="quote@test.com"),
        await service.create("Contacts", lastname="Date2", email="u@e.com", firstname="Up"),
        await service.create("Contacts", lastname="WF", cf_853="woo-42", birthday="1980-01-02"),
    ]
    rest = [await service.create("Contacts", lastname=f"N{n:03}") for n in range(117)]
    return [row["id"] for row in first + rest]


def ids(rows: list[dict[str, str]]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("53-query-case-insensitive", [0]),
        ("53-query-in", [1, 0]),
        ("53-query-limit-offset", [5, 6, 7]),
        ("53-query-id-gt", [19, 20, 21]),
        ("53-query-modifiedtime", [0, 1, 2]),
        ("53-query-modifiedtime-iso", [0, 1]),
        ("53-query-quote-and-backslash-escaped", [0]),
        ("53-query-quote-like-doubled", [0]),
        ("53-query-quote-doubled", []),
        ("53-query-default-limit-100", list(range(100))),
        ("80-query-custom-field", [2]),
    ],
)
async def test_a_recorded_query_finds_its_rows_in_its_shape(
    service: WebService, people: list[str], name: str, found: list[int]
) -> None:
    exchange = recorded(name)
    rows = (await service.replay(exchange)).json()["result"]
    assert ids(rows) == [people[at] for at in found]
    assert [list(row) for row in rows] == [list(row) for row in exchange.result]


async def test_text_with_entities_and_double_quotes_is_found_raw(service: WebService) -> None:
    create = recorded("20-create-account")
    await service.replay(create)
    exchange = recorded("53-query-amp-doublequote")
    rows = (await service.replay(exchange)).json()["result"]
    assert rows[0]["accountname"] == exchange.result[0]["accountname"]


@pytest.mark.usefixtures("people")
async def test_a_count_is_one_row_of_text(service: WebService) -> None:
    assert await service.query("SELECT count(*) FROM Contacts;") == [{"count": "120"}]
    one = await service.query("select COUNT( * ) from Contacts where lastname like 'n11_' limit 1;")
    assert one == [{"count": "7"}]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("lastname='o''neil \\\\ BACK % _ \"DQ\"  '", [0]),
        ("lastname LIKE '%\\%%'", [0]),
        ("lastname LIKE '%\\_ %'", [0]),
        ("firstname='úp'", [1]),
        ("lastname='WF' OR lastname='Date2' AND email='nobody'", [2]),
        ("email!='' AND id<='12x3'", [0, 1]),
        ("birthday='1980-01-02'", [2]),
        ("birthday<'1980-01-03'", [2]),
        ("birthday!='1999-01-01'", [2]),
        ("lastname>='w'", [2]),
        ("donotcall=0 AND id<'12x4'", [0, 1]),
        ("assigned_user_id='19x1' AND modifiedby='19x5' AND id IN ('12x4')", [2]),
        ("createdtime>'2026-11-23 22:00:00'", []),
        ("createdtime>='2026-11-23' AND lastname='wf'", [2]),
    ],
)
async def test_comparisons_follow_the_columns(
    service: WebService, people: list[str], where: str, found: list[int]
) -> None:
    rows = await service.query(WHERE.format(where))
    assert ids(rows) == [people[at] for at in found]


async def test_order_is_by_column_type_and_one_direction(
    service: WebService, people: list[str]
) -> None:
    rows = await service.query("SELECT lastname FROM Contacts ORDER BY lastname, id DESC LIMIT 2;")
    assert [row["lastname"] for row in rows] == ["WF", ONEIL]
    last = await service.query("SELECT id FROM Contacts ORDER BY id DESC LIMIT 1;")
    assert ids(last) == [people[-1]]
    undated = await service.query("SELECT birthday FROM Contacts ORDER BY birthday DESC LIMIT 1;")
    assert undated[0]["birthday"] == "1980-01-02"


async def test_more_than_100_rows_are_never_given(service: WebService, people: list[str]) -> None:
    assert len(await service.query("SELECT id FROM Contacts LIMIT 500;")) == 100
    rest = await service.query("SELECT id FROM Contacts LIMIT 100,500;")
    assert ids(rest) == people[100:]


async def test_keyset_paging_sees_every_record_once(service: WebService, people: list[str]) -> None:
    seen: list[str] = []
    while page := await service.query(PAGE.format(seen[-1] if seen else "12x0")):
        seen += ids(page)
    assert seen == people


async def test_changes_are_found_by_the_second(
    clock: Clock, service: WebService, people: list[str]
) -> None:
    clock.move(seconds=1)
    await service.revise(people[7])
    rows = await service.query("SELECT id FROM Contacts WHERE modifiedtime>'2026-11-23 22:00:00';")
    assert ids(rows) == [people[7]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT id FROM Contacts ORDER BY lastname ASC, id ASC;", "QUERY_SYNTAX_ERROR"),
        ("SELECT id FROM Contacts WHERE lastname IS NULL;", "QUERY_SYNTAX_ERROR"),
        ("SELECT DISTINCT id FROM Contacts;", "QUERY_SYNTAX_ERROR"),
        ("SELECT id FROM Contacts WHERE lastname='a' AND;", "QUERY_SYNTAX_ERROR"),
        ("SELECT id FROM Contacts WHERE lastname='open;", "QUERY_SYNTAX_ERROR"),
        ("SELECT id FROM Contacts LIMIT x;", "QUERY_SYNTAX_ERROR"),
        ("SELECT id", "QUERY_SYNTAX_ERROR"),
        ("", "QUERY_SYNTAX_ERROR"),
        ("SELECT nosuch FROM Contacts;", "ACCESS_DENIED"),
        ("SELECT id FROM Contacts ORDER BY nosuch;", "ACCESS_DENIED"),
        ("SELECT id FROM contacts;", "ACCESS_DENIED"),
        ("SELECT id FROM Contacts WHERE birthday='';", "INTERNAL_SERVER_ERROR"),
    ],
)
async def test_the_parser_refuses_what_the_real_one_cannot_read(
    service: WebService, text: str, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        await service.query(text)
    assert refused.value.code == code


async def test_deleted_records_are_not_found(crm: Crm, service: WebService) -> None:
    ws_id = await crm.ui_create("Contacts", {"lastname": "Gone"})
    crm.ui_delete(ws_id)
    assert await service.query(WHERE.format(f"id='{ws_id}'")) == []
