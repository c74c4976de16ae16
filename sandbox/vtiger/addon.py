"""The WooSync add-on inside the CRM, as it shows from outside: signed hints, and its operations.

Contract page Vtiger extension §4 (what fires events), §5 (delivery) and §6 (woosync_changes); the
operations that write and read records are in addon_records. Where the add-on is not installed its
operations are HTTP 500 with an empty body and nobody is told anything.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_hex
from typing import Any

import httpx

from sandbox.vtiger.database import Clock, Database, Record
from sandbox.vtiger.refusals import Refusal
from sandbox.vtiger.users import CrmUser

OPERATION = "woosync_changes"
PATH = "/callbacks/vtiger"
MODULES = ("Contacts", "Accounts", "Products", "Services", "SalesOrder")
VERSION = "2.0.0"
ABILITIES = ("save", "read")
SERVICE = "woo-vtiger"
SETTLED = timedelta(seconds=2)
KEEP = timedelta(days=30)
SAVE_TIMEOUT = 1.0
FIRST_PAUSE = timedelta(seconds=60)
MOST_ROWS = 1000
TIME = "%Y-%m-%d %H:%M:%S"


@dataclass
class OutboxRow:
    """One change; `created_at` is the CRM's clock."""

    sequence: int
    ws_id: str
    module: str
    event: str
    modified_at: str
    user_id: str
    created_at: datetime
    sent: bool = False


class SaveMishap(StrEnum):
    """What befalls a record of woosync_save: PHP dies before it is committed (the rest of the call
    is not written either, and nothing is answered), the time is up, it fails by itself and is
    rolled back, or another save does not let go of the lock."""

    DIES = "dies"
    TIME_UP = "time_up"
    FAILS = "fails"
    LOCKED = "locked"


@dataclass(frozen=True)
class _Awaited:
    mishap: SaveMishap
    at: int
    text: str

    def fits(self, position: int, text: str) -> bool:
        return position >= self.at and self.text in text


@dataclass
class Addon:
    """One installation. `down_until` is the breaker of what is sent after a save; `wall_clock` is
    what requests are stamped with, where the CRM's own clock was moved. `keys` are those of the
    writes that were committed, with the ids of their records.

        addon.fail_save(SaveMishap.DIES, at=3)       # three records stay, no answer
        addon.fail_save(SaveMishap.FAILS, text="zoe@shop.example", times=2)

    Where Vtiger itself ends the process within a save, the add-on tells of that record as failed
    and of those after it as not reached: FAILS, and TIME_UP at the next one.
    """

    database: Database
    url: str = ""
    secret: str = ""
    modules: tuple[str, ...] = MODULES
    version: str = VERSION
    installation: str = field(default_factory=lambda: token_hex(8))
    rows: list[OutboxRow] = field(default_factory=list)
    installed_at: datetime | None = None
    cron_at: datetime | None = None
    last_error: str = ""
    last_error_at: datetime | None = None
    last_success_at: datetime | None = None
    down_until: datetime | None = None
    http: httpx.AsyncClient | None = None
    wall_clock: Clock | None = None
    keys: dict[str, str] = field(default_factory=dict)
    _mishaps: list[_Awaited] = field(default_factory=list)
    _sequence: int = 0
    _swept_to: str = ""

    def __post_init__(self) -> None:
        self._swept_to = self.database.now()
        self.installed_at = self.database.clock()

    @property
    def abilities(self) -> tuple[str, ...]:
        """What it does beside telling of changes; nothing before 2.0.0."""
        return () if self.version.startswith("1.") else ABILITIES

    def fail_save(self, mishap: SaveMishap, *, at: int = 0, text: str = "", times: int = 1) -> None:
        """Befalls the next records of woosync_save that come `at`th in their call (from 0) or
        later, and have `text` in their JSON."""
        self._mishaps += [_Awaited(mishap, at, text)] * times

    def befalls(self, position: int, item: Any) -> SaveMishap | None:
        """What befalls this record now; it is used up by that."""
        if not self._mishaps:
            return None
        text = json.dumps(item)
        found = next((each for each in self._mishaps if each.fits(position, text)), None)
        if found is None:
            return None
        self._mishaps.remove(found)
        return found.mishap

    def record(self, record: Record, event: str) -> None:
        """What the event handler writes down; silent for other modules."""
        if record.module in self.modules:
            self._sequence += 1
            prefix = self.database.modules[record.module].prefix
            row = OutboxRow(
                self._sequence,
                f"{prefix}x{record.number}",
                record.module,
                event,
                record.modified_at,
                record.modified_by,
                self.database.clock(),
            )
            self.rows.append(row)

    async def after_response(self, *, forced: bool = False) -> None:
        """One request with all that waits, within a second; not while the breaker is open."""
        now = self.database.clock()
        if forced or self.down_until is None or self.down_until <= now:
            await self._deliver(SAVE_TIMEOUT)

    async def cron(self) -> int:
        """One run of the cron task; how many changes the sweep found that no event told of."""
        self.cron_at = self.database.clock()
        found = self.sweep()
        await self._deliver(10 * SAVE_TIMEOUT)
        oldest = self.database.clock() - KEEP
        self.rows = [row for row in self.rows if row.created_at > oldest or row is self.rows[-1]]
        return found

    def sweep(self) -> int:
        """Imports, scheduled workflows and related records: changed, but told by no event."""
        since = datetime.strptime(self._swept_to, TIME) - timedelta(minutes=10)  # noqa: DTZ007
        known: dict[str, str] = {}
        for row in self.rows:
            known[row.ws_id] = max(row.modified_at, known.get(row.ws_id, ""))
        before = len(self.rows)
        for record in self.database.changed_since(self.modules, since.strftime(TIME)):
            prefix = self.database.modules[record.module].prefix
            if known.get(f"{prefix}x{record.number}", "") < record.modified_at:
                self.record(record, _guess(record))
        self._swept_to = self.database.now()
        return len(self.rows) - before

    def changes(self, params: Mapping[str, str], user: CrmUser) -> dict[str, Any]:
        """The operation's result; parameters that are missing or "0" arrive as nothing."""
        if not user.is_admin:
            raise Refusal("ACCESS_DENIED", "Only an administrator may read woosync_changes")
        since, limit = _number(params, "since", 0), _number(params, "limit", 100)
        limit = max(1, min(MOST_ROWS, limit))
        now, swept_to = self.database.clock(), self._swept_to
        if now - datetime.fromisoformat(f"{self._swept_to}+00:00") >= timedelta(minutes=1):
            self.sweep()
        young = [row.sequence for row in self.rows if now - row.created_at <= SETTLED]
        until = min(young, default=self._sequence + 1)
        found = [row for row in self.rows if since < row.sequence < until]
        page = found[:limit]
        return {
            "changes": [_shown(row) for row in page],
            "last": page[-1].sequence if page else since,
            "more": len(found) > limit,
            "swept_to": swept_to,
            **self._facts(now),
        }

    def _facts(self, now: datetime) -> dict[str, Any]:
        abilities = list(self.abilities)
        later = {"abilities": abilities, "vtiger": self.database.version} if abilities else {}
        return {
            **later,
            "oldest": min((row.sequence for row in self.rows), default=0),
            "newest": max((row.sequence for row in self.rows), default=0),
            "installation": self.installation,
            "version": self.version,
            "modules": list(self.modules),
            "now": int(now.timestamp()),
            "installed_at": _seconds(self.installed_at),
            "cron_at": _seconds(self.cron_at),
            "url": f"{self.url}{PATH}" if self.url else "",
            "has_secret": bool(self.secret),
            "waiting": sum(not row.sent for row in self.rows),
            "last_error": self.last_error,
            "last_error_at": _seconds(self.last_error_at),
            "last_success_at": _seconds(self.last_success_at),
        }

    async def _deliver(self, timeout: float) -> None:
        waiting = [row for row in self.rows if not row.sent]
        if not self.url or not waiting:
            return
        if self.http is None:
            self.http = httpx.AsyncClient(trust_env=False)
        error = await self._post(self.http, waiting, timeout)
        now = self.database.clock()
        if error:
            self.last_error, self.last_error_at = error, now
            self.down_until = now + FIRST_PAUSE
        else:
            self.last_success_at, self.down_until = now, None
            for row in waiting:
                row.sent = True

    async def _post(self, http: httpx.AsyncClient, rows: list[OutboxRow], timeout: float) -> str:
        """What went wrong, "" if it was taken."""
        changes = [_told(row) for row in rows]
        envelope = {"installation": self.installation, "version": self.version, "changes": changes}
        body = json.dumps(envelope).encode()
        try:
            async with asyncio.timeout(timeout):
                headers = self._headers(body)
                answer = await http.post(f"{self.url}{PATH}", content=body, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            return f"The service gave no answer: {type(error).__name__}"
        if not answer.is_success:
            return f"The service answered HTTP {answer.status_code}"
        return "" if _is_from_service(answer) else "Something answered that is not woo-vtiger"

    def _headers(self, body: bytes) -> dict[str, str]:
        now = (self.wall_clock or self.database.clock)()
        stamp = str(int(now.timestamp()))
        digest = hmac.new(self.secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256)
        return {
            "Content-Type": "application/json",
            "X-WooSync-Timestamp": stamp,
            "X-WooSync-Signature": f"sha256={digest.hexdigest()}",
        }


def _is_from_service(answer: httpx.Response) -> bool:
    """Whether it carries the service's word, as any web server may answer 200."""
    try:
        told = answer.json()
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("service") == SERVICE


def _guess(record: Record) -> str:
    if record.deleted:
        return "deleted"
    return "created" if record.created_at == record.modified_at else "updated"


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else default


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0


def _told(row: OutboxRow) -> dict[str, Any]:
    return {
        "sequence": row.sequence,
        "id": row.ws_id,
        "module": row.module,
        "event": row.event,
        "modifiedtime": row.modified_at,
        "user_id": row.user_id,
    }


def _shown(row: OutboxRow) -> dict[str, Any]:
    shown = _told(row)
    return {"seq": shown.pop("sequence"), **shown, "created_at": _seconds(row.created_at)}
