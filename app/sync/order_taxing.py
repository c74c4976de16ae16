"""Which taxes Vtiger's products and the fee service carry, and letting them carry more.

An order in Vtiger counts a tax only where the product carries it (contract page Vtiger §0.10), so
whatever a line is taxed by is assigned first, at 0 %.
"""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.db.session import transaction
from app.errors import Duplicate, NotFound, System
from app.links.leases import PairLease
from app.links.models import Link
from app.links.orders import save_carried, search_carried
from app.links.repository import search_links
from app.mapping.numbers import amount, rounded
from app.mapping.product_patches import carry_taxes
from app.mapping.products import taxes_from_text, vtiger_taxes
from app.mapping.tax_use import OrderRate
from app.mapping.values import base_from_json
from app.mapping.vtiger_totals import Rates
from app.records import Module, Record
from app.runtime import Runtime
from app.sync.hold import PATIENCE, shared_key
from app.vtiger.query import fold

PRODUCTS = "Products"
SERVICES = "Services"
TAX_PLACES = 3


@dataclass(frozen=True, slots=True)
class TaxCarriers:
    """What is known is kept, so that an order of known products needs no look at them."""

    runtime: Runtime
    store: str
    lease: PairLease
    fee_service_id: str

    async def carried(self, vtiger_ids: Collection[str]) -> dict[str, Rates]:
        """The tax fields of each, as far as known; the rates do not matter, lines name theirs."""
        async with self.runtime.sessions() as session:
            known = await search_carried(session, vtiger_ids)
            links = await search_links(session, [self._record(each) for each in vtiger_ids])
        return {
            each: dict.fromkeys(known.get(each, frozenset()) | _own(links.get(each)), Decimal(0))
            for each in vtiger_ids
        }

    async def assign(
        self, lacking: Mapping[str, frozenset[str]], *, currency_id: str
    ) -> frozenset[str]:
        """Let each product carry these taxes as well; those that are gone from Vtiger.

        LeaseLost while another worker writes one of them.
        """
        gone = set()
        for vtiger_id, fields in sorted(lacking.items()):
            await self.lease.extend([shared_key(self._record(vtiger_id))], patience=PATIENCE)
            try:
                await self._assign(vtiger_id, fields, currency_id)
            except NotFound:
                gone.add(vtiger_id)
        return frozenset(gone)

    async def _assign(self, vtiger_id: str, fields: frozenset[str], currency_id: str) -> None:
        """Recording 30-create-product-with-tax1-tax2; contract page Vtiger §0.5, §10."""
        module = SERVICES if vtiger_id == self.fee_service_id else PRODUCTS
        record = await self.runtime.vtiger.retrieve(vtiger_id, module)
        body = carry_taxes(record, sorted(fields), currency_id=currency_id)
        if body:
            self.lease.check()
            await self.runtime.vtiger.revise(vtiger_id, body, module=module)
        async with transaction(self.runtime.sessions) as session:
            await save_carried(session, vtiger_id, fields | vtiger_taxes(record).keys())

    async def make_tax(self, rate: OrderRate) -> None:
        """A tax for a rate that the shop has deleted since, by what the order itself tells.

        Nothing if its label has another percentage (contract page WooCommerce month, rate 24).
        """
        labels = [rate.label, f"{rate.label} {rate.percentage}%"]
        await self.lease.extend([tax_key(label) for label in labels], patience=PATIENCE)
        self.lease.check()
        percentage = rounded(amount(rate.percentage), TAX_PLACES)
        for label in labels:
            with contextlib.suppress(Duplicate):
                await self.runtime.vtiger.create_tax(label, percentage)
                return

    def _record(self, vtiger_id: str) -> Record:
        return Record(self.store, System.VTIGER, Module.PRODUCTS, vtiger_id)


def tax_key(label: str) -> str:
    """The natural key of a tax: its label, as Vtiger compares it."""
    return f"{Module.TAXES}:label:{fold(label)}"


def _own(link: Link | None) -> frozenset[str]:
    """The taxes that a product had when it was last synced."""
    agreed = base_from_json(link.base).get("taxes") if link is not None else None
    return frozenset(taxes_from_text(agreed.vtiger)) if agreed and agreed.vtiger else frozenset()
