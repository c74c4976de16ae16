"""The list of countries and states, as a shop answered it."""

import json
from typing import Any

import pytest

from tests.sandbox.woocommerce.likeness import differences
from tests.sandbox.woocommerce.shopfront import Front, read_recordings

pytestmark = pytest.mark.anyio

LAB = "http://127.0.0.1:8082/"
OURS = "https://shop.example/"


@pytest.mark.parametrize(
    "exchange", [*read_recordings("countries.jsonl.gz")], ids=lambda exchange: exchange["name"]
)
async def test_countries_are_answered_as_recorded(exchange: dict[str, Any]) -> None:
    front = Front()
    path = exchange["request"]["path"].removeprefix("/wp-json/wc/v3")
    answer = await front.api.get(path)
    text = answer.text.replace(OURS.replace("/", "\\/"), LAB.replace("/", "\\/"))
    recorded = exchange["response"]
    assert answer.status_code == recorded["status"]
    assert list(differences(json.loads(text), recorded["body"])) == []


async def test_countries_need_a_key() -> None:
    answer = await Front().client(None).get("/data/countries")
    assert (answer.status_code, answer.json()["message"]) == (
        401,
        "Sorry, you cannot list resources.",
    )
