"""The gate to one remote: who may call it now, and what all workers learn from each call's end.

What it knows is in the database. A worker books room for a few calls at a time there and uses it
within a second, so it hears of a breaker that another worker opened a second late at most.
"""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

from app.db.session import Sessions, transaction
from app.errors import CallsPaused, CircuitOpen, RateLimited, RemoteError, System
from app.gate import Verdict, cause, is_overloaded, judge
from app.remotes.breaker import Lesson, claim_probe, learn, watch
from app.remotes.news import explain_hold, held_until, record_news, remote_key
from app.remotes.rate import book, rate_of
from app.remotes.repository import Step, change, report_calls
from app.remotes.state import RemoteLimits, RemoteState
from app.remotes.turns import Turns

log = logging.getLogger(__name__)
T = TypeVar("T")

ROOM_SECONDS = 1.0
ROOM_SHARE = 0.25


@dataclass(slots=True)
class _Probe:
    every: bool
    used: bool = False

    def take(self) -> bool:
        free, self.used = self.every or not self.used, True
        return free


_probing: ContextVar[_Probe | None] = ContextVar("probing", default=None)


@contextmanager
def probing(*, every: bool = False) -> Iterator[None]:
    """The first call inside passes an open breaker, or `every` one does, for a person who asks;
    an answer closes it."""
    token = _probing.set(_Probe(every))
    try:
        yield
    finally:
        _probing.reset(token)


@dataclass(slots=True)
class SharedGate:
    """One process's way to a remote that several processes call. `most_at_once` is for this
    process, the limits are for all together; `known` is what was last read or learned."""

    sessions: Sessions
    system: System
    store: str
    limits: RemoteLimits
    most_at_once: int
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    known: RemoteState = field(default_factory=RemoteState)
    _places: asyncio.Semaphore = field(init=False)
    _turns: Turns = field(init=False)
    _booking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _room: int = 0
    _room_until: float = 0.0
    _under_way: dict[int, float] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _process: str = field(default_factory=lambda: uuid4().hex)
    _answered: float | None = None
    _reported: bool = False

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.most_at_once)
        self._turns = Turns(self.sessions, self.key, self.limits.turn_seconds, self.sleep)

    @property
    def key(self) -> str:
        return remote_key(self.system, self.store)

    async def run(
        self, call: Callable[[], Awaitable[T]], *, write: bool = False, alone: str = ""
    ) -> T:
        """Raises RemoteHeld without calling while the breaker is open or calls are paused."""
        if not alone:
            return await self._run(call, write=write)
        async with self._turns.take(alone):
            return await self._run(call, write=write)

    async def _run(self, call: Callable[[], Awaitable[T]], *, write: bool) -> T:
        probe = _probing.get()
        if probe is not None and probe.take():
            return await self._call(call, probe=True, write=write)
        async with self._places:
            await self._find_room()
            return await self._call(call, probe=False, write=write)

    async def report(self) -> None:
        """Tell all processes which calls this one waits for and when the remote last answered,
        and judge whether it is slow. Costs nothing while there is nothing new."""
        now, under_way = time.monotonic(), list(self._under_way.values())
        is_news = bool(under_way) or self._reported or self._answered is not None
        if not is_news and self.known.slow_at is None and self.known.silent_since is None:
            return
        answered, self._answered = self._answered, None
        self._reported = bool(under_way)
        async with transaction(self.sessions) as session:
            oldest_at = await report_calls(
                session,
                self.key,
                self._process,
                calls=len(under_way),
                oldest_seconds=now - min(under_way, default=now),
            )

        def step(known: RemoteState, moment: datetime) -> RemoteState:
            if answered is not None:
                answered_at = moment - timedelta(seconds=now - answered)
                latest = max(answered_at, known.answered_at or answered_at)
                known = replace(known, answered_at=latest)
            return watch(known, moment, oldest_at=oldest_at)

        await self._change(step)

    async def claim_probe(self) -> bool:
        """Whether a probe is due and ours to make; a call inside `probing` makes it."""
        before, after, _ = await self._change(claim_probe)
        return after != before

    async def _call(self, call: Callable[[], Awaitable[T]], *, probe: bool, write: bool) -> T:
        began, number = time.monotonic(), next(self._numbers)
        self._under_way[number] = began
        try:
            result = await call()
        except RemoteError as error:
            lesson = _lesson(error, probe=probe, write=write, seconds=time.monotonic() - began)
            if lesson.verdict is Verdict.ANSWERED:
                self._answered = time.monotonic()
            await self._learn(lesson)
            raise
        finally:
            del self._under_way[number]
        self._answered = time.monotonic()
        await self._learn(Lesson(Verdict.ANSWERED, probe=probe, write=write))
        return result

    async def _find_room(self) -> None:
        """Those that wait for room wait together."""
        async with self._booking:
            if self._room <= 0 or time.monotonic() >= self._room_until:
                self._room, wait = await self._book()
                await self.sleep(wait)
                self._room_until = time.monotonic() + ROOM_SECONDS
            self._room -= 1

    async def _book(self) -> tuple[int, float]:
        """For how many calls there is room, and in how many seconds."""
        calls, wait = 1, 0.0

        def step(known: RemoteState, now: datetime) -> RemoteState:
            nonlocal calls, wait
            if held_until(known, now) is not None:
                return known
            calls = max(1, int(rate_of(known, self.limits, now) * ROOM_SHARE))
            known, wait = book(known, self.limits, now=now, calls=calls)
            return known

        _, known, now = await self._change(step)
        self._refuse_held(known, now)
        return calls, wait

    def _refuse_held(self, known: RemoteState, now: datetime) -> None:
        until = held_until(known, now)
        if until is None:
            return
        kind = CircuitOpen if known.is_open else CallsPaused
        why = explain_hold(known, now)
        message = f"{self.system.label} is not called before {until:%H:%M:%S} UTC: {why}"
        raise kind(
            self.system, message, until=until, seconds=max(0.0, (until - now).total_seconds())
        )

    async def _learn(self, lesson: Lesson) -> None:
        """Good news of a remote that is known to be well changes nothing, and costs nothing."""
        if lesson.verdict is Verdict.NOTHING:
            return
        if lesson.verdict is not Verdict.ANSWERED:
            self._room = 0
        elif not lesson.probe and not self.known.is_troubled:
            return
        _, known, now = await self._change(
            lambda known, now: learn(known, self.limits, lesson=lesson, now=now)
        )
        if lesson.verdict is Verdict.THROTTLED:
            rate = rate_of(known, self.limits, now)
            told = {"remote": self.key, "until": known.paused_until, "calls_per_second": rate}
            log.warning("%s asks for fewer calls", self.system.label, extra=told)

    async def _change(self, step: Step) -> tuple[RemoteState, RemoteState, datetime]:
        async with transaction(self.sessions) as session:
            before, after, now = await change(session, self.key, step)
            news = await record_news(session, self.system, self.store, before=before, after=after)
        self.known = after
        for tell in news:
            tell()
        return before, after, now


def _lesson(error: RemoteError, *, probe: bool, write: bool, seconds: float) -> Lesson:
    return Lesson(
        judge(error),
        probe=probe,
        write=write,
        seconds=seconds,
        message=error.summary,
        cause=cause(),
        retry_after=error.retry_after if isinstance(error, RateLimited) else None,
        overloaded=is_overloaded(error),
        jitter=random.random(),  # noqa: S311 - no secret
    )
