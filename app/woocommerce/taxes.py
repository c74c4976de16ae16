"""The calls about tax rates, tax classes and the settings that taxes depend on."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from app.errors import ResponseUnreadable
from app.woocommerce.answers import WOO
from app.woocommerce.requests import ShopRequests, record_path
from app.woocommerce.schemas import WooTaxRate


class TaxCalls(ShopRequests):
    """wc/v3/taxes; none of them is told by a topic of its own."""

    async def get_tax_rate(self, rate_id: str) -> WooTaxRate:
        """NotFound if there is none (tax_get, err_tax_404)."""
        answer = await self._get(record_path("taxes", rate_id))
        return WooTaxRate.parse(answer).answering(rate_id)

    def each_tax_rate(self) -> AsyncIterator[WooTaxRate]:
        """All rates, by id (tax_list_paged); "modified since" is ignored there."""
        return self._each(WooTaxRate, "taxes", {})

    async def create_tax_rate(self, body: Mapping[str, Any]) -> WooTaxRate:
        """`rate` is text; what is no number makes a rate of 0 (tax_create, tax_create_bad).

        Rejected for a tax class that does not exist (tax_create_bad_class).
        """
        return WooTaxRate.parse(await self._write("POST", "taxes", body))

    async def update_tax_rate(self, rate_id: str, patch: Mapping[str, Any]) -> WooTaxRate:
        """NotFound if there is none (tax_update)."""
        answer = await self._write("PUT", record_path("taxes", rate_id), patch)
        return WooTaxRate.parse(answer).answering(rate_id)

    async def delete_tax_rate(self, rate_id: str) -> WooTaxRate:
        """For good: rates have no trash (tax_delete, err_tax_delete_no_force). NotFound."""
        path = record_path("taxes", rate_id)
        answer = await self._write("DELETE", path, query={"force": "true"})
        return WooTaxRate.parse(answer).answering(rate_id)

    async def get_setting(self, group: str, name: str) -> str:
        """A shop setting's text, such as general/woocommerce_default_country.

        settings_general_woocommerce_currency. NotFound if there is no such setting,
        ResponseUnreadable if it holds no text.
        """
        data = await self._get(f"settings/{group}/{name}")
        value = data.get("value") if isinstance(data, Mapping) else None
        if not isinstance(value, str):
            raise ResponseUnreadable(WOO, f"the setting {group}/{name} holds no text")
        return value
