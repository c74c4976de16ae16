"""Display texts of the pages: labels of settings and values, and messages for form errors."""

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

# Form errors

MAX_QUOTED = 40
"""Characters of a value that an error message quotes."""
CHOOSE = "Choose a value from the list."
INVALID = "This value is not valid."
LINE = "Remove line breaks and other control characters."


def describe_faults(
    error: ValidationError, patterns: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The first error of each field, by its name. `patterns` are the messages for fields whose
    values have to match a pattern."""
    found: dict[str, str] = {}
    for each in error.errors(include_url=False):
        name, *way = each["loc"] or ("",)
        message = describe_fault(each, (patterns or {}).get(str(name), LINE))
        found.setdefault(str(name), f"{_quoted(each['input'])}: {message}" if way else message)
    return found


def describe_fault(fault: ErrorDetails, pattern: str = LINE) -> str:
    """An error of Pydantic as a sentence that states how to correct it."""
    given: Mapping[str, Any] = fault.get("ctx", {})
    sentences = {
        "string_pattern_mismatch": pattern,
        "string_too_long": "Enter at most {max_length} characters.",
        "string_too_short": "Enter a value.",
        "too_long": "Enter at most {max_length} values, not {actual_length}.",
        "enum": CHOOSE,
        "literal_error": CHOOSE,
        "int_parsing": "Enter a whole number.",
        "int_parsing_size": "Enter a smaller number.",
        "greater_than_equal": "Enter a number of at least {ge}.",
        "less_than_equal": "Enter a number of at most {le}.",
        "country": fault["msg"].replace("{", "{{").replace("}", "}}"),
    }
    return sentences.get(fault["type"], INVALID).format(**given)


def _quoted(value: Any) -> str:
    text = str(value)
    return f"“{text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + '…'}”"


# Labels of values

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
    IncidentKind.REMOTE_DOWN: "Unreachable",
    IncidentKind.REMOTE_SLOW: "Slow",
    IncidentKind.AUTH_REJECTED: "Credentials refused",
    IncidentKind.WEBHOOK_BROKEN: "Webhook broken",
    IncidentKind.POLL_FAILED: "Poll failed",
}
_SETTINGS = ("Settings", "/ui/settings/{store}/{module}")
_MAPPING = ("Field mapping", "/ui/mappings/{store}/{module}")
_STATUS = ("Status", "/ui/status")
_CONFLICTS = ("Conflicts", "/ui/conflicts")
REMEDY_PAGES: Mapping[str, tuple[str, str]] = {
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
    "status_not_mapped": ("Status table", "/ui/statuses/{store}"),
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
"""The page on which the cause of a reason can be corrected, by reason: its name and address."""
STATES: Mapping[str, str] = {
    "pending": "Waiting",
    "processing": "Processing",
    "done": "Done",
    "dead": "Dead letter",
}

RUN_STATES: Mapping[str, str] = {
    "queued": "Waiting",
    "running": "Running",
    "asking": "Waits for confirmation",
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
"""The findings of a comparison. Of the pairs that a sync would not change, only those are findings
that differ without a known reason."""
ACTS: Mapping[str, str] = {
    "to_woocommerce": "WooCommerce gets Vtiger's value",
    "to_vtiger": "Vtiger gets WooCommerce's value",
    "conflict": "Changed on both sides",
    "kept": "As close as the target can store",
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
    """A time in UTC, such as 24 Nov 2026, 08:15:04; without the year if it is the current one."""
    at = moment.astimezone(UTC)
    this_year = at.year == datetime.now(UTC).year
    return f"{at:%-d %b, %H:%M:%S}" if this_year else f"{at:%-d %b %Y, %H:%M:%S}"


def duration(seconds: float) -> str:
    """A duration in its largest unit, such as 3 min."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} days"


def field_name(name: str) -> str:
    """The display name of a field such as `billing_street`."""
    return name.replace("_", " ").capitalize()


def split_label(label: str) -> tuple[str, str]:
    """The name in a label, and its e-mail address, "" if it has none."""
    name, _, email = label.partition(" <")
    return name, email.removesuffix(">")


@dataclass(frozen=True, slots=True)
class SettingField:
    """The form field of a setting; `pattern_help` is the error message for values that do not match
    its pattern."""

    name: str
    label: str
    kind: Literal["switch", "choice", "list", "text"]
    help: str = ""
    pattern_help: str = ""
    choices: Mapping[StrEnum, tuple[str, str]] = field(default_factory=dict)

    def text(self, policy: SyncPolicy) -> str:
        """The value of the setting in the form."""
        value = getattr(policy, self.name)
        if self.kind == "switch":
            return "on" if value else ""
        return ", ".join(value) if self.kind == "list" else str(value)

    def read(self, form: FormData) -> Any:
        """The posted value, which is validated by the model."""
        text = str(form.get(self.name, "")).strip()
        if self.kind == "switch":
            return text == "on"
        if self.kind == "list":
            return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        return text

    def name_of(self, value: str) -> str:
        """The label of a choice; "" for any other value."""
        return next((name for each, (name, _) in self.choices.items() if each == value), "")

    def say(self, policy: SyncPolicy) -> str:
        """The value of the setting as a text for the overview."""
        value = getattr(policy, self.name)
        return self.choices[value][0] if self.kind == "choice" else self.text(policy)


STATUS = (
    "Enter the key of a status in WooCommerce, such as on-hold: small letters, digits, - and _."
)

ENABLED = SettingField(
    "enabled", "Sync this module", "switch", "Off: changes are logged as skipped, module_off."
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
        ConflictPolicy.LATEST_WINS: ("The latest wins", "According to the systems' own times."),
        ConflictPolicy.WOOCOMMERCE_WINS: (
            "WooCommerce wins",
            "The Sync Log records Vtiger's value.",
        ),
        ConflictPolicy.VTIGER_WINS: ("Vtiger wins", "The Sync Log records the shop's value."),
        ConflictPolicy.ASK: ("Ask a person", "The field waits under Conflicts."),
    },
)
DELETIONS = SettingField(
    "delete_policy",
    "When a record is deleted",
    "choice",
    choices={
        DeletePolicy.IGNORE: (
            "Keep the other one",
            "The deletion is logged. A restored record is synced again.",
        ),
        DeletePolicy.DEACTIVATE: (
            "Deactivate the other one",
            "A product becomes inactive or private, an order is cancelled.",
        ),
        DeletePolicy.PROPAGATE: ("Delete the other one", "Mass deletions are held back."),
    },
)
MATCHES = SettingField(
    "ambiguous_match",
    "When several records match a new one",
    "choice",
    choices={
        MatchPolicy.SKIP: ("Skip it", "Merge the duplicates, then replay."),
        MatchPolicy.OLDEST: ("Take the oldest", "The one that was created first."),
    },
)
LENGTHS = SettingField(
    "too_long",
    "When a text is too long for the other system",
    "choice",
    choices={
        LengthPolicy.CUT: ("Truncate it at a word", "The Sync Log records the whole text."),
        LengthPolicy.SKIP: ("Leave that field out", "The rest of the record is synced."),
    },
)
MAKING = SettingField(
    "create_in_shop",
    "Records of Vtiger that the shop does not have",
    "choice",
    choices={
        CreationPolicy.NEVER: ("Are never created there", "They are logged as skipped."),
        CreationPolicy.WITH_ORDERS: (
            "Are created if an order needs them or if they are selected",
            "Selected: the box Create in WooCommerce is ticked in Vtiger.",
        ),
        CreationPolicy.ALL: (
            "Are all created there",
            "The shop may send an e-mail to each new customer.",
        ),
    },
)
OTHER_SHOPS = SettingField(
    "from_other_shops",
    "Also create records of other shops",
    "switch",
    "Off: a record that came into Vtiger from another shop is not created in this one.",
)
ROLES = SettingField(
    "roles",
    "User roles that are synced",
    "list",
    "WooCommerce roles, separated by commas. Others are skipped as filtered.",
    "Enter the key of a role in WordPress, such as shop_manager: letters, digits, - and _.",
)
TAX_SCOPE = SettingField(
    "tax_scope",
    "Rates that become Vtiger taxes",
    "choice",
    choices={
        TaxScope.USED: (
            "Those in use",
            "Used by a product or an order; a shop may have hundreds of rates.",
        ),
        TaxScope.ALL: ("All of them", "Each adds a column to Vtiger's order lines."),
    },
)
TAX_COUNTRY = SettingField(
    "tax_country",
    "Country of rates created from Vtiger taxes",
    "text",
    "Two letters, such as FR. Empty: no rates are created.",
)
PRODUCT_STATUSES = SettingField(
    "product_statuses",
    "Product statuses that are synced",
    "list",
    "WooCommerce statuses, separated by commas. Empty: all but unsaved products.",
    STATUS,
)
PRODUCT_CATEGORIES = SettingField(
    "product_categories",
    "Product categories that are synced",
    "list",
    "Names or slugs, separated by commas; one match is enough. Empty: all products.",
    "Remove line breaks and tabs.",
)
STATUSES = SettingField(
    "order_statuses",
    "Order statuses that are synced",
    "list",
    "WooCommerce statuses, separated by commas. Empty: all but drafts.",
    STATUS,
)
GUESTS = SettingField(
    "guests",
    "Orders of guests",
    "choice",
    choices={
        GuestPolicy.CONTACT_PER_EMAIL: (
            "A contact for each e-mail address",
            "As if they had an account.",
        ),
        GuestPolicy.ONE_CONTACT: ("One contact for all guests", "For shops with many guests."),
        GuestPolicy.SKIP: ("Are not synced", "They are logged as skipped, filtered."),
    },
)
ACCOUNT = SettingField(
    "order_account",
    "Organization of all orders",
    "text",
    "The name of a Vtiger organization. Empty: that of the company, or of the person.",
)
TOTALS = SettingField(
    "order_total",
    "When WooCommerce calculates another total for a Vtiger order",
    "choice",
    choices={
        TotalPolicy.WARN: ("Note it", "The Sync Log records the difference."),
        TotalPolicy.ADJUST: ("Compensate it", "With a fee line."),
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
    """The settings of a module, with the choices that apply to it."""
    return tuple(_for(module, SETTINGS[name]) for name in settings_of(module))


def _for(module: Module, each: SettingField) -> SettingField:
    choices = {
        choice: text
        for choice, text in each.choices.items()
        if not find_inapplicable(module, {each.name: choice})
    }
    return replace(each, choices=choices)


# Display of values and messages

_CODE = re.compile(r"`([^`]+)`")
_DIRECTION = re.compile(rf"\b({Direction.WOO_TO_VTIGER}|{Direction.VTIGER_TO_WOO})\b")
_FORM_LABELS = {"given": "Row of its country"}


def prose(text: str, store: str = "", module: str | None = "") -> Markup:
    """A message as HTML: `parts in backticks` are shown as code, and everything is escaped.

    Settings and their values get the labels of the settings page and a link to it: to that of the
    store and module, if these are given.
    """
    place = f"/ui/settings/{store}/{module}" if store and module else "/ui/settings"
    marked, setting = [], ""
    for n, part in enumerate(_CODE.split(text)):
        if not n % 2:
            marked.append(escape(_DIRECTION.sub(lambda found: f"“{DIRECTIONS[found[1]]}”", part)))
        elif part in SETTINGS:
            setting = part
            marked.append(Markup('<a href="%s">%s</a>') % (place, SETTINGS[part].label))
        elif setting and (label := SETTINGS[setting].name_of(part)):
            marked.append(escape(f"“{label}”"))
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
    """The lines of an order's composite value; empty for any other text."""
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
