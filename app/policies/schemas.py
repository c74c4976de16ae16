"""The sync settings of one store and module, with what holds while nobody chose."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.errors import InvalidInput
from app.records import (
    ConflictPolicy,
    DeletePolicy,
    Direction,
    GuestPolicy,
    LengthPolicy,
    MatchPolicy,
    Module,
    TaxScope,
    TotalPolicy,
)

BUILT_MODULES = frozenset(Module)

Country = Annotated[str, Field(pattern=r"^([A-Z]{2})?$")]
Role = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
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
        description="Taxes: the country (FR) of rates made from Vtiger taxes; empty: none are made.",
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
        description="Orders: the one Vtiger Account they go to; empty: the company, else the person.",
    )
    order_total: TotalPolicy = Field(
        TotalPolicy.WARN,
        description="Orders written to WooCommerce whose total differs there: noted, or a fee line.",
    )


def default_policy(module: Module) -> SyncPolicy:
    return SyncPolicy(enabled=module in BUILT_MODULES)


def check_policy(module: Module, policy: SyncPolicy) -> None:
    """Refuse what this version cannot do, rather than accept it and do nothing."""
    if policy.enabled and module not in BUILT_MODULES:
        built = ", ".join(sorted(BUILT_MODULES))
        raise InvalidInput(
            f"This version does not sync {module} yet; it syncs {built}. Leave enabled off.",
            "enabled",
        )
