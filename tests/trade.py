"""What people order, and what becomes of it in Vtiger, in a scenario's hands."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.woocommerce.orders import Order
from tests.world import World

ADDRESS = {
    "first_name": "Zoë",
    "last_name": "Müller",
    "address_1": "12 Rue Haute",
    "city": "Lyon",
    "postcode": "69001",
    "country": "FR",
    "email": "zoe@shop.example",
    "phone": "+33 1",
}

Line = tuple[str, int]


def order(world: World, *lines: Line, **fields: Any) -> str:
    """Somebody orders products in these quantities; without an account unless `fields` say so."""
    items = [{"product_id": int(product_id), "quantity": count} for product_id, count in lines]
    chosen = {"billing": ADDRESS, "status": "processing", "line_items": items, **fields}
    return str(world.sandbox.shop.trade.order_book.create(chosen).id)


def edit(world: World, order_id: str, **fields: Any) -> None:
    world.sandbox.shop.trade.order_book.update(int(order_id), fields)


def trash(world: World, order_id: str) -> None:
    world.sandbox.shop.trade.order_life.trash(int(order_id))


def restore(world: World, order_id: str) -> None:
    world.sandbox.shop.admin.restore_order(int(order_id))


def kept(world: World, order_id: str) -> Order:
    """The order as the shop keeps it."""
    return world.sandbox.shop.trade.orders.get(int(order_id))


async def shown(world: World, order_id: str) -> Mapping[str, Any]:
    """The order as the shop shows it."""
    return (await world.runtime.stores["main"].get_order(order_id)).data


def sales(world: World) -> list[dict[str, Any]]:
    """Vtiger's sales orders, oldest first."""
    return world.sandbox.crm.records("SalesOrder")


def sale(world: World, order_id: str) -> dict[str, Any]:
    """The one sales order that an order became."""
    number = f"WC-main-{order_id}"
    [found] = [row for row in sales(world) if row["vtiger_purchaseorder"] == number]
    return found


def total(row: Mapping[str, Any]) -> Decimal:
    """A sales order's grand total."""
    return Decimal(str(row["hdnGrandTotal"]))


def lines(row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = row["LineItems"]
    return found


async def off(world: World) -> list[str]:
    """Orders of the shop whose one sales order does not have their total to the cent."""
    numbers = [row["vtiger_purchaseorder"] for row in sales(world)]
    totals = {row["vtiger_purchaseorder"]: total(row) for row in sales(world)}
    assert len(totals) == len(numbers), "a sales order is there twice"
    found = []
    async for each in world.runtime.stores["main"].each_order():
        wanted = Decimal(each.text("total"))
        if totals.get(f"WC-main-{each.id}") != wanted:
            found.append(f"{each.id}: {wanted} became {totals.get(f'WC-main-{each.id}')}")
    return found


def refund(world: World, order_id: str, amount: str) -> None:
    """A part of the order is paid back."""
    trade = world.sandbox.shop.trade
    trade.refunds.create(
        kept(world, order_id),
        {"amount": amount},
        settle=lambda refunded, _: trade.order_life.save(refunded, refunded.status),
    )


def item(product_id: str, quantity: str, price: str, **fields: str) -> dict[str, str]:
    """A line of a sales order that somebody types."""
    return {"productid": product_id, "quantity": quantity, "listprice": price, **fields}


async def typed(world: World, *items: dict[str, str], **fields: Any) -> str:
    """Somebody types an order of Acme's into Vtiger; its id."""
    known = [
        row["id"] for row in world.sandbox.crm.records("Accounts") if row["accountname"] == "Acme"
    ]
    account = (
        known[0]
        if known
        else await world.sandbox.crm.ui_create("Accounts", {"accountname": "Acme"})
    )
    sale_id = await world.sandbox.crm.ui_create(
        "SalesOrder",
        {
            "subject": "By phone",
            "sostatus": "Approved",
            "account_id": account,
            "bill_street": "1 High St",
            "bill_city": "Leeds",
            "bill_country": "United Kingdom",
            "ship_street": "1 High St",
            "currency_id": "21x1",
            "LineItems": list(items),
            "productid": items[0]["productid"],
            **fields,
        },
    )
    return str(sale_id)
