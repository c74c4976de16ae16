"""The sync settings of one store and module, with what holds while nobody chose."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.inputs import Text
from app.module_facts import FACTS
from app.policies.countries import read_country
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

Country = Annotated[Text, AfterValidator(read_country)]
Role = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
Category = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^,\x00-\x1f]+$")]
Account = Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")]
Status = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z0-9_-]+$")]


class SyncPolicy(BaseModel):
    """How one module of one store is synced. `settings_of` tells which of these a module has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(True, description="Off: hints are logged as `skipped / module_off`.")
    direction: Direction = Field(
        Direction.BOTH, description="The side that a direction does not name is never written."
    )
    conflict_policy: ConflictPolicy = Field(
        ConflictPolicy.LATEST_WINS,
        description="Who wins a field that changed differently in both; both values are logged.",
    )
    delete_policy: DeletePolicy = Field(
        DeletePolicy.IGNORE, description="What a deletion on one side does to the other."
    )
    ambiguous_match: MatchPolicy = Field(
        MatchPolicy.SKIP, description="Several records match an unlinked one: skip, or the oldest."
    )
    too_long: LengthPolicy = Field(
        LengthPolicy.CUT,
        description="Text beyond the target's size: cut at a word (logged whole), or left out.",
    )
    create_in_shop: CreationPolicy = Field(
        CreationPolicy.ALL,
        description="Vtiger's records that the shop gets: all, those with orders or chosen, none.",
    )
    from_other_shops: bool = Field(
        False, description="On: records that came from another shop are made in this one too."
    )
    roles: tuple[Role, ...] = Field(
        ("customer",),
        max_length=50,
        fail_fast=True,
        description="Contacts: the WooCommerce user roles that sync; others are `filtered`.",
    )
    tax_scope: TaxScope = Field(
        TaxScope.USED,
        description="Taxes: the rates that become Vtiger taxes: those orders or products use, all.",
    )
    tax_country: Country = Field(
        "",
        description="Taxes: the country (FR) of rates made of Vtiger taxes; empty: none are made.",
    )
    product_statuses: tuple[Status, ...] = Field(
        (),
        max_length=50,
        fail_fast=True,
        description="Products: the WooCommerce statuses that sync; none named: all but unsaved.",
    )
    product_categories: tuple[Category, ...] = Field(
        (),
        max_length=200,
        fail_fast=True,
        description="Products: the categories (name or slug) that sync; none named: all products.",
    )
    order_statuses: tuple[Status, ...] = Field(
        (),
        max_length=50,
        fail_fast=True,
        description="Orders: the WooCommerce statuses that sync; none named: all but drafts.",
    )
    guests: GuestPolicy = Field(
        GuestPolicy.CONTACT_PER_EMAIL,
        description="Orders of guests: a contact for each e-mail, one for all, or not synced.",
    )
    order_account: Account = Field(
        "",
        description="Orders: the one Vtiger Account they go to; empty: company, else the person.",
    )
    order_total: TotalPolicy = Field(
        TotalPolicy.WARN,
        description="Orders of Vtiger with another total in WooCommerce: noted, or a fee line.",
    )


EVERYWHERE = (
    "enabled",
    "direction",
    "conflict_policy",
    "delete_policy",
    "ambiguous_match",
    "too_long",
)


def settings_of(module: Module) -> tuple[str, ...]:
    """The names of the settings that mean something for a module."""
    return (*EVERYWHERE, *FACTS[module].settings)


def defaults_of(module: Module) -> SyncPolicy:
    """What holds while nobody chose. A contact that becomes a customer is mailed by the shop, so
    by default only those are made whom an order needs."""
    return SyncPolicy(**FACTS[module].setting_defaults)


def find_meaningless(module: Module, chosen: Mapping[str, Any]) -> dict[str, str]:
    """The settings, of those that are named, that do nothing for a module, each with the reason."""
    known = settings_of(module)
    found = {
        name: f"means nothing for {module}; its settings are {', '.join(known)}"
        for name in chosen
        if name in SyncPolicy.model_fields and name not in known
    }
    for name, values in FACTS[module].meaningless.items():
        if chosen.get(name) in values:
            found[name] = f"{chosen[name]} means nothing for {module}"
    return found
