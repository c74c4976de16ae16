"""The fields of the settings form: which module has which, and what each choice does."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from starlette.datastructures import FormData

from app.policies.schemas import SyncPolicy, find_meaningless, settings_of
from app.records import (
    ConflictPolicy,
    CreationPolicy,
    DeletePolicy,
    Direction,
    GuestPolicy,
    LengthPolicy,
    MatchPolicy,
    Module,
    TaxScope,
    TotalPolicy,
)


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
        if not find_meaningless(module, {each.name: choice})
    }
    return replace(each, choices=choices)
