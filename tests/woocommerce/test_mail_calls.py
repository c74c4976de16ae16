"""Which mails the shop sends: asked kind by kind, as the recorded settings of e-mails answer."""

import pytest

from app.woocommerce.client import MAILS
from tests.scripted import json_answer
from tests.woocommerce.shop import open_shop

pytestmark = pytest.mark.anyio

UNKNOWN = {
    "code": "rest_setting_setting_group_invalid",
    "message": "Invalid setting group.",
    "data": {"status": 404},
}


async def test_a_mail_is_on_unless_its_setting_says_no_or_the_shop_does_not_know_it() -> None:
    answers = {kind: json_answer({"id": "enabled", "value": "yes"}) for kind in MAILS}
    answers["customer_on_hold_order"] = json_answer({"id": "enabled", "value": "no"})
    answers["customer_cancelled_order"] = json_answer(UNKNOWN, status=404)
    client, shop = open_shop(*answers.values())
    on = await client.find_mails()

    assert on == MAILS.keys() - {"customer_on_hold_order", "customer_cancelled_order"}
    assert {(asked.method, asked.path) for asked in shop.asked} == {
        ("GET", f"/wp-json/wc/v3/settings/email_{kind}/enabled") for kind in MAILS
    }
