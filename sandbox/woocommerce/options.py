"""The shop's settings that decide about prices and taxes, read where they are needed.

Contract page WooCommerce §3 (rounding, decimals, prices including tax).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.woocommerce.phpnumber import php_round, whole_number

_ROUNDING_PRECISION: Final = 6


@dataclass(frozen=True, slots=True)
class Options:
    """A view on the shop's settings; `values` maps "group/id" to the value in force."""

    values: Mapping[str, Any]

    def _is_on(self, key: str) -> bool:
        return self.values.get(key) == "yes"

    @property
    def taxes_enabled(self) -> bool:
        return self._is_on("general/woocommerce_calc_taxes")

    @property
    def prices_include_tax(self) -> bool:
        return self._is_on("tax/woocommerce_prices_include_tax")

    @property
    def rounds_at_subtotal(self) -> bool:
        return self._is_on("tax/woocommerce_tax_round_at_subtotal")

    @property
    def tax_based_on(self) -> str:
        """One of "shipping", "billing" and "base"."""
        return str(self.values.get("tax/woocommerce_tax_based_on", "shipping"))

    @property
    def decimals(self) -> int:
        return abs(whole_number(self.values.get("general/woocommerce_price_num_decimals", "2")))

    @property
    def precision(self) -> int:
        """Places that computed taxes are rounded to."""
        return max(self.decimals + 2, _ROUNDING_PRECISION)

    @property
    def currency(self) -> str:
        return str(self.values.get("general/woocommerce_currency", "EUR"))

    @property
    def base_country(self) -> tuple[str, str]:
        """Country and state of the shop."""
        value = str(self.values.get("general/woocommerce_default_country", ""))
        country, _, state = value.partition(":")
        return country, state

    def round_tax(self, value: float) -> float:
        """A half cent goes down where prices include tax (contract page WooCommerce
        month)."""
        return php_round(value, self.decimals, half_down=self.prices_include_tax)

    def round_line_tax(self, value: float) -> float:
        """A line's tax is rounded unless the shop rounds at subtotal only."""
        return value if self.rounds_at_subtotal else self.round_tax(value)
