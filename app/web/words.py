"""How the pages say what the code calls by its own names: settings, values, faults of forms."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from markupsafe import Markup, escape
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import FormData

from app.domain import (
    ConflictPolicy,
    CreationPolicy,
    DeletePolicy,
    Direction,
    Event,
    GuestPolicy,
    LengthPolicy,
    MatchPolicy,
    Module,
    Origin,
    Outcome,
    System,
    TaxScope,
    TotalPolicy,
)
from app.module_facts import LABELS
from app.modules.orders.lines import Sold, SoldLine
from app.policies.repository import SyncPolicy, find_inapplicable, settings_of
from app.remotes.models import IncidentKind

# What is wrong with a field of a form, in words that a person uses.

MOST_SHOWN = 40
CHOOSE = "Choose one of the list."
UNFIT = "This cannot be as it is."
LINE = "Leave out line breaks and other control characters."


def describe_faults(
    error: ValidationError, patterns: Mapping[str, str] | None = None
) -> dict[str, str]:
    """By field, the first fault of each. `patterns` says what a field is made of, where it is
    made of something."""
    found: dict[str, str] = {}
    for each in error.errors(include_url=False):
        name, *way = each["loc"] or ("",)
        told = describe_fault(each, (patterns or {}).get(str(name), LINE))
        found.setdefault(str(name), f"{_shown(each['input'])}: {told}" if way else told)
    return found


def describe_fault(fault: ErrorDetails, pattern: str = LINE) -> str:
    """One fault of pydantic's, as a sentence that says how to mend it."""
    given: Mapping[str, Any] = fault.get("ctx", {})
    sentences = {
        "string_pattern_mismatch": pattern,
        "string_too_long": "Give at most {max_length} characters.",
        "string_too_short": "Give something.",
        "too_long": "Name at most {max_length}, not {actual_length}.",
        "enum": CHOOSE,
        "literal_error": CHOOSE,
        "int_parsing": "Give a whole number.",
        "int_parsing_size": "Give a smaller number.",
        "greater_than_equal": "Give a number of at least {ge}.",
        "less_than_equal": "Give a number of at most {le}.",
        "country": fault["msg"].replace("{", "{{").replace("}", "}}"),
    }
    return sentences.get(fault["type"], UNFIT).format(**given)


def _shown(value: Any) -> str:
    text = str(value)
    return f"“{text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + '…'}”"


# How the pages say what the code calls by its own names.

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
    "pending": "DependencyNotReady",
    "processing": "In work",
    "done": "Done",
    "dead": "Dead letter",
}

RUN_STATES: Mapping[str, str] = {
    "queued": "DependencyNotReady",
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


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting as a form shows it; `made_of` says what its texts may be made of."""

    name: str
    label: str
    kind: Literal["switch", "choice", "list", "text"]
    help: str = ""
    made_of: str = ""
    choices: Mapping[StrEnum, tuple[str, str]] = field(default_factory=dict)

    def text(self, policy: SyncPolicy) -> str:
        """The setting in force, as the form holds it."""
        value = getattr(policy, self.name)
        if self.kind == "switch":
            return "on" if value else ""
        return ", ".join(value) if self.kind == "list" else str(value)

    def read(self, form: FormData) -> Any:
        """What was sent, for the model to judge."""
        text = str(form.get(self.name, "")).strip()
        if self.kind == "switch":
            return text == "on"
        if self.kind == "list":
            return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        return text

    def name_of(self, value: str) -> str:
        """What the form calls a choice; "" for none of its choices."""
        return next((name for each, (name, _) in self.choices.items() if each == value), "")

    def say(self, policy: SyncPolicy) -> str:
        """The setting in force, in words."""
        value = getattr(policy, self.name)
        return self.choices[value][0] if self.kind == "choice" else self.text(policy)


STATUS = "A status is its key in WooCommerce, such as on-hold: small letters, digits, - and _."

ENABLED = SettingField(
    "enabled", "Sync this module", "switch", "Off: what comes in is logged as skipped, module_off."
)
DIRECTION = SettingField(
    "direction",
    "Direction",
    "choice",
    choices={
        Direction.BOTH: ("Both ways", "A change in either system reaches the other."),
        Direction.WOO_TO_VTIGER: ("WooCommerce → Vtiger CRM", "The shop is never written to."),
        Direction.VTIGER_TO_WOO: ("Vtiger CRM → WooCommerce", "The CRM is never written to."),
        Direction.OFF: ("Off", "Neither system is written to."),
    },
)
CONFLICTS = SettingField(
    "conflict_policy",
    "When both sides changed the same field",
    "choice",
    choices={
        ConflictPolicy.LATEST_WINS: ("The latest wins", "By the systems' own times."),
        ConflictPolicy.WOOCOMMERCE_WINS: ("WooCommerce wins", "Vtiger's value is in the log."),
        ConflictPolicy.VTIGER_WINS: ("Vtiger wins", "The shop's value is in the log."),
        ConflictPolicy.ASK: ("Ask a person", "The field waits under Conflicts."),
    },
)
DELETIONS = SettingField(
    "delete_policy",
    "When a record is deleted",
    "choice",
    choices={
        DeletePolicy.IGNORE: ("Leave the other one alone", "It is logged, and may come back."),
        DeletePolicy.DEACTIVATE: (
            "Deactivate the other one",
            "A product becomes inactive or private, an order is cancelled.",
        ),
        DeletePolicy.PROPAGATE: ("Delete the other one", "A brake stops mass deletions."),
    },
)
MATCHES = SettingField(
    "ambiguous_match",
    "When several records match a new one",
    "choice",
    choices={
        MatchPolicy.SKIP: ("Skip it", "Somebody merges the twins, then replays."),
        MatchPolicy.OLDEST: ("Take the oldest", "The one that was made first."),
    },
)
LENGTHS = SettingField(
    "too_long",
    "When a text is too long for the other system",
    "choice",
    choices={
        LengthPolicy.CUT: ("Cut it at a word", "The whole text is in the log."),
        LengthPolicy.SKIP: ("Leave that field out", "The rest of the record is synced."),
    },
)
MAKING = SettingField(
    "create_in_shop",
    "Records of Vtiger that the shop does not have",
    "choice",
    choices={
        CreationPolicy.NEVER: ("Are never made there", "They are logged as skipped."),
        CreationPolicy.WITH_ORDERS: (
            "Are made if an order needs them, or somebody chose them",
            "Chosen: the box Create in WooCommerce is ticked in Vtiger.",
        ),
        CreationPolicy.ALL: ("Are all made there", "Each new customer may be mailed by the shop."),
    },
)
OTHER_SHOPS = SettingField(
    "from_other_shops",
    "Also make what came from another shop",
    "switch",
    "Off: a record that another shop brought into the CRM is not made in this one.",
)
ROLES = SettingField(
    "roles",
    "User roles that are synced",
    "list",
    "WooCommerce roles, with commas between them. Others are skipped as filtered.",
    "A role is its key in WordPress, such as shop_manager: letters, digits, - and _.",
)
TAX_SCOPE = SettingField(
    "tax_scope",
    "Rates that become Vtiger taxes",
    "choice",
    choices={
        TaxScope.USED: ("Those in use", "By a product or an order: a shop may have hundreds."),
        TaxScope.ALL: ("All of them", "Each makes a column on Vtiger's order lines."),
    },
)
TAX_COUNTRY = SettingField(
    "tax_country",
    "Country of rates made from Vtiger taxes",
    "text",
    "Two letters, such as FR. Empty: no rates are made.",
)
PRODUCT_STATUSES = SettingField(
    "product_statuses",
    "Product statuses that are synced",
    "list",
    "WooCommerce statuses, with commas between them. Empty: all but unsaved ones.",
    STATUS,
)
PRODUCT_CATEGORIES = SettingField(
    "product_categories",
    "Product categories that are synced",
    "list",
    "Names or slugs, with commas between them; one of them is enough. Empty: all products.",
    "Leave out line breaks and tabs.",
)
STATUSES = SettingField(
    "order_statuses",
    "Order statuses that are synced",
    "list",
    "WooCommerce statuses, with commas between them. Empty: all but drafts.",
    STATUS,
)
GUESTS = SettingField(
    "guests",
    "Orders of guests",
    "choice",
    choices={
        GuestPolicy.CONTACT_PER_EMAIL: ("A contact for each e-mail", "As if they had an account."),
        GuestPolicy.ONE_CONTACT: ("One contact for all guests", "For shops with many of them."),
        GuestPolicy.SKIP: ("Are not synced", "They are logged as skipped, filtered."),
    },
)
ACCOUNT = SettingField(
    "order_account",
    "Organization of all orders",
    "text",
    "The name of one Vtiger Account. Empty: that of the company, else of the person.",
)
TOTALS = SettingField(
    "order_total",
    "When WooCommerce makes another total of a Vtiger order",
    "choice",
    choices={
        TotalPolicy.WARN: ("Note it", "The difference is in the log."),
        TotalPolicy.ADJUST: ("Even it out", "With a fee line."),
    },
)

SETTINGS = {
    field.name: field
    for field in (
        *(ENABLED, DIRECTION, CONFLICTS, DELETIONS, MATCHES, LENGTHS, MAKING, OTHER_SHOPS, ROLES),
        *(PRODUCT_STATUSES, PRODUCT_CATEGORIES, STATUSES, GUESTS, ACCOUNT, TOTALS),
        *(TAX_SCOPE, TAX_COUNTRY),
    )
}
"""Every setting by its name."""


def fields_of(module: Module) -> tuple[SettingField, ...]:
    """The settings of a module, with the choices that mean something for it."""
    return tuple(_for(module, SETTINGS[name]) for name in settings_of(module))


def _for(module: Module, each: SettingField) -> SettingField:
    choices = {
        choice: told
        for choice, told in each.choices.items()
        if not find_inapplicable(module, {each.name: choice})
    }
    return replace(each, choices=choices)


# Values and messages as people read them: what was sold in lines, settings as code.

_CODE = re.compile(r"`([^`]+)`")
_WAY = re.compile(rf"\b({Direction.WOO_TO_VTIGER}|{Direction.VTIGER_TO_WOO})\b")
_FORM_LABELS = {"given": "Row of its country"}


def prose(text: str, store: str = "", module: str | None = "") -> Markup:
    """A sentence whose `parts in backticks` are shown as code; everything in it is escaped.

    Settings and their values are said as the settings page says them, and lead there: to that of
    a store and module, where these are given.
    """
    place = f"/ui/settings/{store}/{module}" if store and module else "/ui/settings"
    marked, setting = [], ""
    for n, part in enumerate(_CODE.split(text)):
        if not n % 2:
            marked.append(escape(_WAY.sub(lambda way: f"“{DIRECTIONS[way[1]]}”", part)))
        elif part in SETTINGS:
            setting = part
            marked.append(Markup('<a href="%s">%s</a>') % (place, SETTINGS[part].label))
        elif setting and (said := SETTINGS[setting].name_of(part)):
            marked.append(escape(f"“{said}”"))
        elif part in _FORM_LABELS:
            marked.append(escape(f"“{_FORM_LABELS[part]}”"))
        else:
            marked.append(Markup("<code>%s</code>") % part)
    return Markup("").join(marked)


def shown(value: Any) -> list[str]:
    """The lines of a value; none for an empty one."""
    if value is None or value == "":
        return []
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, indent=1).splitlines()
    return _sold(value) or value.splitlines()


def _sold(text: str) -> list[str]:
    """What an order's composite value holds; nothing if this is none."""
    if not text.startswith("{"):
        return []
    try:
        sold = Sold.from_text(text)
    except (ValueError, KeyError, TypeError):
        return []
    shipping = [f"Shipping {sold.shipping}"] if sold.shipping not in ("", "0") else []
    return [*map(_line, sold.lines), *shipping, f"Total {sold.total}"]


def _line(line: SoldLine) -> str:
    text = f"{line.quantity} × {line.text}" if line.quantity else line.text
    discounted = f" (before discount {line.subtotal})" if line.subtotal != line.total else ""
    return f"{text}: {line.total}{discounted}"
