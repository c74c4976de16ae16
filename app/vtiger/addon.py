"""The WooSync add-on seen from here: is it there, how does it fare, what changed since a sequence.

Contract page Vtiger extension §6; where the operation is absent Vtiger answers HTTP 500 with an
empty body, which is an answer here and no failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.errors import Rejected, ResponseUnreadable
from app.records import Event
from app.vtiger.abilities import CHANGES, DENIED, SAVE, read_abilities
from app.vtiger.addon_hints import read_event
from app.vtiger.addon_package import addon_version
from app.vtiger.answers import VTIGER
from app.vtiger.records import RecordCalls
from app.vtiger.schemas import parse_time

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


class AddonCalls(RecordCalls):
    """The add-on's one operation."""

    async def find_changes(self, since: int, limit: int = MOST_PER_PAGE) -> OutboxPage | None:
        """Changes after a sequence; None where the add-on is not installed, or switched off.

        Rejected (ACCESS_DENIED) unless the API user is an administrator.
        """
        params = {"since": str(since), "limit": str(limit)}
        result = await self._api.find(CHANGES, params)
        self.abilities.note(result)
        return None if result is None else _read_page(result)


@dataclass(frozen=True, slots=True)
class AddonReport:
    """For whoever asks how changes are found: without `facts` polls have to query."""

    facts: AddonFacts | None
    warnings: tuple[AddonWarning, ...] = ()


async def look_at_addon(client: AddonCalls, public_url: str | None = None) -> AddonReport:
    """Ask the CRM itself; absence is no fault. Raises the RemoteError tree.

    `public_url` is where this service is reached, None while that is not set.
    """
    try:
        page = await client.find_changes(0, 1)
    except Rejected as error:
        if error.code != DENIED:
            raise
        message = "WooSync is installed, but only administrators may read its changes"
        return AddonReport(None, (AddonWarning(message, MAKE_ADMIN),))
    if page is None:
        return AddonReport(None)
    return AddonReport(page.facts, page.facts.warnings(addon_version(), public_url))


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
