"""The add-on WooSync seen from here: what it can do, its outbox, and writes put together into its
POSTs.

Contract page Vtiger extension §6; where the operation is absent Vtiger answers HTTP 500 with an
empty body, which is an answer here and no failure."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from app.domain import Event, RemoteError, RemoteUnavailable, ResponseUnreadable
from app.http.client import Sleep
from app.parsing import rows_of
from app.vtiger.callbacks import read_event
from app.vtiger.schemas import CHANGES, DENIED, SAVE, Abilities, parse_time, read_abilities
from app.vtiger.webservice import VTIGER, VtigerApi

# Writes that are under way at the same time, put together into POSTs of the add-on.
#
# Every write has a key of its own, and Vtiger never carries out a key twice. So a POST whose
# answer was lost is simply sent again: what it had done is answered instead of done.

OPERATION = "woosync_save"
MOST_ITEMS = 20
"""Nearly all is won by then: the first record of a call costs as much as three later ones."""
MOST_BYTES = 1_000_000
"""Of JSON in a POST; form-encoded it is three times as long at worst, and PHP takes 8 MB."""
MOST_AT_ONCE = 4
PAUSES = (0.5, 2.0)
"""Seconds before a POST without an answer is sent again, each time it is."""
NOT_REACHED = "not_reached"

GONE = "WooSync does not write any more: it was removed, switched off or replaced by an older one"
NO_TIME = "Vtiger had no time, or no memory, for a single record"


class AddonGone(RemoteUnavailable):
    """The add-on is not there any more. `ambiguous` as ever: a POST that died inside Vtiger is
    answered as one to an operation that is absent, with HTTP 500 and nothing in it."""


def new_key() -> str:
    """A key for one write that is intended."""
    return uuid4().hex


@dataclass(eq=False, slots=True)
class _Item:
    """One write that waits for its answer; `may_be_done` if a POST with it had none. `context` is
    its caller's, by which the call is told and traced."""

    key: str
    body: bytes
    answer: asyncio.Future[Mapping[str, Any]]
    context: Context
    may_be_done: bool = False

    def fail(self, error: Exception) -> None:
        """Each caller gets an error of its own, for they write down in it what it meant to them."""
        if self.answer.done():
            return
        own = error.__class__.__new__(error.__class__)
        own.__dict__.update(error.__dict__)
        own.args, own.__cause__ = error.args, error.__cause__
        if isinstance(own, RemoteError):
            own.ambiguous = own.ambiguous or self.may_be_done
        self.answer.set_exception(own)


class Batches:
    """The writes of one process. `at_once` POSTs are under way at most, each with as many of the
    waiting writes as it holds; a lone write goes at once.

    `seconds` is how long one POST may go on to begin with records.
    """

    def __init__(
        self,
        api: VtigerApi,
        abilities: Abilities,
        *,
        at_once: int = MOST_AT_ONCE,
        seconds: int = 10,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._api = api
        self._abilities = abilities
        self._at_once = at_once
        self._seconds = seconds
        self._sleep = sleep
        self._waiting: deque[_Item] = deque()
        self._posts: set[asyncio.Task[None]] = set()
        self._is_gathering = False

    async def send(self, key: str, action: Mapping[str, Any]) -> Mapping[str, Any]:
        """What Vtiger answered to one write: `status`, `id`, `code`, `message` and `record`.

        Raises AddonGone, and what else befell its POST; `ambiguous` tells whether the write may
        have happened. A caller that is cancelled takes back its own write alone, if that was not
        sent yet.
        """
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        item = _Item(key, orjson.dumps({"key": key, **action}), answer, copy_context())
        self._waiting.append(item)
        self._start()
        return await answer

    async def aclose(self) -> None:
        """End the POSTs that are under way; all that wait for answers are cancelled."""
        for item in self._waiting:
            item.answer.cancel()
        self._waiting.clear()
        for post in self._posts:
            post.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)

    def _start(self) -> None:
        if self._waiting and not self._is_gathering and len(self._posts) < self._at_once:
            self._is_gathering = True
            post = asyncio.create_task(self._post(), context=self._waiting[0].context)
            self._posts.add(post)
            post.add_done_callback(self._end)

    def _end(self, post: asyncio.Task[None]) -> None:
        self._posts.discard(post)
        self._start()

    async def _post(self) -> None:
        try:
            await self._gather()
            batch = self._take()
        finally:
            self._is_gathering = False
        self._start()
        try:
            await self._deliver(batch)
        except asyncio.CancelledError:
            for item in batch:
                item.answer.cancel()
            raise
        except Exception as error:
            for item in batch:
                item.fail(error)

    async def _gather(self) -> None:
        """Writes that others are about to hand in within this turn of the loop come along."""
        known = 0
        while known < len(self._waiting) < MOST_ITEMS:
            known = len(self._waiting)
            await asyncio.sleep(0)

    def _take(self) -> list[_Item]:
        batch: list[_Item] = []
        size = 0
        while self._waiting and len(batch) < MOST_ITEMS:
            size += len(self._waiting[0].body)
            if batch and size > MOST_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _deliver(self, batch: Sequence[_Item]) -> None:
        """Until each has its answer. Raises what none of them can be answered for."""
        for pause in (*PAUSES, None):
            batch = [item for item in batch if not item.answer.done()]
            if not batch:
                return
            try:
                self._settle(batch, await self._ask(batch))
            except RemoteError as error:
                for item in batch:
                    item.may_be_done = item.may_be_done or error.ambiguous
                await self._refuse_gone(error)
                if pause is None or not error.ambiguous:
                    raise
                died = error.status is not None and error.status >= 500
            else:
                return
            await self._sleep(pause)
            if died and pause == PAUSES[-1]:  # one of them may be what Vtiger dies of
                await self._deliver_singly(batch)
                return

    async def _deliver_singly(self, batch: Sequence[_Item]) -> None:
        for item in batch:
            try:
                self._settle([item], await self._ask([item]))
            except RemoteError as error:
                item.may_be_done = item.may_be_done or error.ambiguous
                item.fail(error)

    async def _refuse_gone(self, error: RemoteError) -> None:
        """AddonGone if the operation was refused because it is not there, or not for us."""
        if error.status != 500 and error.code != DENIED:
            return
        if await self._abilities.is_lost(SAVE):
            raise AddonGone(VTIGER, GONE, ambiguous=error.ambiguous) from error

    async def _ask(self, batch: Sequence[_Item]) -> Mapping[str, Mapping[str, Any]]:
        """The answers by key; ResponseUnreadable if one is missing."""
        records = b"[" + b",".join(item.body for item in batch) + b"]"
        params = {"records": records.decode(), "seconds": str(self._seconds)}
        result = await self._api.write(OPERATION, params)
        rows = rows_of(result.get("records")) if isinstance(result, Mapping) else []
        answers = {str(row.get("key")): row for row in rows}
        if not answers.keys() >= {item.key for item in batch}:
            raise ResponseUnreadable(VTIGER, f"{OPERATION} did not answer for every record")
        return answers

    def _settle(self, batch: Sequence[_Item], answers: Mapping[str, Mapping[str, Any]]) -> None:
        """What was not reached goes into the next POST, before all others."""
        left = [item for item in batch if answers[item.key].get("status") == NOT_REACHED]
        if len(left) == len(batch):
            raise RemoteUnavailable(VTIGER, NO_TIME, ambiguous=False)
        self._waiting.extendleft(item for item in reversed(left) if not item.answer.done())
        for item in batch:
            if item not in left and not item.answer.done():
                item.answer.set_result(answers[item.key])


MOST_PER_PAGE = 1000
HINTS_PATH = "/callbacks/vtiger"
CRON_LATE_SECONDS = 1800
RENEW = (
    "Import /vtiger-addon.zip of this service over it: CRM Settings > Module Management > Modules."
)
SLOW = "the old one only tells of changes, so records are written one a call, and read so"
SET_UP_CRON = (
    "Set up cron/vtigercron.sh on Vtiger's server: it finds imports and sends again what failed."
)
SET_UP_DELIVERY = "Look at Vtiger's CRM Settings > Integration > WooSync, and test it there."
ENTER_ADDRESS = (
    "Enter {url} and VTIGER__CALLBACK_SECRET in Vtiger's CRM Settings > Integration > WooSync."
)
SAME_ADDRESS = (
    "Enter the same address in both, unless Vtiger reaches this service by another name: then test"
    " the connection in Vtiger's CRM Settings > Integration > WooSync."
)
MAKE_ADMIN = (
    "Make the API user an administrator in Vtiger's CRM Settings > User Management > Users."
)


@dataclass(frozen=True, slots=True)
class OutboxChange:
    """One row of the outbox: `record_id` as 12x34, "" for a module that Vtiger has no number of;
    `created_at` by the CRM's clock."""

    sequence: int
    record_id: str
    module: str
    event: Event
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AddonFacts:
    """How the add-on fares. `oldest` and `newest` are sequences, 0 where there is none; times are
    None where there was none yet, and so is what an older add-on does not tell: `installed_at`,
    when it was installed or switched on last, and `url`, where it sends to ("" if nowhere is set,
    else with the path). Up to `swept_to`, by the clock of modifiedtime, every change has
    its row, which the next call shows at the latest. `abilities` are what it does beside telling of
    changes: nothing before 2.0."""

    version: str
    installation: str
    modules: frozenset[str]
    oldest: int
    newest: int
    now: datetime
    swept_to: datetime | None
    cron_at: datetime | None
    installed_at: datetime | None
    url: str | None
    has_secret: bool
    waiting: int
    last_error: str
    last_error_at: datetime | None
    last_success_at: datetime | None
    abilities: frozenset[str] = frozenset()

    @property
    def is_failing(self) -> bool:
        """Whether the last request was not taken."""
        if self.last_error_at is None:
            return False
        return self.last_success_at is None or self.last_error_at > self.last_success_at

    def warnings(self, bundled: str, public_url: str | None = None) -> tuple["AddonWarning", ...]:
        """What a person should mend; `bundled` is the version that we come with, `public_url` our
        address, with which an add-on that sends elsewhere is compared."""
        found = []
        if _parts(self.version) < _parts(bundled):
            slow = "" if SAVE in self.abilities else f"; {SLOW}"
            message = f"Vtiger has WooSync {self.version}, this service comes with {bundled}{slow}"
            found.append(AddonWarning(message, RENEW))
        if self._is_cron_late:
            last = f"last ran {self.cron_at:%Y-%m-%d %H:%M} UTC" if self.cron_at else "never ran"
            found.append(AddonWarning(f"WooSync's cron task {last}", SET_UP_CRON))
        if (wrong := self._wrong_address(public_url)) is not None:
            found.append(wrong)
        if self.is_failing:
            message = f"WooSync could not deliver its last request: {self.last_error}"
            found.append(AddonWarning(message, SET_UP_DELIVERY))
        return tuple(found)

    @property
    def _is_cron_late(self) -> bool:
        """A new installation has half an hour until its first run is missed."""
        known = [moment for moment in (self.cron_at, self.installed_at) if moment is not None]
        return not known or (self.now - max(known)).total_seconds() > CRON_LATE_SECONDS

    def _wrong_address(self, public_url: str | None) -> "AddonWarning | None":
        if self.url is None:
            return None
        if not self.url or not self.has_secret:
            missing = "address" if not self.url else "secret"
            message = f"WooSync has no {missing} to send with: changes wait for the next poll"
            return AddonWarning(message, ENTER_ADDRESS.format(url=public_url or "PUBLIC_URL"))
        if public_url is None or self.url == f"{public_url}{HINTS_PATH}":
            return None
        sends_to = self.url.removesuffix(HINTS_PATH)
        message = f"WooSync sends to {sends_to}, but PUBLIC_URL is {public_url}"
        return AddonWarning(message, SAME_ADDRESS)


@dataclass(frozen=True, slots=True)
class AddonWarning:
    """What is wrong, in half a sentence, and what to do about it."""

    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class OutboxPage:
    """Changes in the order of their sequence; `last` is where the next page goes on."""

    facts: AddonFacts
    changes: tuple[OutboxChange, ...]
    last: int
    more: bool


def _read_page(result: Any) -> OutboxPage:
    try:
        return OutboxPage(
            facts=_read_facts(result),
            changes=tuple(_read_row(row) for row in result["changes"]),
            last=int(result["last"]),
            more=bool(result["more"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        summary = f"{CHANGES} gave no changes"
        message = f"{summary}: {error!r}"
        raise ResponseUnreadable(VTIGER, message, summary=summary) from error


def _read_facts(result: Mapping[str, Any]) -> AddonFacts:
    return AddonFacts(
        version=str(result["version"]),
        installation=str(result["installation"]),
        modules=frozenset(str(name) for name in result["modules"]),
        oldest=int(result["oldest"]),
        newest=int(result["newest"]),
        now=_moment(result["now"]),
        swept_to=parse_time(str(result["swept_to"])),
        cron_at=_find_moment(result["cron_at"]),
        installed_at=_find_moment(result.get("installed_at", 0)),
        url=None if result.get("url") is None else str(result["url"]),
        has_secret=bool(result.get("has_secret")),
        waiting=int(result["waiting"]),
        last_error=str(result["last_error"]),
        last_error_at=_find_moment(result["last_error_at"]),
        last_success_at=_find_moment(result["last_success_at"]),
        abilities=read_abilities(result),
    )


def _read_row(row: Mapping[str, Any]) -> OutboxChange:
    return OutboxChange(
        sequence=int(row["seq"]),
        record_id=str(row["id"] or ""),
        module=str(row["module"]),
        event=read_event(row["event"]),
        created_at=_moment(row["created_at"]),
    )


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _find_moment(seconds: Any) -> datetime | None:
    return _moment(seconds) if int(seconds) else None


def _parts(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
