"""Every line tells its trace; no line tells a secret, however it came in."""

import asyncio
import json
import logging
import sys
from urllib.parse import quote

import pytest

from app.domain import key_in_logs, pseudonym
from app.logging import HumanFormatter, JsonFormatter, configure_logging
from app.observability import traced

SECRET = 'k7Qm-super-hidden+"vålue"/1'
JSON, HUMAN = JsonFormatter([SECRET]), HumanFormatter([SECRET])


def _record(message: str, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "name": "app.test", "levelname": "INFO"} | extra)


def test_a_json_line_has_message_time_and_extra_fields() -> None:
    line = json.loads(JSON.format(_record("contact created", record="main:contacts:7")))
    assert line["message"] == "contact created"
    assert line["record"] == "main:contacts:7"
    assert line["at"].endswith("Z")


def test_lines_inside_a_trace_carry_it_and_later_ones_do_not() -> None:
    with traced() as trace:
        assert json.loads(JSON.format(_record("inside")))["trace"] == trace
        assert f"trace={trace}" in HUMAN.format(_record("inside"))
    assert "trace" not in json.loads(JSON.format(_record("after")))


@pytest.mark.parametrize("formatter", [JSON, HUMAN])
def test_a_known_secret_is_hidden_anywhere(formatter: logging.Formatter) -> None:
    address = f"https://shop.example/?consumer_secret={quote(SECRET, safe='')}"
    line = formatter.format(_record(f"key is {SECRET}!", note=[SECRET], sent=address))
    assert "super" not in line


@pytest.mark.parametrize(
    "text",
    [
        "https://me:unheard@shop.example/",
        "Authorization: Bearer unheard-of-token",
        "/callbacks/vtiger/contacts?token=unheard&x=1",
    ],
)
def test_an_unknown_secret_is_hidden_where_secrets_are_carried(text: str) -> None:
    assert "unheard" not in JSON.format(_record(text))


def test_a_shop_key_is_hidden_even_when_nobody_registered_it() -> None:
    key = "ck_" + "0123456789abcdef0123456789abcdef01234567"
    assert key not in HumanFormatter([]).format(_record("sent", key=key))


def test_a_secret_in_a_traceback_is_hidden() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        line = JSON.format(_record("failed", exc_info=sys.exc_info()))
    assert "super" not in line
    assert "ValueError" in line


def test_a_configured_process_logs_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.root.handlers[:], logging.root.level
    try:
        configure_logging(json=True, secrets=[SECRET])
        logging.getLogger("app.test").info("hello %s", SECRET)
    finally:
        logging.root.handlers[:], logging.root.level = before
    assert json.loads(capsys.readouterr().err)["message"] == "hello [hidden]"


def test_what_was_broken_off_on_purpose_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A pool whose connection was in use when its task was cancelled calls that an error."""
    before = logging.root.handlers[:], logging.root.level
    try:
        configure_logging(json=True)
        for error in (asyncio.CancelledError(), ValueError("a real one")):
            logging.getLogger("pool").error("while resetting", exc_info=error)
    finally:
        logging.root.handlers[:], logging.root.level = before

    [line] = capsys.readouterr().err.splitlines()
    assert "a real one" in line


@pytest.mark.parametrize("formatter", [JSON, HUMAN])
@pytest.mark.parametrize(
    "address", ["ada.b+c@shop.example", "Ada@shop.example", "ada@localhost", "ada%40shop.example"]
)
def test_a_persons_address_is_told_by_its_digest(
    formatter: logging.Formatter, address: str
) -> None:
    line = formatter.format(_record(f"guest:{address} waits", record={"id": [address]}))
    assert address not in line
    assert line.count(pseudonym(address.upper())) == 2


def test_a_line_of_others_words_stays_one_line_and_moves_nothing() -> None:
    words = "late\n12:00:00 INFO app: all is well\x1b[2K\u202e\ud800"
    try:
        raise ValueError(words)
    except ValueError:
        told = HUMAN.format(_record(words, label=words, exc_info=sys.exc_info()))
    first, *trace = told.split("\n")
    assert "all is well" in first
    assert all(line.startswith("  ") for line in trace)
    assert not set(told) & set("\x1b\u202e\ud800")


@pytest.mark.parametrize(
    "value",
    [2**70, float("nan"), {"a": {1, 2}}, "\ud800", "/x?token=unheard", "a\nada@shop.example"],
)
def test_a_json_line_is_json_whatever_it_holds(value: object) -> None:
    line = JSON.format(_record("told", value=value))
    assert set(json.loads(line)) >= {"message", "value"}
    assert "unheard" not in line
    assert not set(line) & set("\n\x1b\u202e\u2028")


def test_keys_of_records_carry_digests_for_what_is_no_number() -> None:
    place = "main:contacts:woocommerce"
    for plain in ("7", "12x34", "CON217", ""):
        assert key_in_logs(f"{place}:{plain}") == f"{place}:{plain}"
    for address in ("ada@shop.example", "no address: at all"):
        told = key_in_logs(f"{place}:guest:{address}")
        assert told == f"{place}:guest:{pseudonym(address)}"
        assert key_in_logs(f"{place}:{address}") == f"{place}:{pseudonym(address)}"
