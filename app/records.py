"""The words for what is synced: modules, records and the key that orders their hints."""

from dataclasses import dataclass
from enum import StrEnum

from app.errors import System


class Module(StrEnum):
    """What is kept in agreement."""

    CONTACTS = "contacts"
    PRODUCTS = "products"
    SALES_ORDERS = "sales_orders"
    TAXES = "taxes"


class Event(StrEnum):
    """What a hint says happened; a hint may be wrong, so it is never acted on unread."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    RESTORED = "restored"
    CHANGED = "changed"


class Origin(StrEnum):
    """Where a hint came from."""

    WEBHOOK = "webhook"
    CALLBACK = "callback"
    POLL = "poll"
    MANUAL = "manual"
    REPLAY = "replay"


class Outcome(StrEnum):
    """How a hint ended."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing in one system. `module` is None for topics that no module syncs (coupons).

    `kind` is the system's own name for the thing (`customer`, `coupon`); it keeps the keys of
    module-less records apart.
    """

    store: str
    system: System
    module: Module | None
    id: str
    kind: str = ""

    @property
    def key(self) -> str:
        """What hints of one record share: the order, the lock and the lease go by it."""
        return ":".join((self.store, self.module or self.kind or "none", self.system, self.id))
