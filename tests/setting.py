"""What a small world is made of: two systems with a clock in hand, a network, settings."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx

from app.domain import utc_now
from app.woocommerce.webhook_delivery import TOPICS
from sandbox.app import Credentials, Sandbox
from sandbox.vtiger.cloud import Limits
from sandbox.vtiger.crm import Crm
from sandbox.vtiger.users import CrmUser, default_users
from sandbox.vtiger.workflows import Callback
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.shop import Shop
from sandbox.woocommerce.shopdata import ShopData

STORE = "main"
SERVICE = "http://service.test"
TOKEN = "admin-token-of-the-tests-0123456789"
WEBHOOK_SECRET = "labsecret"
"""Of the recorded deliveries; too short for a service that is configured."""
LONG_WEBHOOK_SECRET = "webhook-secret-of-the-tests"
CALLBACK_SECRET = "callback-secret-of-the-tests"
CALLBACKS = (
    ("Contacts", "contacts"),
    ("Products", "products"),
    ("SalesOrder", "sales_orders"),
)


class Clock:
    """The clock of both sandboxes, which a test can move on."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.stopped_at: datetime | None = None

    def __call__(self) -> datetime:
        return (self.stopped_at or utc_now()) + self.ahead

    def stop(self) -> None:
        self.stopped_at = utc_now()


def build_sandbox(
    data: ShopData | None,
    clock: Clock,
    doorway: httpx.AsyncBaseTransport,
    *,
    cron_interval_s: float | None = None,
    cloud: Limits | None = None,
    webhook_secret: str = WEBHOOK_SECRET,
) -> Sandbox:
    known = Credentials(webhook_secret=webhook_secret)
    shop = Shop(data, clock=clock, transport=doorway)
    person, _ = default_users()
    user = CrmUser(known.username, known.access_key, last_name="api", currency_decimals=5)
    http = httpx.AsyncClient(transport=doorway)
    crm = Crm(users=[person, user], clock=clock, http=http)
    return Sandbox(shop, crm, known, cron_interval_s, cloud)


def connect(sandbox: Sandbox, url: str, *, store: str = STORE) -> None:
    """The shop's webhooks and the CRM's callbacks lead to the service at `url`."""
    known = sandbox.credentials
    for topic in TOPICS:
        webhook = sandbox.shop.webhooks.add(
            name=topic,
            status="active",
            topic=topic,
            delivery_url=f"{url}/webhooks/woocommerce/{store}",
            secret=known.webhook_secret,
            owner=ApiKey(known.consumer_key, known.consumer_secret),
        )
        webhook.pending_delivery = False
    for name, module in CALLBACKS:
        address = f"{url}/callbacks/vtiger/{module}?token={CALLBACK_SECRET}"
        sandbox.crm.workflows.callbacks.append(Callback(name, address))


def setting_values(
    sandbox: Sandbox,
    sandbox_url: str,
    database_url: str,
    *,
    more_stores: Mapping[str, Mapping[str, str]] | None = None,
    **chosen: Any,
) -> dict[str, Any]:
    """A store `main` and the CRM of the sandbox; times so short that nothing waits."""
    known = sandbox.describe(sandbox_url)
    api = "webservice" if sandbox.cloud is None else "rest"
    sync = {"retry_base_delay": 0.01, "ambiguous_wait_seconds": 0, "fresh_body_seconds": 300}
    return {
        "database_url": database_url,
        "auto_migrate": False,
        "api_tokens": [TOKEN],
        "stores": {STORE: known["woocommerce"], **(more_stores or {})},
        "vtiger": known["vtiger"] | {"api": api, "callback_secret": CALLBACK_SECRET},
        **chosen,
        "sync": sync | chosen.get("sync", {}),
    }


def as_environment(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The same settings as environment variables."""
    found: dict[str, str] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found |= as_environment(value, f"{key}__")
        else:
            found[key.upper()] = ",".join(value) if isinstance(value, list) else str(value)
    return found
