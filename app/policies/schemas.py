"""The sync settings of one store and module, with what holds while nobody chose."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.records import (
    ConflictPolicy,
    DeletePolicy,
    Direction,
    GuestPolicy,
    LengthPolicy,
    MatchPolicy,
    TaxScope,
    TotalPolicy,
)

Country = Annotated[str, Field(pattern=r"^([A-Z]{2})?$")]
Role = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
Category = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^,\x00-\x1f]+$")]
Status = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z0-9_-]+$")]


class SyncPolicy(BaseModel):
    """How one module of one store is synced."""

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
    roles: tuple[Role, ...] = Field(
        ("customer",),
        max_length=50,
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
        description="Products: the WooCommerce statuses that sync; none named: all but unsaved.",
    )
    product_categories: tuple[Category, ...] = Field(
        (),
        max_length=200,
        description="Products: the categories (name or slug) that sync; none named: all products.",
    )
    order_statuses: tuple[Status, ...] = Field(
        (),
        max_length=50,
        description="Orders: the WooCommerce statuses that sync; none named: all but drafts.",
    )
    guests: GuestPolicy = Field(
        GuestPolicy.CONTACT_PER_EMAIL,
        description="Orders of guests: a contact for each e-mail, one for all, or not synced.",
    )
    order_account: str = Field(
        "",
        max_length=100,
        description="Orders: the one Vtiger Account they go to; empty: company, else the person.",
    )
    order_total: TotalPolicy = Field(
        TotalPolicy.WARN,
        description="Orders of Vtiger with another total in WooCommerce: noted, or a fee line.",
    )
