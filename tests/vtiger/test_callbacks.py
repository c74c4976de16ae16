"""Callbacks of every form: recorded, documented, typed by hand, and of no use."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import InvalidInput
from app.vtiger import callbacks
from app.vtiger.callbacks import MAX_FIELDS, MAX_HINTS, MAX_VALUES, MAX_VISITS, parse_callback
from tests.recorded import deliveries

FORM = "application/x-www-form-urlencoded"
RECORDED = deliveries("vtiger-callbacks")
NAMES = st.sampled_from(["id", "record", "record_id", "recordid", "crmid"])
IDS = st.one_of(
    st.integers(1, 10**9).map(str),
    st.builds("{}x{}".format, st.integers(1, 99), st.integers(1, 10**9)),
    st.integers(1, 10**6).map("CON{}".format),
)
NOISE = st.dictionaries(st.text(max_size=12).map("f_{}".format), st.text(max_size=30), max_size=5)


def ids(body: bytes, content_type: str = FORM, **query: str) -> list[str]:
    return parse_callback(content_type, body, query)


@pytest.mark.parametrize(
    ("name", "record_id"),
    [
        ("81-webhook-custom-function-contact-create-0", "12x310"),
        ("81-webhook-custom-function-so-create-0", "6x312"),
        ("82-webhook-3rdparty-form-contact-0", "933"),
    ],
)
def test_a_recorded_callback(name: str, record_id: str) -> None:
    delivery = RECORDED[name]
    assert ids(delivery.body, delivery.headers["content-type"], module="Contacts") == [record_id]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"id=12x34", ["12x34"]),
        (b"record=34&id=", ["34"]),
        (b" Record_ID +=+34+", ["34"]),
        (b"RECORDID=CON217", ["CON217"]),
        (b"crmid=5&id=6", ["6"]),
        (b"id=1&id=2", ["1"]),
        (b"contact%5Bid%5D=34&contact%5Bname%5D=x", ["34"]),
        (b"contact[ id ]=34", ["34"]),
        (b"data.record.id+=34", ["34"]),
        (b"id=$id&crmid=7", ["7"]),
        (b"data=x&data.id=3&record=4", ["4"]),
    ],
)
def test_forms(body: bytes, wanted: list[str]) -> None:
    assert ids(body) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"id": "12x34", "module": "Contacts", "data": {"id": "12x99"}}, ["12x34"]),
        ({"module": "Contacts", "data": {" ID ": 34}}, ["34"]),
        ([{"id": "12x1"}, {"record": 2}, {"id": "12x1"}], ["12x1", "2"]),
        (["12x1", 2, "CON3"], ["12x1", "2", "CON3"]),
        ({"records": [{"id": "12x1"}, {"id": "12x2"}]}, ["12x1", "12x2"]),
        ({"contact": {"id": 1}, "account": {"id": 2}}, ["1"]),
        ({"id": True, "crmid": 5}, ["5"]),
        ({"id": 34.0, "record": "8"}, ["8"]),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", FORM, ""])
def test_json_whatever_it_is_called(body: object, wanted: list[str], content_type: str) -> None:
    assert ids(orjson.dumps(body), content_type) == wanted


def test_a_record_may_be_named_in_the_address() -> None:
    assert ids(b"", "", id="34", module="Products", token="t") == ["34"]
    assert ids(b"id=5", id="34") == ["5"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"lastname=x",
        b"id=$nosuchfield",
        b"id=two+words+1",
        b"id=<b>1</b>",
        b"id=" + b"1" * 101,
        b"{}",
        b"[]",
        b"null",
        b'{"id": null}',
        b'{"a":' * 50 + b'{"id":1}' + b"}" * 50,
        b"--boundary\r\nContent-Disposition: form-data",
        b"<xml><id>5</id></xml>",
        b"\xff\xfe",
    ],
)
def test_a_callback_without_a_record_says_how_to_mend_it(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="send its id"):
        parse_callback("", body, {})


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"id=5"),
        ("", b'{"id": '),
        ("", b"[" * 5000),
        (FORM, b"&".join(b"a=1" for _ in range(MAX_FIELDS + 1))),
        (FORM, b"&" * 1_000_000),
        ("", b"[" + b"{}," * MAX_VALUES + b"{}]"),
        ("", b"[NaN" + b",1" * MAX_VALUES + b"]"),
        ("", orjson.dumps(list(range(1, 1002)))),
    ],
)
def test_what_cannot_be_read_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_callback(content_type, body, {})


class Counted(list[Any]):
    """A list that tells how far it was read."""

    read = 0

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            self.read += 1
            yield item


@pytest.mark.parametrize(
    ("item", "most"),
    [(5, MAX_HINTS), ({"id": 5}, MAX_HINTS), ("$id", MAX_VISITS), ({}, MAX_VISITS)],
)
def test_reading_stops_where_a_callback_holds_too_much(item: object, most: int) -> None:
    rows = Counted([item] * 30_000)
    with pytest.raises(InvalidInput, match="at most"):
        callbacks._Search().find({"data": rows})
    assert rows.read <= most + 1


@pytest.mark.parametrize(
    "body",
    [
        b"a" * 300 + b"=1&id=5",
        b"x" + b"[x]" * 100 + b"[id]=1&id=5",
        b"record=" + b"%41" * 400 + b"&id=5",
        b"id=&id=5",
        b"id&id=5",
        b"=7&id=5",
        b"description=" + b"%C3%A9" * 100_000 + b"&id=5",
    ],
)
def test_fields_that_are_too_long_to_name_anything_are_passed_over(body: bytes) -> None:
    assert ids(body) == ["5"]


@pytest.mark.parametrize(
    "name", ["record" + " " * 200, "\u0130" * 300_000, "id" + "\u00df" * 200_000]
)
def test_long_names_of_json_are_passed_over(name: str) -> None:
    assert ids(orjson.dumps({name: 7, "crmid": 5})) == ["5"]


def test_a_number_that_is_too_long_is_no_id() -> None:
    assert ids(b'{"id": NaN, "record": ' + b"9" * 4000 + b', "crmid": 5}') == ["5"]


@given(name=NAMES, record_id=IDS, noise=NOISE, spaces=st.sampled_from(["", " ", "\t "]))
def test_a_form_names_its_record_among_anything(
    name: str, record_id: str, noise: dict[str, str], spaces: str
) -> None:
    fields = [*noise.items(), (f"{spaces}{name.upper()}{spaces}", f"{spaces}{record_id}{spaces}")]
    assert ids(urlencode(fields).encode()) == [record_id]


@given(path=st.lists(st.sampled_from(["data", "contact", "f 1"]), max_size=3), record_id=IDS)
def test_brackets_and_dots_mean_the_same(path: list[str], record_id: str) -> None:
    first, *rest = [*path, "id"]
    bracketed = first + "".join(f"[{part}]" for part in rest)
    dotted = ".".join([first, *rest])
    for name in (bracketed, dotted):
        assert ids(urlencode({name: record_id}).encode()) == [record_id]


@given(content_type=st.sampled_from([FORM, "application/json", ""]), body=st.binary())
def test_any_bytes_are_either_understood_or_refused(content_type: str, body: bytes) -> None:
    try:
        hints = parse_callback(content_type, body, {})
    except InvalidInput:
        return
    assert all(hints)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("05", "5"), ("012x0034", "12x34"), ("CON007", "CON007"), ("1x2x3", "1x2x3")],
)
def test_an_id_is_the_same_with_leading_zeros(sent: str, meant: str) -> None:
    assert ids(urlencode({"id": sent}).encode()) == [meant]
