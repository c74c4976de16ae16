"""Every failure the service expects, as one tree whose classes know whether trying again can help.

WooVtigerError
├── ConfigError                 a setting is missing or wrong; the message says how to mend it
├── InvalidInput                a request of ours or a user's cannot be understood
├── LeaseLost                   another worker holds, or took over, the pair
├── Waiting                     another record has to be synced first
├── Overtaken                   what a request rests on is not so any more
└── RemoteError                 a remote system did not do what was asked
    ├── RemoteUnavailable       refused, reset, 5xx, name or TLS failure
    │   ├── RemoteTimeout       no answer in time
    │   ├── RateLimited         429, or 503 with Retry-After
    │   ├── RemoteHeld          no call was made
    │   │   ├── CircuitOpen     because it is down, so far as we know
    │   │   └── CallsPaused     because it asked for fewer calls
    │   └── ResponseUnreadable  an answer that is not what the API speaks
    ├── AuthRejected            the credentials were refused
    ├── NotFound                the record is gone, or hidden from us
    ├── Duplicate               a unique value is taken
    ├── RecordUnreadable        a record holds what its system's API does not promise
    │   └── WrongRecord         another record came than the one that was asked for
    ├── UnsafeVersion           no call was made, for this version would ruin the record
    └── Rejected                the remote refused the request for what is in it
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


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
def once_made() -> Iterator[None]:
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


class Waiting(WooVtigerError):
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


class Overtaken(WooVtigerError):
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


class RemoteHeld(RemoteUnavailable):
    """No call was made: the remote is left alone until a moment, `seconds` from now."""

    ambiguous_class = False

    def __init__(self, system: System, message: str, *, until: datetime, seconds: float) -> None:
        super().__init__(system, message)
        self.until = until
        self.seconds = seconds


class CircuitOpen(RemoteHeld):
    """The remote is down, so far as calls of late tell; the next try is a probe at `until`."""


class CallsPaused(RemoteHeld):
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
