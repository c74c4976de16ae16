"""Taxes in bulk: always all are listed, as neither system has modification times of taxes. They are
few, and a shop accepts them one by one (contract page WooCommerce §2, Batch)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.domain import System
from app.modules.context import ModuleSpec
from app.modules.ports import (
    NO_PREDICATES,
    ChangePredicate,
    FieldDifference,
    ListedRecord,
    Read,
    Side,
    attempt,
    find_each,
)
from app.modules.taxes.adapter import TaxAdapter, open_taxes, rate_of, tax_side
from app.vtiger.schemas import VtigerRecord


@dataclass(frozen=True, slots=True)
class TaxListing:
    """Rates that have a pair or may get one, and Vtiger's taxes."""

    adapter: TaxAdapter
    lists_all: frozenset[System] = frozenset(System)
    change_predicates: ClassVar[Mapping[System, ChangePredicate]] = NO_PREDICATES

    async def find_last_change(self, system: System) -> datetime | None:  # noqa: ARG002
        """None: taxes have no modification times (tax_get, 70-tax-query)."""
        return None

    async def count(self, system: System, changed_since: datetime | None) -> int:
        return sum([len(page) async for page in self.each(system, changed_since)])

    async def each(
        self,
        system: System,
        changed_since: datetime | None,  # noqa: ARG002
    ) -> AsyncIterator[list[ListedRecord]]:
        if system is System.VTIGER:
            self.adapter.reference_data.forget_taxes()
            taxes = (await self.adapter.reference_data.crm()).taxes
            yield [ListedRecord(System.VTIGER, tax.id, tax) for tax in taxes]
            return
        self.adapter.reference_data.forget_shop()
        sides = await self.adapter.rate_sides((await self.adapter.reference_data.shop()).rates)
        linked = await self.adapter.reference_data.tax_links()
        yield [_seen(side) for side in sides if side.id in linked or await self._may_pair(side)]

    async def _may_pair(self, rate: Side) -> bool:
        """Whether a rate without a pair may get one: a shop may have hundreds of unused rates."""
        if self.adapter.objection(rate) is not None:
            return False
        if self.adapter.creation_objection(rate) is None:
            return True
        return bool(await self.adapter.search_twins(rate))

    async def each_trashed(self) -> AsyncIterator[str]:
        """None: rates have no trash (err_tax_delete_no_force)."""
        for rate_id in tuple[str, ...]():
            yield rate_id

    async def each_vtiger_id(self) -> AsyncIterator[str]:
        for tax in (await self.adapter.reference_data.crm()).taxes:
            yield tax.id

    async def sides(self, page: Sequence[ListedRecord]) -> list[Read]:
        wanted = {seen.id for seen in page}
        rates: list[Side] = []
        if not all(isinstance(seen.raw, VtigerRecord) for seen in page):
            rates = await self.adapter.rate_sides((await self.adapter.reference_data.shop()).rates)
        taxes = [seen.raw for seen in page if isinstance(seen.raw, VtigerRecord)]
        return [
            *[await attempt(System.VTIGER, tax.id, _tax(tax)) for tax in taxes],
            *[
                await attempt(rate.system, rate.id, _rate(rate))
                for rate in rates
                if rate.id in wanted
            ],
        ]

    async def complete(self, page: Sequence[ListedRecord]) -> list[Read]:
        return await self.sides(page)

    async def whole(self, system: System, ids: Sequence[str]) -> list[Read]:
        return await find_each(self.adapter, system, ids)

    def is_explained(self, name: str, woo: Side, vtiger: Side) -> bool:  # noqa: ARG002
        """Labels may differ: a tax cannot be renamed in Vtiger
        (70-tax-update-rename-label-CORRUPTS)."""
        return name == "label"

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:  # noqa: ARG002
        return ()


def _seen(side: Side) -> ListedRecord:
    return ListedRecord(System.WOOCOMMERCE, side.id, rate_of(side))


async def _tax(tax: VtigerRecord) -> Side:
    return tax_side(tax.checked())


async def _rate(rate: Side) -> Side:
    rate_of(rate).checked()
    return rate


# The ModuleSpec of taxes.


TAXES_SPEC = ModuleSpec(open=open_taxes, listing=lambda _, adapter: TaxListing(adapter))
