"""Settings and mapping rows of each module of each store: models, defaults, versions, storage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import pycountry
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import (
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
    WriteCondition,
)
from app.module_facts import FACTS
from app.parsing import Text
from app.policies.models import MappingVersion, StatusTableVersion, SyncSetting

# Countries in settings: two capital letters, as in WooCommerce and ISO 3166.

_MORE = frozenset({"XK"})
"""Kosovo, which is in WooCommerce but not in ISO 3166."""
_MISTAKEN = {"UK": "GB", "EN": "GB", "EL": "GR"}

UNKNOWN = "There is no country “{given}”: give its two letters, such as {hint}."


def is_country(code: str) -> bool:
    """Whether this is a country's code, in capital letters."""
    known = len(code) == 2 and pycountry.countries.get(alpha_2=code) is not None
    return (known and code.isupper()) or code in _MORE


def read_country(text: str) -> str:
    """The code in capital letters; "" for an empty text. Raises PydanticCustomError for a text that
    is no country's code."""
    code = text.strip().upper()
    if not code or is_country(code):
        return code
    raise PydanticCustomError("country", UNKNOWN, {"given": text.strip()[:40], "hint": _hint(code)})


def _hint(code: str) -> str:
    try:
        found = pycountry.countries.lookup(code)
    except LookupError:
        return _MISTAKEN.get(code, "FR")
    return str(found.alpha_2)


# Mapping rows of users: fields of their own, or changes of default rows.

RowId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]*$"
Path = Annotated[str, StringConstraints(min_length=1, max_length=260, pattern=_LINE)]
Word = Annotated[str, StringConstraints(max_length=200, pattern=_LINE)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _paired(value: Any) -> Any:
    """The pairs of a list, or of an object as people write them in YAML."""
    return list(value.items()) if isinstance(value, Mapping) else value


class RowChoices(BaseModel):
    """The values of a row; a change of a default row has neither `woo` nor `vtiger`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    woo: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = Field(
        (),
        max_length=4,
        fail_fast=True,
        description="WooCommerce fields: billing.phone, meta:KEY, attribute:NAME; mostly one",
    )
    vtiger: str = Field(
        "", max_length=100, pattern=_LINE, description="Vtiger field, such as cf_853"
    )
    direction: Direction | None = Field(None, description="which way values go")
    transform: str | None = Field(None, max_length=50, description="name of the transform")
    write: WriteCondition | None = Field(None, description="when a changed value is written")
    given: str = Field("", max_length=64, description="state: id of its country's row")
    size: int | None = Field(
        None, ge=1, le=65535, description="characters that the Vtiger field keeps"
    )
    pairs: Annotated[tuple[tuple[Word, Word], ...], BeforeValidator(_paired)] = Field(
        (),
        max_length=500,
        fail_fast=True,
        description="picklists: WooCommerce's value and Vtiger's for it",
    )
    value: Word = Field("", description="constant: what is always written")
    notation: Literal["yes/no", "true/false", "1/0"] = Field(
        "yes/no", description="boolean: how the shop writes it where it holds nothing yet"
    )
    separator: Annotated[str, StringConstraints(max_length=5, pattern=_LINE)] = Field(
        ",", description="multi_picklist: between values in WooCommerce; empty: a list"
    )
    comment: str = Field("", max_length=500, pattern=_LINE, description="for people")


class MappingRow(RowChoices):
    """A row with its id, which is that of the default row if it changes one."""

    id: RowId = Field(description="name of the row; that of a default row changes that row")

    def stored(self) -> dict[str, Any]:
        """The row as JSON, without values that are defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)


# Versions of the users' mapping rows.


@dataclass(frozen=True, slots=True)
class StoreMapping:
    """One version of the users' rows; version 0 is the default mapping."""

    version: int = 0
    rows: tuple[MappingRow, ...] = ()
    created_at: datetime | None = None
    created_by: str = ""
    message: str = ""

    def find_row(self, row_id: str) -> MappingRow | None:
        return next((row for row in self.rows if row.id == row_id), None)


@dataclass(frozen=True, slots=True)
class Change:
    """A new version: its rows, author and message, and the version `after` which it comes."""

    rows: Sequence[MappingRow]
    by: str
    message: str
    after: int


async def get_mapping(session: AsyncSession, store: str, module: Module) -> StoreMapping:
    """The current version."""
    found = _versions(store, module).limit(1)
    row: MappingVersion | None = await session.scalar(found)
    return _mapping(row) if row else StoreMapping()


async def find_mapping(
    session: AsyncSession, store: str, module: Module, *, version: int
) -> StoreMapping | None:
    """A version, None if it does not exist; version 0 always exists."""
    if version == 0:
        return StoreMapping()
    row = await session.get(MappingVersion, (store, module, version))
    return _mapping(row) if row else None


async def search_mappings(
    session: AsyncSession, store: str, module: Module, *, before: int | None, limit: int
) -> list[StoreMapping]:
    """Versions, newest first."""
    found = _versions(store, module).limit(limit)
    if before is not None:
        found = found.where(MappingVersion.version < before)
    return [_mapping(row) for row in await session.scalars(found)]


async def save_mapping(
    session: AsyncSession, store: str, module: Module, *, change: Change
) -> StoreMapping | None:
    """Store a new version and return it; None if another one was stored meanwhile."""
    current = await get_mapping(session, store, module)
    if current.version != change.after:
        return None
    values = {
        "store": store,
        "module": module,
        "version": change.after + 1,
        "rows": [row.stored() for row in change.rows],
        "created_at": func.now(),
        "created_by": change.by,
        "message": change.message,
    }
    statement = insert(MappingVersion).values(values).on_conflict_do_nothing()
    row = await session.scalar(statement.returning(MappingVersion))
    return _mapping(row) if row else None


def _versions(store: str, module: Module) -> Select[MappingVersion]:
    return (
        select(MappingVersion)
        .where(MappingVersion.store == store, MappingVersion.module == module)
        .order_by(MappingVersion.version.desc())
    )


def _mapping(row: MappingVersion) -> StoreMapping:
    rows = tuple(MappingRow.model_validate(each) for each in row.rows)
    return StoreMapping(row.version, rows, row.created_at, row.created_by, row.message)


# Versions of a store's status table, each of which is whole.


def _slug(value: Any) -> Any:
    """A shop's status as its REST interface has it: the administration shows `wc-` before it."""
    return value.strip().removeprefix("wc-") if isinstance(value, str) else value


ShopStatus = Annotated[
    str,
    BeforeValidator(_slug),
    StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z0-9_-]+$"),
]
VtigerStatus = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)
]


class StatusChoice(BaseModel):
    """One row of a status table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shop: ShopStatus = Field(description="status of the shop's order, without `wc-`")
    vtiger: VtigerStatus = Field(description="value of Vtiger's field sostatus")
    direction: Literal[Direction.BOTH, Direction.WOO_TO_VTIGER, Direction.VTIGER_TO_WOO] = Field(
        Direction.BOTH, description="which of the two is written when the other changes"
    )


@dataclass(frozen=True, slots=True)
class StatusTable:
    """One version of a store's status table. Without rows it is the default table, which is
    version 0 as well; `new_order` is then "", the default."""

    version: int = 0
    rows: tuple[StatusChoice, ...] = ()
    new_order: str = ""
    created_at: datetime | None = None
    created_by: str = ""
    message: str = ""


async def get_status_table(session: AsyncSession, store: str) -> StatusTable:
    """The current version."""
    found: StatusTableVersion | None = await session.scalar(_status_tables(store).limit(1))
    return _status_table(found) if found else StatusTable()


async def find_status_table(
    session: AsyncSession, store: str, *, version: int
) -> StatusTable | None:
    """A version, None if it does not exist; version 0 always exists."""
    if version == 0:
        return StatusTable()
    row = await session.get(StatusTableVersion, (store, version))
    return _status_table(row) if row else None


async def search_status_tables(
    session: AsyncSession, store: str, *, before: int | None, limit: int
) -> list[StatusTable]:
    """Versions, newest first."""
    found = _status_tables(store).limit(limit)
    if before is not None:
        found = found.where(StatusTableVersion.version < before)
    return [_status_table(row) for row in await session.scalars(found)]


async def save_status_table(
    session: AsyncSession, store: str, *, table: StatusTable
) -> StatusTable | None:
    """Store a table as the version after `table.version`, and return it; None if another one was
    stored meanwhile."""
    current = await get_status_table(session, store)
    if current.version != table.version:
        return None
    values = {
        "store": store,
        "version": table.version + 1,
        "rows": [row.model_dump(mode="json") for row in table.rows],
        "new_order": table.new_order,
        "created_at": func.now(),
        "created_by": table.created_by,
        "message": table.message,
    }
    statement = insert(StatusTableVersion).values(values).on_conflict_do_nothing()
    row = await session.scalar(statement.returning(StatusTableVersion))
    return _status_table(row) if row else None


def _status_tables(store: str) -> Select[StatusTableVersion]:
    return (
        select(StatusTableVersion)
        .where(StatusTableVersion.store == store)
        .order_by(StatusTableVersion.version.desc())
    )


def _status_table(row: StatusTableVersion) -> StatusTable:
    rows = tuple(StatusChoice.model_validate(each) for each in row.rows)
    return StatusTable(
        row.version, rows, row.new_order, row.created_at, row.created_by, row.message
    )


Country = Annotated[Text, AfterValidator(read_country)]
Role = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
Category = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^,\x00-\x1f]+$")]
Account = Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")]
Status = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z0-9_-]+$")]


class SyncPolicy(BaseModel):
    """How one module of one store is synced. `settings_of` lists those that apply to a module."""

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
        False, description="On: records that came from another shop are created in this one too."
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
        description="Taxes: the country (FR) of rates created from Vtiger taxes; empty: none.",
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
    """The names of the settings that apply to a module."""
    return (*EVERYWHERE, *FACTS[module].settings)


def defaults_of(module: Module) -> SyncPolicy:
    """The default settings of a module. The shop mails new customers, so by default a contact
    becomes a customer only if an order needs it."""
    return SyncPolicy(**FACTS[module].setting_defaults)


def find_inapplicable(module: Module, chosen: Mapping[str, Any]) -> dict[str, str]:
    """The chosen settings or values that have no effect for a module, each with the reason."""
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


def narrowed(policy: SyncPolicy, direction: Direction) -> SyncPolicy:
    """The policy with its direction restricted to that of a run."""
    return policy.model_copy(update={"direction": direction.within(policy.direction)})


# Storage of settings.


async def get_policy(session: AsyncSession, store: str, module: Module) -> SyncPolicy:
    """The current settings: the defaults, overridden by what users chose."""
    chosen = await session.get(SyncSetting, (store, module))
    return in_force(module, chosen)


def in_force(module: Module, chosen: SyncSetting | None) -> SyncPolicy:
    """The current settings for a stored choice. Values without effect for the module, which
    earlier versions accepted, are ignored."""
    defaults = defaults_of(module)
    if chosen is None:
        return defaults
    known = set(settings_of(module))
    values = {name: value for name, value in chosen.values.items() if name in known}
    for name in find_inapplicable(module, values):
        del values[name]
    if not is_country(values.get("tax_country", "")):  # earlier versions accepted any two letters
        values.pop("tax_country", None)
    return SyncPolicy.model_validate(defaults.model_dump() | values)


async def lock_choice(session: AsyncSession, store: str, module: Module) -> SyncSetting | None:
    """What users chose, locked until the transaction ends; None without a choice."""
    name = f"settings:{store}:{module}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    return await session.get(SyncSetting, (store, module), populate_existing=True)


async def find_choice(session: AsyncSession, store: str, module: Module) -> SyncSetting | None:
    """What users chose, by whom and when; None without a choice."""
    return await session.get(SyncSetting, (store, module))


async def save_policy(
    session: AsyncSession, store: str, *, module: Module, policy: SyncPolicy, by: str
) -> None:
    """Store the settings that differ from the defaults, so that changed defaults of a later version
    apply to the others."""
    defaults = defaults_of(module).model_dump(mode="json")
    chosen = policy.model_dump(mode="json")
    values = {name: value for name, value in chosen.items() if value != defaults[name]}
    row = {"values": values, "updated_at": func.now(), "updated_by": by}
    statement = insert(SyncSetting).values(store=store, module=module, **row)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["store", "module"], set_=row)
    )
