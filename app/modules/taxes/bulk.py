"""Taxes in bulk: always all are listed, as neither system has modification times of taxes. They are
few, and a shop accepts them one by one (contract page WooCommerce §2, Batch)."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.domain import Module, System
from app.modules.context import ListingBase, ModuleSpec
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
from app.woocommerce.schemas import WooTaxRate


@dataclass(slots=True)
class TaxListing(ListingBase):
    """Rates that have a pair or may get one, and Vtiger's taxes."""

    module: ClassVar[Module] = Module.TAXES
    lists_all: ClassVar[frozenset[System]] = frozenset(System)

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
        reference_data = self.context.reference_data
        if system is System.VTIGER:
            reference_data.forget_taxes()
            taxes = (await reference_data.crm()).taxes
            yield [ListedRecord(System.VTIGER, tax.id, tax) for tax in taxes]
            return
        reference_data.forget_shop()
        rates = (await reference_data.shop()).rates
        listed = set(await reference_data.tax_links())
        listed |= await self._search_pairable(rates, paired=listed)
        yield [
            ListedRecord(System.WOOCOMMERCE, rate.id, rate) for rate in rates if rate.id in listed
        ]

    async def _search_pairable(
        self, rates: Sequence[WooTaxRate], *, paired: Collection[str]
    ) -> set[str]:
        """The rates without a pair that may get one: a shop may have hundreds of unused rates."""
        if all(rate.id in paired for rate in rates):
            return set()
        adapter = await open_taxes(self.context)
        single = [side for side in await adapter.rate_sides(rates) if side.id not in paired]
        return {side.id for side in single if await _may_pair(adapter, side)}

    async def each_trashed(self) -> AsyncIterator[str]:
        """None: rates have no trash (err_tax_delete_no_force)."""
        for rate_id in tuple[str, ...]():
            yield rate_id

    async def each_vtiger_id(self) -> AsyncIterator[str]:
        for tax in (await self.context.reference_data.crm()).taxes:
            yield tax.id


async def _may_pair(adapter: TaxAdapter, rate: Side) -> bool:
    if adapter.objection(rate) is not None:
        return False
    if adapter.creation_objection(rate) is None:
        return True
    return bool(await adapter.search_twins(rate))


@dataclass(frozen=True, slots=True)
class TaxReader:
    """Rates are read all together: their labels are unique among them."""

    adapter: TaxAdapter
    change_predicates: ClassVar[Mapping[System, ChangePredicate]] = NO_PREDICATES

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


async def _tax(tax: VtigerRecord) -> Side:
    return tax_side(tax.checked())


async def _rate(rate: Side) -> Side:
    rate_of(rate).checked()
    return rate


# The ModuleSpec of taxes.


TAXES_SPEC = ModuleSpec(open=open_taxes, reader=TaxReader, listing=TaxListing)
