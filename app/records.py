"""The words for what is synced: modules, records and the key that orders their hints."""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from app.errors import System
from app.logging import pseudonym

_NUMBERED = re.compile(r"[0-9]*|[0-9]+x[0-9]+|[A-Za-z]{1,10}[0-9]{1,10}", re.ASCII)
"""A number, Vtiger's id of two, or a record's number there, such as CON217."""

LONGEST_KEY = 400
"""Characters of a key; an index of the database holds no more than 2,704 bytes."""


GUEST = "guest:"
"""Begins the id of a guest, who has no account in the shop; the folded e-mail address follows."""
FORGOTTEN_GUEST = f"{GUEST}forgotten"
"""The id of a guest whose address was erased."""


def guest_id_of(email: str) -> str:
    """The id of the guest with this e-mail address."""
    return GUEST + email.strip().casefold()


def is_guest(record_id: str) -> bool:
    return record_id.startswith(GUEST)


def bounded_key(key: str) -> str:
    """The key itself, or its beginning and its digest where it is longer than a key may be.

    E-mail addresses and the like are as long as the remote systems let them be.
    """
    if len(key) <= LONGEST_KEY:
        return key
    digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{key[: LONGEST_KEY - len(digest) - 1]}#{digest}"


def key_in_logs(key: str) -> str:
    """A record's key as logs and traces carry it: an id that is no number of a system, such as a
    guest's e-mail address, is told by its digest."""
    *place, record_id = key.split(":", 3)
    if is_guest(record_id):
        return ":".join([*place, GUEST + pseudonym(record_id.removeprefix(GUEST))])
    return key if _NUMBERED.fullmatch(record_id) else ":".join([*place, pseudonym(record_id)])


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
    """One thing in one system. `module` is None only in rows of earlier versions, which stored
    topics that no module syncs (coupons), and which may be replayed.

    `kind` is the system's own name for the thing (`customer`, `coupon`); it keeps the keys of
    module-less records apart, whose prefix no module has.
    """

    store: str
    system: System
    module: Module | None
    id: str
    kind: str = ""

    @property
    def key(self) -> str:
        """What hints of one record share: the order, the lock and the lease go by it."""
        subject = self.module or f"other.{self.kind}"
        return bounded_key(":".join((self.store, subject, self.system, self.id)))


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
