"""What every call to a remote passes, and what its end says about the remote.

The clients know the gate only by this protocol; which one they get is the runtime's choice.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Protocol, TypeVar

from app.errors import (
    AuthRejected,
    RateLimited,
    RemoteError,
    RemoteHeld,
    RemoteTimeout,
    RemoteUnavailable,
    ResponseUnreadable,
)

T = TypeVar("T")

OVERLOADED = 503
FORBIDDEN = 403

_cause: ContextVar[str] = ContextVar("cause", default="")


class Gate(Protocol):
    """Lets calls to one remote pass, in time and in turn."""

    async def run(
        self, call: Callable[[], Awaitable[T]], *, write: bool = False, alone: str = ""
    ) -> T:
        """The call's result. Raises RemoteHeld without calling while the remote is left alone.

        `alone` names a kind of call of which the remote bears one at a time, from all processes
        together.
        """
        ...


class FreeGate:
    """Lets everything pass: for commands that make a few calls."""

    async def run(
        self, call: Callable[[], Awaitable[T]], *, write: bool = False, alone: str = ""
    ) -> T:
        del write, alone  # are nobody's business here
        return await call()


FREE_GATE = FreeGate()


@contextmanager
def calling_for(cause: str) -> Iterator[None]:
    """Calls inside are made for this record or look; one that fails by itself is told by it."""
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)


def cause() -> str:
    """For which record or look this task makes its calls, "" if it did not say."""
    return _cause.get()


class Verdict(StrEnum):
    """What a call's end says about the remote.

    `suspect`: one record can cause that as well as an outage, so it takes several records.
    """

    ANSWERED = "answered"
    DOWN = "down"
    SUSPECT = "suspect"
    THROTTLED = "throttled"
    REJECTED = "rejected"
    NOTHING = "nothing"


def judge(error: RemoteError) -> Verdict:
    """A record's own refusal, and an error that Vtiger tells about one, is an answer (contract
    pages, Errors). 403 with a code is a permission that lacks for something, not a wrong key."""
    if isinstance(error, RemoteHeld):
        return Verdict.NOTHING
    if isinstance(error, RateLimited):
        return Verdict.THROTTLED
    if isinstance(error, AuthRejected):
        allowed = error.status == FORBIDDEN and error.code
        return Verdict.ANSWERED if allowed else Verdict.REJECTED
    return _judge_outage(error) if isinstance(error, RemoteUnavailable) else Verdict.ANSWERED


def _judge_outage(error: RemoteUnavailable) -> Verdict:
    if isinstance(error, RemoteTimeout):
        return Verdict.DOWN
    if isinstance(error, ResponseUnreadable) or error.status == 500:
        return Verdict.SUSPECT
    if error.code:
        return Verdict.ANSWERED if error.status is None else Verdict.SUSPECT
    return Verdict.DOWN


def is_overloaded(error: RemoteError) -> bool:
    """503 without a time to wait: an outage, and too many calls perhaps."""
    return error.status == OVERLOADED
