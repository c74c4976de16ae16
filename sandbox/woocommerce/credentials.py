"""API keys of the simulated shop and who stands behind them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A consumer key; the owner's role decides what a request may do (contract page WooCommerce §2,
    Auth)."""

    consumer_key: str
    consumer_secret: str
    permissions: Literal["read", "write", "read_write"] = "read_write"
    role: Literal["administrator", "shop_manager"] = "administrator"

    @property
    def is_admin(self) -> bool:
        return self.role == "administrator"
