"""What a sync made in the two systems of a sandbox, counted in the sandbox itself."""

from app.domain import Module
from sandbox.app import Sandbox


def made_in_crm(sandbox: Sandbox) -> dict[Module, int]:
    """What was made through the web service, but for what orders rest on; taxes beyond three."""
    modules = {
        Module.CONTACTS: "Contacts",
        Module.PRODUCTS: "Products",
        Module.SALES_ORDERS: "SalesOrder",
    }
    made = {
        module: sum(row["source"] == "WEBSERVICE" for row in sandbox.crm.records(name))
        for module, name in modules.items()
    }
    made[Module.PRODUCTS] -= 1
    return made | {Module.TAXES: len(sandbox.crm.database.live("Tax")) - 3}


def made_in_shop(sandbox: Sandbox) -> dict[Module, int]:
    """The tour, which no step publishes, and orders of our own making."""
    trade = sandbox.shop.trade
    return {
        Module.PRODUCTS: sum(row["sku"] == "TOUR-1" for row in trade.catalog),
        Module.SALES_ORDERS: sum(
            order.texts["created_via"] == "vtiger-sync" for order in trade.orders
        ),
    }
