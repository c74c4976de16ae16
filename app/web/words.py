"""How the pages say what the code calls by its own names."""

from collections.abc import Mapping
from datetime import UTC, datetime

from app.errors import System
from app.incidents.models import IncidentKind
from app.module_facts import LABELS
from app.records import Direction, Event, Origin, Outcome

SYSTEMS: Mapping[str, str] = {System.WOOCOMMERCE: "WooCommerce", System.VTIGER: "Vtiger CRM"}
MODULES = LABELS
OUTCOMES: Mapping[str, str] = {outcome: outcome.value.capitalize() for outcome in Outcome}
EVENTS: Mapping[str, str] = {event: event.value.capitalize() for event in Event}
DIRECTIONS: Mapping[str, str] = {
    Direction.BOTH: "Both ways",
    Direction.WOO_TO_VTIGER: "WooCommerce → Vtiger CRM",
    Direction.VTIGER_TO_WOO: "Vtiger CRM → WooCommerce",
    Direction.OFF: "Off",
}
ORIGINS: Mapping[str, str] = {
    Origin.WEBHOOK: "Webhook",
    Origin.CALLBACK: "Callback",
    Origin.POLL: "Poll",
    Origin.MANUAL: "Manual",
    Origin.REPLAY: "Replay",
    Origin.DEPENDENCY: "Needed by another record",
}
INCIDENTS: Mapping[str, str] = {
    IncidentKind.REMOTE_DOWN: "Out of reach",
    IncidentKind.REMOTE_SLOW: "Slow",
    IncidentKind.AUTH_REJECTED: "Credentials refused",
    IncidentKind.WEBHOOK_BROKEN: "Webhook broken",
    IncidentKind.POLL_FAILED: "Poll failed",
}
_SETTINGS = ("Settings", "/ui/settings/{store}/{module}")
_MAPPING = ("Field mapping", "/ui/mappings/{store}/{module}")
_STATUS = ("Status", "/ui/status")
_CONFLICTS = ("Conflicts", "/ui/conflicts")
MENDED_AT: Mapping[str, tuple[str, str]] = {
    "direction_off": _SETTINGS,
    "creation_off": _SETTINGS,
    "other_shop": _SETTINGS,
    "module_off": _SETTINGS,
    "filtered": _SETTINGS,
    "ambiguous_match": _SETTINGS,
    "total_differs": _SETTINGS,
    "value_too_long": _SETTINGS,
    "conflict_lost": _SETTINGS,
    "delete_ignored": _SETTINGS,
    "field_vanished": _MAPPING,
    "wrong_type": _MAPPING,
    "conflict_open": _CONFLICTS,
    "delete_brake": _CONFLICTS,
    "remote_unavailable": _STATUS,
    "rate_limited": _STATUS,
    "auth_rejected": _STATUS,
    "timeout": _STATUS,
    "attempts_exhausted": _STATUS,
}
"""The page on which what a reason tells of is mended, by reason: its name and its address."""
STATES: Mapping[str, str] = {
    "pending": "Waiting",
    "processing": "In work",
    "done": "Done",
    "dead": "Dead letter",
}

RUN_STATES: Mapping[str, str] = {
    "queued": "Waiting",
    "running": "Running",
    "asking": "Waits for you",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
PLANS: Mapping[str, str] = {
    "agree": "Agrees",
    "update": "Would be updated",
    "pair": "Would be paired",
    "create": "Would be created",
    "skip": "Would be skipped",
}
FOUND: Mapping[str, str] = {**PLANS, "agree": "Differs, and stays so"}
"""What a comparison tells of: pairs that agree are not, only those that differ for no reason that
is known, though a sync would do nothing."""
ACTS: Mapping[str, str] = {
    "to_woocommerce": "WooCommerce gets Vtiger's",
    "to_vtiger": "Vtiger gets WooCommerce's",
    "conflict": "Changed on both sides",
    "kept": "As near as the target can hold",
    "differs": "Differs, and stays so",
}
FIELD_ACTS: Mapping[str, str] = {
    "to_woocommerce": "write it to WooCommerce",
    "to_vtiger": "write it to Vtiger",
    "conflict": "find it changed on both sides",
    "nothing": "do nothing: it agrees",
    "off": "do nothing: the row is off",
    "field_vanished": "do nothing: the field is gone",
}

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def clock_time(moment: datetime) -> str:
    """UTC, as in 24 Nov 2026, 08:15:04; this year goes without saying."""
    at = moment.astimezone(UTC)
    this_year = at.year == datetime.now(UTC).year
    return f"{at:%-d %b, %H:%M:%S}" if this_year else f"{at:%-d %b %Y, %H:%M:%S}"


def duration(seconds: float) -> str:
    """The largest unit alone, as in 3 min."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} days"


def field_name(name: str) -> str:
    """`billing_street` as a person writes it."""
    return name.replace("_", " ").capitalize()


def split_label(label: str) -> tuple[str, str]:
    """A label's name, and the e-mail behind it if there is one."""
    name, _, email = label.partition(" <")
    return name, email.removesuffix(">")
