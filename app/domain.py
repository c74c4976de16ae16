"""The words of the domain: systems, modules, records, outcomes, and the tree of expected errors.

WooVtigerError
├── ConfigError                 a setting is missing or wrong; the message says how to mend it
├── InvalidInput                a request of ours or a user's cannot be understood
├── LeaseLost                   another worker holds, or took over, the pair
├── DependencyNotReady                     another record has to be synced first
├── StaleState                   what a request rests on is not so any more
└── RemoteError                 a remote system did not do what was asked
    ├── RemoteUnavailable       refused, reset, 5xx, name or TLS failure
    │   ├── RemoteTimeout       no answer in time
    │   ├── RateLimited         429, or 503 with Retry-After
    │   ├── RemotePaused          no call was made
    │   │   ├── CircuitOpen     because it is down, so far as we know
    │   │   └── CallsPaused     because it asked for fewer calls
    │   └── ResponseUnreadable  an answer that is not what the API speaks
    ├── AuthRejected            the credentials were refused
    ├── NotFound                the record is gone, or hidden from us
    ├── Duplicate               a unique value is taken
    ├── RecordUnreadable        a record holds what its system's API does not promise
    │   └── WrongRecord         another record came than the one that was asked for
    ├── UnsafeVersion           no call was made, for this version would ruin the record
    └── Rejected                the remote refused the request for what is in it"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import ClassVar


def pseudonym(text: str) -> str:
    """What stands for a person's address in logs: the same for the same address in any case, so
    that lines can be brought together, and looked up by whoever knows the address."""
    folded = text.replace("%40", "@").casefold()
    return "#" + sha256(folded.encode("utf-8", "replace")).hexdigest()[:12]


# What a token may do and how long, for whoever asks without needing the table of tokens.

LIFETIME = timedelta(days=365)
"""Until a token expires for which nothing else was said."""


class Scope(StrEnum):
    """What a token may do; `admin` includes `read`."""

    READ = "read"
    ADMIN = "admin"

    def covers(self, wanted: "Scope") -> bool:
        return self is Scope.ADMIN or self is wanted


# The states of a delivery, for whoever asks for one without needing the table.


class DeliveryState(StrEnum):
    """Where a delivery stands; `dead` waits for a person."""

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
        """The system's name as people write it."""
        return "WooCommerce" if self is System.WOOCOMMERCE else "Vtiger"


class WooVtigerError(Exception):
    """Root of the tree. `reason` is the code that a sync-log row carries for it.

    `made`: a record had been created when this came, so that the next try has to look for it.
    `target`: where a write of the pair failed, if that is known, and `source_id` the id of the
    record that the values came from.
    """

    retryable: ClassVar[bool] = False
    reason: ClassVar[str] = "bug"
    made: bool = False
    target: System | None = None
    source_id: str = ""

    @property
    def summary(self) -> str:
        """What happened, in our own words alone: for logs and for what is told of a whole system,
        where a person's data would be found by nobody who erases them."""
        return str(self)


@contextmanager
def after_create() -> Iterator[None]:
    """For what follows a create: a failure in here does not undo it, and says so."""
    try:
        yield
    except WooVtigerError as error:
        error.made = True
        raise


class ConfigError(WooVtigerError):
    """A setting is missing or wrong; the message says which and how to mend it."""


class InvalidInput(WooVtigerError):
    """What was sent to the service cannot be understood; `field` names the part, if one is."""

    reason = "invalid_input"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class LeaseLost(WooVtigerError):
    """Another worker holds, or took over, the pair; the hint waits and burns no attempt."""

    retryable = True
    reason = "waiting_for_dependency"


class DependencyNotReady(WooVtigerError):
    """Another record has to be synced first, and that is not done yet; burns no attempt.

    `record_key` names that record, if it is one, and `seconds` is the time until its next try.
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
    """What a request rests on is not so any more: somebody, or a sync, was quicker. Answered to
    the caller; it never ends a delivery."""


class RemoteError(WooVtigerError):
    """A remote system did not do what was asked.

    `code` is the remote's own error code (text, "" if it gave none), `status` the HTTP status.
    `ambiguous` tells that a write may have happened all the same, so look before writing again.
    `summary` is the message without the remote's own words, if the message quotes any: those may
    quote a record.
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
    """The remote could not be reached or failed inside; a later try may succeed."""

    retryable = True
    reason = "remote_unavailable"
    ambiguous_class = True


class RemoteTimeout(RemoteUnavailable):
    """No answer came in time."""

    reason = "timeout"


class RateLimited(RemoteUnavailable):
    """The remote asked for fewer calls; `retry_after` is in seconds, if it said."""

    reason = "rate_limited"
    ambiguous_class = False

    def __init__(self, system: System, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(system, message, status=429)
        self.retry_after = retry_after


class RemotePaused(RemoteUnavailable):
    """No call was made: the remote is left alone until a moment, `seconds` from now."""

    ambiguous_class = False

    def __init__(self, system: System, message: str, *, until: datetime, seconds: float) -> None:
        super().__init__(system, message)
        self.until = until
        self.seconds = seconds


class CircuitOpen(RemotePaused):
    """The remote is down, so far as calls of late tell; the next try is a probe at `until`."""


class CallsPaused(RemotePaused):
    """The remote asked for fewer calls, whichever worker it told."""

    reason = "rate_limited"


class ResponseUnreadable(RemoteUnavailable):
    """The answer is not what the API speaks: HTML, cut JSON, an oversized body, a wrong shape."""


class AuthRejected(RemoteError):
    """The credentials were refused; waits for a person, but a later try costs little."""

    retryable = True
    reason = "auth_rejected"


class NotFound(RemoteError):
    """The record does not exist, is deleted, or is hidden from the API user."""

    reason = "not_found"


class Duplicate(RemoteError):
    """A unique value is taken; `holder_id` is the record that has it, where the remote tells."""

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
    """A record, or a part of it, is not of the shape or type that its system's API promises.

    `record_id` is the record's own, `place` the first field that cannot be read. What the field
    held is not known, so nothing is written on the strength of it.
    """

    reason = "unreadable"

    def __init__(self, system: System, message: str, *, record_id: str, place: str) -> None:
        super().__init__(system, message)
        self.record_id = record_id
        self.place = place


class WrongRecord(RecordUnreadable):
    """The answer holds another record than the one that was asked for: a cache or a plug-in gave
    it. What the right one holds is not known, and the wrong one is nobody's business here."""

    reason = "wrong_record"

    def __init__(self, system: System, kind: str, *, asked: str, given: str) -> None:
        message = f"{system.label} was asked for {kind} {asked}, and answered with {kind} {given}"
        super().__init__(system, message, record_id=asked, place="id")


class Rejected(RemoteError):
    """The remote refused the request for what is in it; sending it again would change nothing."""


class UnsafeVersion(RemoteError):
    """No call was made: the remote's version is known to refuse or ruin such records."""

    reason = "needs_addon"


# The words for what is synced: modules, records and the key that orders their hints.

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
