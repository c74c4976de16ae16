"""The client of the add-on WooSync: its state, its outbox, and batches of writes.

Contract page Vtiger extension §6. Where an operation is absent Vtiger answers HTTP 500 with an
empty body, which counts as an answer here, not as a failure."""

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
from app.vtiger.schemas import CHANGES, DENIED, SAVE, Abilities, parse_time, read_abilities
from app.vtiger.webservice import VTIGER, VtigerApi

# Batches: concurrent writes are sent to the add-on in one POST.
#
# Every write has a key of its own, and the add-on carries out each key once. A POST whose answer
# was lost is therefore sent again: writes that were carried out are answered, not repeated.

OPERATION = "woosync_save"
MOST_ITEMS = 20
"""More items gain little: the first record of a call costs as much as three later ones."""
MOST_BYTES = 1_000_000
"""Of JSON in a POST; form-encoded it is up to three times as long, and PHP accepts 8 MB."""
MOST_AT_ONCE = 4
PAUSES = (0.5, 2.0)
"""Seconds before each repetition of a POST that had no answer."""
NOT_REACHED = "not_reached"

GONE = "WooSync no longer writes records: it was removed, switched off or replaced by an older one"
NO_TIME = "Vtiger had neither time nor memory for a single record"


class AddonGone(RemoteUnavailable):
    """The add-on is no longer available. May be `ambiguous`: Vtiger answers a POST that crashed
    like one to an absent operation, with HTTP 500 and an empty body."""


def new_key() -> str:
    """A random key for one write."""
    return uuid4().hex


@dataclass(eq=False, slots=True)
class _Item:
    """One write that waits for its answer.

    `context` is the caller's, for the cause and the trace of the call. `may_be_done` is True if a
    POST with this write had no answer."""

    key: str
    body: bytes
    answer: asyncio.Future[Mapping[str, Any]]
    context: Context
    may_be_done: bool = False

    def fail(self, error: Exception) -> None:
        """Each caller gets its own copy of the error, because callers change attributes of it."""
        if self.answer.done():
            return
        own = error.__class__.__new__(error.__class__)
        own.__dict__.update(error.__dict__)
        own.args, own.__cause__ = error.args, error.__cause__
        if isinstance(own, RemoteError):
            own.ambiguous = own.ambiguous or self.may_be_done
        self.answer.set_exception(own)


class Batches:
    """Sends the writes of one process in batches. At most `at_once` POSTs are in progress, each
    with as many of the waiting writes as fit; a single write is sent immediately.

    Within one POST the add-on starts no further record after `seconds`.
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
        """The add-on's answer to one write: `status`, `id`, `code`, `message` and `record`.

        Raises AddonGone, or the error of the write's POST, `ambiguous` if the write may have been
        carried out. Cancelling a caller withdraws its own write only, if that was not sent yet.
        """
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        item = _Item(key, orjson.dumps({"key": key, **action}), answer, copy_context())
        self._waiting.append(item)
        self._start()
        return await answer

    async def aclose(self) -> None:
        """Cancel the POSTs that are in progress and all writes that wait for answers."""
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
            post.add_done_callback(self._on_post_done)

    def _on_post_done(self, post: asyncio.Task[None]) -> None:
        self._posts.discard(post)
        self._start()

    async def _post(self) -> None:
        try:
            await self._gather()
            batch = self._take_batch()
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
        """Yield to the event loop while other tasks add writes, so that they join the batch."""
        count = 0
        while count < len(self._waiting) < MOST_ITEMS:
            count = len(self._waiting)
            await asyncio.sleep(0)

    def _take_batch(self) -> list[_Item]:
        batch: list[_Item] = []
        size = 0
        while self._waiting and len(batch) < MOST_ITEMS:
            size += len(self._waiting[0].body)
            if batch and size > MOST_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _deliver(self, batch: Sequence[_Item]) -> None:
        """Send the batch, several times if needed, until each write has its answer. Raises errors
        that concern all of them."""
        for pause in (*PAUSES, None):
            batch = [item for item in batch if not item.answer.done()]
            if not batch:
                return
            try:
                self._settle(batch, await self._send_batch(batch))
            except RemoteError as error:
                for item in batch:
                    item.may_be_done = item.may_be_done or error.ambiguous
                await self._refuse_gone(error)
                if pause is None or not error.ambiguous:
                    raise
                crashed = error.status is not None and error.status >= 500
            else:
                return
            await self._sleep(pause)
            if crashed and pause == PAUSES[-1]:  # one of the writes may be the cause
                await self._deliver_singly(batch)
                return

    async def _deliver_singly(self, batch: Sequence[_Item]) -> None:
        for item in batch:
            try:
                self._settle([item], await self._send_batch([item]))
            except RemoteError as error:
                item.may_be_done = item.may_be_done or error.ambiguous
                item.fail(error)

    async def _refuse_gone(self, error: RemoteError) -> None:
        """Raise AddonGone if the operation is absent, or the API user may not call it."""
        if error.status != 500 and error.code != DENIED:
            return
        if await self._abilities.is_lost(SAVE):
            raise AddonGone(VTIGER, GONE, ambiguous=error.ambiguous) from error

    async def _send_batch(self, batch: Sequence[_Item]) -> Mapping[str, Mapping[str, Any]]:
        """Send one POST; the answers by key. Raises ResponseUnreadable if one is missing."""
        records = b"[" + b",".join(item.body for item in batch) + b"]"
        params = {"records": records.decode(), "seconds": str(self._seconds)}
        result = await self._api.write(OPERATION, params)
        rows = rows_of(result.get("records")) if isinstance(result, Mapping) else []
        answers = {str(row.get("key")): row for row in rows}
        if not answers.keys() >= {item.key for item in batch}:
            raise ResponseUnreadable(VTIGER, f"{OPERATION} did not answer for every record")
        return answers

    def _settle(self, batch: Sequence[_Item], answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the answers. Writes that the add-on did not reach are first in the next POST."""
        unreached = [item for item in batch if answers[item.key].get("status") == NOT_REACHED]
        if len(unreached) == len(batch):
            raise RemoteUnavailable(VTIGER, NO_TIME, ambiguous=False)
        self._waiting.extendleft(item for item in reversed(unreached) if not item.answer.done())
        for item in batch:
            if item not in unreached and not item.answer.done():
                item.answer.set_result(answers[item.key])


MOST_PER_PAGE = 1000
CHANGES_PATH = "/callbacks/vtiger"
"""Where the add-on sends its batches of changes."""
CRON_LATE_SECONDS = 1800
RENEW = (
    "Import /vtiger-addon.zip of this service over it: CRM Settings > Module Management > Modules."
)
SLOW = "the old one only reports changes, so records are read and written by one call each"
SET_UP_CRON = (
    "Set up cron/vtigercron.sh on Vtiger's server: it finds imports and resends failed requests."
)
SET_UP_DELIVERY = "Test the connection in Vtiger's CRM Settings > Integration > WooSync."
ENTER_ADDRESS = (
    "Enter {url} and VTIGER__CALLBACK_SECRET in Vtiger's CRM Settings > Integration > WooSync."
)
SAME_ADDRESS = (
    "Enter the same address in both. If Vtiger reaches this service by another name, test the"
    " connection in Vtiger's CRM Settings > Integration > WooSync instead."
)
MAKE_ADMIN = (
    "Make the API user an administrator in Vtiger's CRM Settings > User Management > Users."
)


@dataclass(frozen=True, slots=True)
class OutboxChange:
    """One row of the outbox: `record_id` as 12x34, "" for a module without a number in Vtiger;
    `created_at` by the CRM's clock."""

    sequence: int
    record_id: str
    module: str
    event: Event
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AddonFacts:
    """The state of the add-on.

    `oldest` and `newest` are sequence numbers, 0 without any. Times are None if there was none
    yet. `installed_at`, when it was last installed or switched on, and `url`, where it sends to
    (with the path, "" if not set), are None for older versions, which do not report them. Every
    change up to `swept_to`, by the clock of modifiedtime, has its row, which the next call returns
    at the latest. `waiting` counts changes to be sent. `abilities` are what it can do besides
    reporting changes: nothing before 2.0."""

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
        """Whether the last request failed."""
        if self.last_error_at is None:
            return False
        return self.last_success_at is None or self.last_error_at > self.last_success_at

    def warnings(self, bundled: str, public_url: str | None = None) -> tuple["AddonWarning", ...]:
        """What a person should fix. `bundled` is the version that this service ships, `public_url`
        the service's address, to which the add-on should send."""
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
        """Whether the cron task did not run for CRON_LATE_SECONDS, or since the installation."""
        known = [moment for moment in (self.cron_at, self.installed_at) if moment is not None]
        return not known or (self.now - max(known)).total_seconds() > CRON_LATE_SECONDS

    def _wrong_address(self, public_url: str | None) -> "AddonWarning | None":
        if self.url is None:
            return None
        if not self.url or not self.has_secret:
            missing = "address" if not self.url else "secret"
            message = f"WooSync has no {missing} to send with: changes wait for the next poll"
            return AddonWarning(message, ENTER_ADDRESS.format(url=public_url or "PUBLIC_URL"))
        if public_url is None or self.url == f"{public_url}{CHANGES_PATH}":
            return None
        sends_to = self.url.removesuffix(CHANGES_PATH)
        message = f"WooSync sends to {sends_to}, but PUBLIC_URL is {public_url}"
        return AddonWarning(message, SAME_ADDRESS)


@dataclass(frozen=True, slots=True)
class AddonWarning:
    """A problem, without a full stop, and its remedy."""

    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class OutboxPage:
    """Changes by sequence number; the next page starts after `last`, if there is `more`."""

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
        event=Event.named(row["event"]),
        created_at=_moment(row["created_at"]),
    )


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _find_moment(seconds: Any) -> datetime | None:
    return _moment(seconds) if int(seconds) else None


def _parts(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
