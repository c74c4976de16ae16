"""The mails that a shop sends for what is written to it; here they are only put on record.

Contract page WordPress plug-in §4, recording mails_by_write: which write mails whom. Addresses and
subjects are the shop's, texts are left out.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.site import Site

OWNER: Final = "admin@shop.example"
NEW_ACCOUNT: Final = "customer_new_account"
EMAIL_CHANGED: Final = "email_changed"
PASSWORD_CHANGED: Final = "password_changed"  # noqa: S105 (a mail's name)
NOTE: Final = "customer_note"
REFUNDED: Final = "customer_refunded_order"
NEW_ORDER: Final = "new_order"

_UNPAID: Final = ("pending", "failed", "cancelled")
_TO_CUSTOMER: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "processing": ("customer_processing_order", (*_UNPAID, "on-hold")),
    "on-hold": ("customer_on_hold_order", _UNPAID),
    "failed": ("customer_failed_order", ("pending", "on-hold")),
    "cancelled": ("customer_cancelled_order", ("processing", "on-hold")),
}
_TO_OWNER: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "failed": ("failed_order", ("pending", "on-hold")),
    "cancelled": ("cancelled_order", ("processing", "on-hold")),
}
_TELLS_OF_NEW: Final = ("processing", "on-hold", "completed")
_BY_WORDPRESS: Final = frozenset({EMAIL_CHANGED, PASSWORD_CHANGED})


@dataclass(frozen=True, slots=True)
class Mail:
    """`kind` is WooCommerce's own id of the mail, or WordPress's occasion."""

    at: datetime
    kind: str
    to: str
    about: str


class Mailbox:
    """All mails of one shop, oldest first; `values` are its settings, which switch most of them."""

    def __init__(self, site: Site, values: Mapping[str, Any]) -> None:
        self._site = site
        self._values = values
        self._announced: set[int] = set()
        self.sent: list[Mail] = []

    def to_people(self) -> list[Mail]:
        """Those that a customer gets."""
        return [mail for mail in self.sent if mail.to != OWNER]

    def count(self) -> Counter[str]:
        """How many of each kind."""
        return Counter(mail.kind for mail in self.sent)

    def send(self, kind: str, to: str, about: str) -> None:
        """One mail, unless the shop does not send this kind, or to nobody."""
        key = f"email_{kind}/enabled"
        if to and (kind in _BY_WORDPRESS or self._values.get(key, "yes") == "yes"):
            self.sent.append(Mail(self._site.now(), kind, to, about))

    def tell_status(self, order: Order, previous: str) -> None:
        """What a change of status mails, to the owner first."""
        about, person = f"order {order.id}", order.billing["email"]
        is_new = previous in _UNPAID and order.status in _TELLS_OF_NEW
        if is_new and order.id not in self._announced:
            self._announced.add(order.id)
            self.send(NEW_ORDER, OWNER, about)
        for table, to in ((_TO_CUSTOMER, person), (_TO_OWNER, OWNER)):
            kind, from_statuses = table.get(order.status, ("", ()))
            if previous in from_statuses:
                self.send(kind, to, about)
        if order.status == "completed":
            self.send("customer_completed_order", person, about)
        if order.status == "refunded":
            self.tell_refund(order)

    def tell_refund(self, order: Order) -> None:
        self.send(REFUNDED, order.billing["email"], f"order {order.id}")
