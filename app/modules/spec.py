"""How the sync opens, lists, previews and creates the records of a module."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from app.domain import Module
from app.links.leases import PairLease
from app.mapping.rules import FieldRule
from app.mapping.values import Patch, Value
from app.module_facts import FACTS
from app.modules.dependencies import Dependencies
from app.modules.ports import Adapter, Bulk, Listing, Side, foreign_id_field
from app.modules.reference_data import ReferenceData, rules_of, with_mandatory
from app.policies.repository import SyncPolicy
from app.runtime import Runtime

A = TypeVar("A", bound=Adapter)
AnyAdapter = TypeVar("AnyAdapter", bound=Adapter, contravariant=True)


@dataclass(frozen=True, slots=True)
class Context:
    """What an adapter is opened with.

    - `dependencies`: syncs the records that others need; None for an adapter that only reads.
    - `is_needed`: the record is synced because another one depends on it.
    - `proposed`: a mapping to use instead of the one in force.
    - `names`: the lease for the names of new Accounts, where `lease` must not take them.
    - `customers`: the e-mails of the shop's customers, where a run has listed them.
    """

    runtime: Runtime
    store: str
    policy: SyncPolicy
    lease: PairLease
    dependencies: Dependencies | None = None
    is_needed: bool = False
    proposed: tuple[FieldRule, ...] | None = None
    names: PairLease | None = None
    customers: frozenset[str] | None = None

    async def id_field(self, vtiger_module: str) -> str | None:
        """The name of our id field in a Vtiger module, None if it has none."""
        shape = await self.runtime.shapes.get(vtiger_module)
        return foreign_id_field(shape, self.store, only_store=len(self.runtime.stores) == 1)

    async def rules(self, module: Module) -> tuple[FieldRule, ...]:
        """The proposed mapping if there is one, else the mapping in force."""
        if self.proposed is not None:
            return self.proposed
        rules = await rules_of(self.runtime, self.store, module)
        if not any(rule.custom for rule in rules):
            return rules
        return with_mandatory(rules, await self.runtime.shapes.get(FACTS[module].vtiger_name))

    @property
    def reference_data(self) -> ReferenceData:
        return ReferenceData(self.runtime, self.store, self.dependencies)


class Draft(Protocol[AnyAdapter]):
    """The patch that would write `changes` of `source` to `current`, or to a new record (None)."""

    async def __call__(
        self,
        adapter: AnyAdapter,
        changes: Mapping[str, Value],
        source: Side,
        current: Side | None,
        /,
    ) -> Patch: ...


@dataclass(frozen=True, slots=True)
class ModuleSpec(Generic[A]):
    """One module between one shop and Vtiger.

    - `open`: opens its adapter; `listing`: the bulk reader of that adapter.
    - `begin_bulk`: called once a run; returns the function that opens the bulk side of each page
      with the page's context. None where records are created one by one.
    - `draft`: the patch that a preview shows; None where there is no preview.
    - `vtiger_columns`: the columns that a query of its records in Vtiger selects.
    - `mails`: the shop's e-mails to customers that writes of this module cause;
      `notifies_old_address`: WordPress also notifies the old address of a changed one.
    - `prepare_run`: called once before the first record of a run.
    """

    open: Callable[[Context], Awaitable[A]]
    listing: Callable[[Context, A], Listing]
    begin_bulk: Callable[[], Callable[[Context, A], Bulk]] | None = None
    draft: Draft[A] | None = None
    vtiger_columns: tuple[str, ...] = ("*",)
    mails: frozenset[str] = frozenset()
    notifies_old_address: bool = False
    prepare_run: Callable[[Runtime], Awaitable[object]] | None = None
