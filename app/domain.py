"""The domain types: systems, modules, records, outcomes, policies, and the tree of expected errors.

WooVtigerError
├── ConfigError                 a setting is missing or wrong; the message says how to correct it
├── InvalidInput                a request or another input cannot be understood
├── LeaseLost                   another worker holds, or has taken over, the lease of the pair
├── DependencyNotReady          another record has to be synced first
├── StaleState                  a request was based on a state that has changed since
└── RemoteError                 a call to a remote failed
    ├── RemoteUnavailable       refused, reset, 5xx, name or TLS failure
    │   ├── RemoteTimeout       no answer in time
    │   ├── RateLimited         429, or 503 with Retry-After
    │   ├── RemotePaused        no call was made
    │   │   ├── CircuitOpen     because the breaker is open after repeated failures
    │   │   └── CallsPaused     because the remote asked for fewer calls
    │   └── ResponseUnreadable  the response is not a valid one of the API
    ├── AuthRejected            the credentials were refused
    ├── NotFound                the record does not exist, or is hidden from the API user
    ├── Duplicate               a unique value is taken
    ├── RecordUnreadable        a record violates the API of its system
    │   └── WrongRecord         the response holds another record than the requested one
    ├── UnsafeVersion           no call was made: this version would corrupt the record
    └── Rejected                the remote refused the request because of its content"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import ClassVar, Self


def pseudonym(text: str) -> str:
    """A digest that replaces a personal value, such as an e-mail address, in logs and traces.

    It ignores case, so that log lines about one address can be correlated, and found by somebody
    who knows the address.
    """
    folded = text.replace("%40", "@").casefold()
    return "#" + sha256(folded.encode("utf-8", "replace")).hexdigest()[:12]


def utc_now() -> datetime:
    """The time of this machine's clock, the clock unless a test has one of its own."""
    return datetime.now(UTC)


# API tokens

TOKEN_LIFETIME = timedelta(days=365)
"""Default time until a token expires."""


class Scope(StrEnum):
    """What a token permits; `admin` includes `read`."""

    READ = "read"
    ADMIN = "admin"

    def covers(self, wanted: "Scope") -> bool:
        return self is Scope.ADMIN or self is wanted


# Deliveries and systems


class DeliveryState(StrEnum):
    """The state of a delivery; `dead` is a dead letter, which waits for a replay."""

    PENDING = "pending"
    PROCESSING = "processing"
    DONE = "done"
    DEAD = "dead"


class System(StrEnum):
    """One of the two systems that are kept in agreement."""

    WOOCOMMERCE = "woocommerce"
    VTIGER = "vtiger"

    @property
    def other(self) -> "System":
        return System.VTIGER if self is System.WOOCOMMERCE else System.WOOCOMMERCE

    @property
    def label(self) -> str:
        """The name of the system for messages and pages."""
        return "WooCommerce" if self is System.WOOCOMMERCE else "Vtiger"


class WooVtigerError(Exception):
    """Root of the tree.

    `reason` is the code in the Sync Log. `record_created` states that a record had been created
    before the failure, so that the next attempt has to search for it. `target` is the system in
    which a write failed, if known, and `source_id` the id of the record that supplied the values.
    """

    retryable: ClassVar[bool] = False
    reason: ClassVar[str] = "bug"
    record_created: bool = False
    target: System | None = None
    source_id: str = ""

    @property
    def summary(self) -> str:
        """The message without personal data: for logs, and for reports about a whole system, which
        the erasure of a person's data does not search."""
        return str(self)


@contextmanager
def after_create() -> Iterator[None]:
    """Mark expected errors of the block as raised after a create: they do not undo it."""
    try:
        yield
    except WooVtigerError as error:
        error.record_created = True
        raise


class ConfigError(WooVtigerError):
    """A setting is missing or wrong; the message says which one and how to correct it."""


class InvalidInput(WooVtigerError):
    """A request or another input cannot be understood; `field` names the part, if one is known."""

    reason = "invalid_input"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class LeaseLost(WooVtigerError):
    """Another worker holds, or has taken over, the lease of the pair.

    The delivery is retried, and the attempt is not counted.
    """

    retryable = True
    reason = "waiting_for_dependency"


class DependencyNotReady(WooVtigerError):
    """Another record has to be synced first. The attempt is not counted.

    `record_key` names that record, if it is a single one; `seconds` is the time until its next
    attempt.
    """

    retryable = True
    reason = "waiting_for_dependency"

    def __init__(
        self, message: str, *, record_key: str | None = None, seconds: float = 0.0
    ) -> None:
        super().__init__(message)
        self.record_key = record_key
        self.seconds = seconds


class StaleState(WooVtigerError):
    """A request was based on a state that another user, or a sync, has changed since.

    It is reported to the caller, and never ends a delivery.
    """


class RemoteError(WooVtigerError):
    """A call to a remote failed.

    `code` is the remote's own error code ("" if it gave none), `status` the HTTP status.
    `ambiguous` states that a write may have taken effect in spite of the error, so that the record
    must be read before it is written again. `summary` is the message without text of the remote,
    which may quote a record.
    """

    reason = "rejected_by_remote"
    ambiguous_class: ClassVar[bool] = False

    def __init__(
        self,
        system: System,
        message: str,
        *,
        code: str = "",
        status: int | None = None,
        ambiguous: bool | None = None,
        summary: str = "",
    ) -> None:
        super().__init__(message)
        self._summary = summary
        self.system = system
        self.code = code
        self.status = status
        self.ambiguous = self.ambiguous_class if ambiguous is None else ambiguous

    @property
    def summary(self) -> str:
        return self._summary or str(self)


class RemoteUnavailable(RemoteError):
    """The remote could not be reached or failed internally; a later attempt may succeed."""

    retryable = True
    reason = "remote_unavailable"
    ambiguous_class = True


class RemoteTimeout(RemoteUnavailable):
    """The remote did not answer in time."""

    reason = "timeout"


class RateLimited(RemoteUnavailable):
    """The remote asked for fewer calls; `retry_after` is in seconds, None if it was not given."""

    reason = "rate_limited"
    ambiguous_class = False

    def __init__(self, system: System, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(system, message, status=429)
        self.retry_after = retry_after


class RemotePaused(RemoteUnavailable):
    """No call was made: calls to the remote are paused until `until`, `seconds` from now."""

    ambiguous_class = False

    def __init__(self, system: System, message: str, *, until: datetime, seconds: float) -> None:
        super().__init__(system, message)
        self.until = until
        self.seconds = seconds


class CircuitOpen(RemotePaused):
    """The breaker is open because recent calls failed; the next call is a probe at `until`."""


class CallsPaused(RemotePaused):
    """The remote asked this worker, or another one, for fewer calls."""

    reason = "rate_limited"


class ResponseUnreadable(RemoteUnavailable):
    """The response is not a valid one of the API: HTML, truncated JSON, an oversized body, a wrong
    shape."""


class AuthRejected(RemoteError):
    """The credentials were refused. A person has to correct them; retries are cheap."""

    retryable = True
    reason = "auth_rejected"


class NotFound(RemoteError):
    """The record does not exist, is deleted, or is hidden from the API user."""

    reason = "not_found"


class Duplicate(RemoteError):
    """A unique value is taken; `holder_id` is the record that has it, if the remote names it."""

    reason = "ambiguous_match"

    def __init__(
        self,
        system: System,
        message: str,
        *,
        code: str = "",
        holder_id: str | None = None,
        summary: str = "",
    ) -> None:
        super().__init__(system, message, code=code, summary=summary)
        self.holder_id = holder_id


class RecordUnreadable(RemoteError):
    """A record, or a part of it, does not have the shape or type that its system's API documents.

    `record_id` is the id of the record, `place` the first field that cannot be read. The value of
    the field is unknown, so nothing is written that depends on it.
    """

    reason = "unreadable"

    def __init__(self, system: System, message: str, *, record_id: str, place: str) -> None:
        super().__init__(system, message)
        self.record_id = record_id
        self.place = place


class WrongRecord(RecordUnreadable):
    """The response holds another record than the requested one: a cache or a plug-in returned it.

    The content of the requested record is unknown, and that of the other one is not used.
    """

    reason = "wrong_record"

    def __init__(self, system: System, kind: str, *, asked: str, given: str) -> None:
        message = f"{system.label} was asked for {kind} {asked} and returned {kind} {given}"
        super().__init__(system, message, record_id=asked, place="id")


class Rejected(RemoteError):
    """The remote refused the request because of its content; a retry would fail in the same way."""


class UnsafeVersion(RemoteError):
    """No call was made: the version of the remote is known to refuse or corrupt such records."""

    reason = "needs_addon"


# Modules, records and record keys

_NUMBERED = re.compile(r"[0-9]*|[0-9]+x[0-9]+|[A-Za-z]{1,10}[0-9]{1,10}", re.ASCII)
"""A number, a web service id of Vtiger (`12x34`), or a record number of Vtiger (`CON217`)."""

MAX_KEY_LENGTH = 400
"""Characters of a record key. An index row of PostgreSQL has 2,704 bytes at most."""


GUEST = "guest:"
"""Prefix of the id of a guest, who has no account in the shop. The folded e-mail follows."""
FORGOTTEN_GUEST = f"{GUEST}forgotten"
"""The id of a guest whose address was erased."""


def guest_id_of(email: str) -> str:
    """The id of the guest with this e-mail address."""
    return GUEST + email.strip().casefold()


def is_guest(record_id: str) -> bool:
    return record_id.startswith(GUEST)


def bounded_key(key: str) -> str:
    """The key, or its beginning and its digest if it is longer than `MAX_KEY_LENGTH`.

    The remotes do not limit the length of e-mail addresses and other parts of a key.
    """
    if len(key) <= MAX_KEY_LENGTH:
        return key
    digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{key[: MAX_KEY_LENGTH - len(digest) - 1]}#{digest}"


def key_in_logs(key: str) -> str:
    """A record key for logs and traces: an id that is not a number of a system, such as a guest's
    e-mail address, is replaced by its digest."""
    *place, record_id = key.split(":", 3)
    if is_guest(record_id):
        return ":".join([*place, GUEST + pseudonym(record_id.removeprefix(GUEST))])
    return key if _NUMBERED.fullmatch(record_id) else ":".join([*place, pseudonym(record_id)])


class Module(StrEnum):
    """A kind of records that is synced."""

    CONTACTS = "contacts"
    PRODUCTS = "products"
    SALES_ORDERS = "sales_orders"
    TAXES = "taxes"


class Event(StrEnum):
    """The change that a hint reports. A hint may be wrong, so the record is always read first."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    RESTORED = "restored"
    CHANGED = "changed"

    @classmethod
    def named(cls, name: object) -> "Event":
        """The event of this name; CHANGED for any other value."""
        return next((event for event in cls if event.value == name), cls.CHANGED)


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
    """One record of one system.

    `module` is None only in rows of earlier versions, which stored topics that no module syncs
    (coupons), and which may be replayed. `kind` is the system's own name of the record type
    (`customer`, `coupon`); it distinguishes the keys of records without a module.
    """

    store: str
    system: System
    module: Module | None
    id: str
    kind: str = ""

    @classmethod
    def stored(
        cls, store: str, system: str, module: str | None, record_id: str, kind: str = ""
    ) -> Self:
        """The record of a row, which holds the texts of these."""
        return cls(store, System(system), Module(module) if module else None, record_id, kind)

    @property
    def key(self) -> str:
        """The record key: deliveries are ordered, jobs are locked and leases are taken by it."""
        subject = self.module or f"other.{self.kind}"
        return bounded_key(":".join((self.store, subject, self.system, self.id)))


class Direction(StrEnum):
    """The direction in which values may be written."""

    WOO_TO_VTIGER = "woo_to_vtiger"
    VTIGER_TO_WOO = "vtiger_to_woo"
    BOTH = "both"
    OFF = "off"

    def allows(self, target: System) -> bool:
        """Whether values may be written to `target`."""
        one_way = Direction.WOO_TO_VTIGER if target is System.VTIGER else Direction.VTIGER_TO_WOO
        return self in (Direction.BOTH, one_way)

    def within(self, outer: "Direction") -> "Direction":
        """The intersection of this direction with `outer`."""
        if self is Direction.BOTH or self is outer:
            return outer
        return self if outer is Direction.BOTH else Direction.OFF


class WriteCondition(StrEnum):
    """When a changed value is written."""

    ALWAYS = "always"
    ON_CREATE = "on_create"
    IF_EMPTY = "if_empty"


class ConflictPolicy(StrEnum):
    """Which value is kept if both sides changed a field; `ask` leaves the decision to a person."""

    LATEST_WINS = "latest_wins"
    WOOCOMMERCE_WINS = "woocommerce_wins"
    VTIGER_WINS = "vtiger_wins"
    ASK = "ask"

    def winner(self, newer: System) -> System | None:
        """The system whose value is kept; None if a person has to decide."""
        settled = {
            ConflictPolicy.LATEST_WINS: newer,
            ConflictPolicy.WOOCOMMERCE_WINS: System.WOOCOMMERCE,
            ConflictPolicy.VTIGER_WINS: System.VTIGER,
        }
        return settled.get(self)


class DeletePolicy(StrEnum):
    """How a deletion on one side is applied to the other."""

    IGNORE = "ignore"
    DEACTIVATE = "deactivate"
    PROPAGATE = "propagate"


class MatchPolicy(StrEnum):
    """How to proceed if several records have the same natural key."""

    SKIP = "skip"
    OLDEST = "oldest"


class LengthPolicy(StrEnum):
    """How to handle text that is longer than the target's field."""

    CUT = "cut"
    SKIP = "skip"


class CreationPolicy(StrEnum):
    """Which Vtiger records are created in a shop that does not have them yet."""

    NEVER = "never"
    WITH_ORDERS = "with_orders"
    ALL = "all"


class TaxScope(StrEnum):
    """Which WooCommerce tax rates become Vtiger taxes: a shop may have hundreds."""

    USED = "used"
    ALL = "all"


class GuestPolicy(StrEnum):
    """The contact that a guest's order gets in Vtiger; `skip` does not sync such orders."""

    CONTACT_PER_EMAIL = "contact_per_email"
    ONE_CONTACT = "one_contact"
    SKIP = "skip"


class TotalPolicy(StrEnum):
    """How to proceed if the taxes of WooCommerce give another total than that of Vtiger's order."""

    WARN = "warn"
    ADJUST = "adjust"
