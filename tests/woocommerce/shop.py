"""A client of a scripted shop."""

from typing import Any

import httpx

from app.http.client import ClientLimits
from app.woocommerce.client import WooClient
from tests.recorded import exchanges
from tests.scripted import Scripted, Step, json_answer

SECRET = "cs_secret_0000000000000000000000000000001"


def open_shop(
    *steps: Step, url: str = "https://shop.test", limits: ClientLimits | None = None
) -> tuple[WooClient, Scripted]:
    shop = Scripted(list(steps))
    client = WooClient(
        url,
        consumer_key="ck_key",
        consumer_secret=SECRET,
        limits=limits,
        transport=shop,
        sleep=shop.sleep,
    )
    return client, shop


def recorded(name: str) -> httpx.Response:
    return exchanges("woocommerce")[name].answer()


def recorded_json(name: str) -> Any:
    return exchanges("woocommerce")[name].json


def listing(*records: dict[str, Any], total: int, pages: int = 9) -> httpx.Response:
    """One page of a listing of `total` records."""
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
    return json_answer(list(records), headers=headers)
