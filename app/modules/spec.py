"""What the sync has to know of a module to open, list, preview and create its records."""

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
from app.modules.reference_data import ReferenceData, demanded, rules_of
from app.policies.repository import SyncPolicy
from app.runtime import Runtime

A = TypeVar("A", bound=Adapter)
AnyAdapter = TypeVar("AnyAdapter", bound=Adapter, contravariant=True)


@dataclass(frozen=True, slots=True)
class Context:
    """What an adapter may need. Without `dependencies` it brings nothing: it only looks.

    `is_needed`: another record asks for the one that is worked on. `proposed`: a mapping to go by
    instead of the one in force. `names` holds the names of new Accounts where `lease` is not to;
    `customers` are the e-mails of the shop's customers where a run has listed them.
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
        """Our id field of a Vtiger module, where it has one."""
        shape = await self.runtime.shapes.get(vtiger_module)
        return foreign_id_field(shape, self.store, only_store=len(self.runtime.stores) == 1)

    async def rules(self, module: Module) -> tuple[FieldRule, ...]:
        """The mapping in force, or the one that is only proposed."""
        if self.proposed is not None:
            return self.proposed
        rules = await rules_of(self.runtime, self.store, module)
        if not any(rule.custom for rule in rules):
            return rules
        return demanded(rules, await self.runtime.shapes.get(FACTS[module].vtiger_name))

    @property
    def reference_data(self) -> ReferenceData:
        return ReferenceData(self.runtime, self.store, self.dependencies)


class Draft(Protocol[AnyAdapter]):
    """What would be sent to bring `changes` of `source` to `current`, or to a new record (None)."""

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

    - `open`: its adapter; `listing`: the bulk reader behind that adapter.
    - `begin_bulk`: for one run, what opens the bulk side of each page with the page's context;
      None where records are created one by one.
    - `draft`: what a preview shows; None where there is none.
    - `vtiger_columns`: what a query of its records in Vtiger asks for.
    - `mails`: the mails of the shop to customers that writes of this module bring about;
      `tells_changed_address`: WordPress also tells the old address of a changed one.
    - `prepare_run`: what a run of it needs once, before its first record.
    """

    open: Callable[[Context], Awaitable[A]]
    listing: Callable[[Context, A], Listing]
    begin_bulk: Callable[[], Callable[[Context, A], Bulk]] | None = None
    draft: Draft[A] | None = None
    vtiger_columns: tuple[str, ...] = ("*",)
    mails: frozenset[str] = frozenset()
    tells_changed_address: bool = False
    prepare_run: Callable[[Runtime], Awaitable[object]] | None = None
