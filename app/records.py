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
    DEPENDENCY = "dependency"


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


class Direction(StrEnum):
    """Which way values go."""

    WOO_TO_VTIGER = "woo_to_vtiger"
    VTIGER_TO_WOO = "vtiger_to_woo"
    BOTH = "both"
    OFF = "off"

    def allows(self, target: System) -> bool:
        """Whether values may be written to `target`."""
        one_way = Direction.WOO_TO_VTIGER if target is System.VTIGER else Direction.VTIGER_TO_WOO
        return self in (Direction.BOTH, one_way)

    def within(self, outer: "Direction") -> "Direction":
        """What is left of this direction where only `outer` is allowed."""
        if self is Direction.BOTH or self is outer:
            return outer
        return self if outer is Direction.BOTH else Direction.OFF


class WriteCondition(StrEnum):
    """When a changed value is written."""

    ALWAYS = "always"
    ON_CREATE = "on_create"
    IF_EMPTY = "if_empty"


class ConflictPolicy(StrEnum):
    """Who wins where both sides changed a field; `ask` writes nothing and waits for a person."""

    LATEST_WINS = "latest_wins"
    WOOCOMMERCE_WINS = "woocommerce_wins"
    VTIGER_WINS = "vtiger_wins"
    ASK = "ask"

    def winner(self, newer: System) -> System | None:
        """The system whose value is kept; None if a person has to say."""
        settled = {
            ConflictPolicy.LATEST_WINS: newer,
            ConflictPolicy.WOOCOMMERCE_WINS: System.WOOCOMMERCE,
            ConflictPolicy.VTIGER_WINS: System.VTIGER,
        }
        return settled.get(self)


class DeletePolicy(StrEnum):
    """What a deletion on one side does to the other."""

    IGNORE = "ignore"
    DEACTIVATE = "deactivate"
    PROPAGATE = "propagate"


class MatchPolicy(StrEnum):
    """What to do when several records have the natural key."""

    SKIP = "skip"
    OLDEST = "oldest"


class LengthPolicy(StrEnum):
    """What to do with text that is longer than the target's field."""

    CUT = "cut"
    SKIP = "skip"


class CreationPolicy(StrEnum):
    """Which of Vtiger's records are made in a shop that does not have them yet."""

    NEVER = "never"
    WITH_ORDERS = "with_orders"
    ALL = "all"


class TaxScope(StrEnum):
    """Which WooCommerce tax rates become Vtiger taxes: a shop may have hundreds."""

    USED = "used"
    ALL = "all"


class GuestPolicy(StrEnum):
    """Whom a guest's order belongs to in Vtiger; `skip` leaves such orders alone."""

    CONTACT_PER_EMAIL = "contact_per_email"
    ONE_CONTACT = "one_contact"
    SKIP = "skip"


class TotalPolicy(StrEnum):
    """What to do where WooCommerce's own taxes give another total than Vtiger's order has."""

    WARN = "warn"
    ADJUST = "adjust"
