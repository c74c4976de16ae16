"""What a shop and the CRM hold beside records: rates, base address, taxes, currencies.

They change seldom and are needed by every product and order, so they are kept for a while;
whoever changed one says `forget`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.errors import System
from app.links.models import Link
from app.links.repository import search_module_links
from app.mapping.tax_labels import tax_leaders
from app.mapping.tax_use import ShopBase
from app.records import Module, Record
from app.runtime import Runtime
from app.sync.dependencies import Dependencies
from app.vtiger.query import Query
from app.vtiger.schemas import VtigerCurrency, VtigerRecord
from app.woocommerce.schemas import WooTaxRate

TAX = "Tax"
TAXES_KEY = "crm:taxes"
CURRENCIES_KEY = "crm:currencies"


@dataclass(frozen=True, slots=True)
class ShopBook:
    """A shop's tax rates, the address its products are taxed at, its currency's code."""

    rates: tuple[WooTaxRate, ...]
    base: ShopBase
    currency: str


@dataclass(frozen=True, slots=True)
class CrmBook:
    """Vtiger's taxes, but for deleted ones, and its currencies, inactive ones too."""

    taxes: tuple[VtigerRecord, ...]
    currencies: tuple[VtigerCurrency, ...]

    @property
    def tax_fields(self) -> tuple[str, ...]:
        """The columns that taxes have on products and lines: tax1, tax2, …"""
        return tuple(filter(None, map(_column, self.taxes)))

    @property
    def active_codes(self) -> frozenset[str]:
        """The ISO codes of the currencies that are in use."""
        return frozenset(one.code for one in self.currencies if one.active)

    def find_currency(self, code: str) -> VtigerCurrency | None:
        """The active currency of an ISO code (recording 72-currency-query-after)."""
        return next((one for one in self.currencies if one.active and one.code == code), None)


@dataclass(frozen=True, slots=True)
class Books:
    """The reference data of one store and the CRM, and the Vtiger field of each linked rate.

    Without `dependencies` nothing is brought: whoever only looks must not write.
    """

    runtime: Runtime
    store: str
    dependencies: Dependencies | None = None

    async def shop(self) -> ShopBook:
        return await self.runtime.memory.get(self._shop_key, self._read_shop)

    async def crm(self) -> CrmBook:
        memory, vtiger = self.runtime.memory, self.runtime.vtiger
        taxes = await memory.get(TAXES_KEY, lambda: vtiger.query(Query(TAX)))
        currencies = await memory.get(CURRENCIES_KEY, vtiger.search_currencies)
        return CrmBook(tuple(taxes), tuple(currencies))

    def forget_shop(self) -> None:
        """The shop's rates have changed: read them anew when they are needed."""
        self.runtime.memory.forget(self._shop_key)

    def forget_taxes(self) -> None:
        """Vtiger's taxes have changed: read them anew when they are needed."""
        self.runtime.memory.forget(TAXES_KEY)

    async def active_codes(self, wanted: str) -> frozenset[str]:
        """The codes of Vtiger's active currencies, read anew before `wanted` is missed."""
        codes = (await self.crm()).active_codes
        if wanted in codes:
            return codes
        self.runtime.memory.forget(CURRENCIES_KEY)
        return (await self.crm()).active_codes

    @property
    def _shop_key(self) -> str:
        return f"shop:{self.store}"

    async def _read_shop(self) -> ShopBook:
        """The default country is `FR` or `US:CA` (contract page WooCommerce §3)."""
        woo = self.runtime.stores[self.store]
        rates = tuple([rate async for rate in woo.each_tax_rate()])
        place = await woo.get_setting("general", "woocommerce_default_country")
        country, _, state = place.partition(":")
        currency = await woo.get_setting("general", "woocommerce_currency")
        return ShopBook(rates, ShopBase(country, state), currency)

    async def tax_links(self) -> dict[str, Link]:
        """The pairs of this store's tax rates, by rate id."""
        async with self.runtime.sessions() as session:
            links = await search_module_links(session, self.store, Module.TAXES)
        return {link.woo_id: link for link in links}

    async def linked_fields(self) -> dict[str, str]:
        """Vtiger's tax field by rate id ("3" to "tax4"), of the rates that have a pair or share the
        tax of one that has."""
        links = await self.tax_links()
        known = {tax.id for tax in (await self.crm()).taxes}
        if any(
            link.vtiger_id not in known and not link.vtiger_deleted_at for link in links.values()
        ):
            self.forget_taxes()  # another process may have made it within this minute
        fields = {tax.id: _column(tax) for tax in (await self.crm()).taxes}
        linked = {
            rate_id: field
            for rate_id, link in links.items()
            if (field := fields.get(link.vtiger_id, ""))
        }
        leaders = tax_leaders((await self.shop()).rates, paired=links)
        shared = {key: linked[leader] for key, leader in leaders.items() if leader in linked}
        return shared | linked

    async def fields_of(self, rate_ids: Collection[str]) -> Mapping[str, str]:
        """The same, with these rates brought to Vtiger first where they were not there.

        Raises Waiting while one cannot be brought; a rate that is not synced is left out.
        """
        linked = await self.linked_fields()
        missing = set(rate_ids) - linked.keys()
        if not missing or self.dependencies is None:
            return linked
        leaders = tax_leaders((await self.shop()).rates, paired=linked)
        for rate_id in sorted({leaders.get(each, each) for each in missing}, key=int):
            record = Record(self.store, System.WOOCOMMERCE, Module.TAXES, rate_id)
            await self.dependencies.bring(record)
        return await self.linked_fields()


def _column(tax: VtigerRecord) -> str:
    """A tax's field on products and lines; "" for a tax that has none, or none that can be read:
    it must not keep others from being found."""
    name = tax.data.get("taxname")
    return name if isinstance(name, str) else ""
