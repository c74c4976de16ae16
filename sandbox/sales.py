"""Steps about orders: bought, typed in, changed, refunded and thrown away, on either side."""

from collections.abc import Mapping
from typing import Any

from sandbox.cast import Cast
from sandbox.story import Step, Where
from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.storefront import Purchase

Fields = Mapping[str, Any]
Cart = Mapping[str, int]
Buyer = str | Mapping[str, str]
"""The e-mail address of somebody with an account, or a guest's billing address."""


def check_out(
    name: str,
    who: Buyer,
    cart: Cart,
    *,
    order: str = "",
    shipping: str = "0",
    joins: bool = False,
    **form: Any,
) -> Step:
    """Bought in the storefront (recordings hook_storefront_*).

    `order` is the story's name for it, `shipping` the net cost, `joins` makes a guest a customer;
    `form` is what else a `Purchase` has.
    """

    async def act(cast: Cast) -> None:
        customer_id, billing, address = await _at_checkout(cast, who)
        purchase = Purchase(billing, address, shipping_total=shipping, **form)
        goods = await _goods(cast, cart)
        placed = cast.sandbox.shop.storefront.checkout(
            goods, purchase, customer_id=customer_id, create_account=joins
        )
        cast.orders[order] = placed.id

    return Step("shop", name, act)


async def _at_checkout(
    cast: Cast, who: Buyer
) -> tuple[int, Mapping[str, str], Mapping[str, str] | None]:
    """Customer id, billing and shipping as the form is filled in; 0 for a guest."""
    if not isinstance(who, str):
        return 0, who, None
    user = cast.sandbox.shop.customers.get(await cast.customer(who))
    billing = {**user.billing, "email": user.billing.get("email") or user.email}
    return user.id, billing, user.shipping if user.shipping.get("country") else None


async def _goods(cast: Cast, cart: Cart) -> list[tuple[int, int]]:
    return [(await cast.item(sku), quantity) for sku, quantity in cart.items()]


def browse(name: str, who: Buyer, cart: Cart) -> Step:
    """A checkout that is opened and left: a draft (contract page WooCommerce §1)."""

    async def act(cast: Cast) -> None:
        customer_id, _, _ = await _at_checkout(cast, who)
        goods = await _goods(cast, cart)
        cast.sandbox.shop.storefront.open_checkout(goods, customer_id=customer_id)

    return Step("shop", name, act)


def take_order(name: str, who: Buyer, cart: Cart, *, order: str = "") -> Step:
    """Typed in by the shop's staff, in wp-admin (recordings hook_admin_order_*)."""

    async def act(cast: Cast) -> None:
        customer_id, billing, _ = await _at_checkout(cast, who)
        goods = await _goods(cast, cart)
        admin = cast.sandbox.shop.admin
        made = admin.create_order(goods, customer_id=customer_id, billing=billing)
        admin.recalculate_order(made.id)
        cast.orders[order] = made.id

    return Step("shop", name, act)


def post_order(name: str, who: Buyer, cart: Cart, *, order: str = "", **body: Any) -> Step:
    """Made by a plugin: POST /orders (recording order_create_full_excl_tax)."""

    async def act(cast: Cast) -> None:
        customer_id, billing, address = await _at_checkout(cast, who)
        lines = [{"product_id": key, "quantity": n} for key, n in await _goods(cast, cart)]
        sent = {"customer_id": customer_id, "billing": billing, "line_items": lines, **body}
        if address is not None:
            sent["shipping"] = {key: text for key, text in address.items() if key != "phone"}
        cast.orders[order] = (await cast.shop.post("orders", sent))["id"]

    return Step("shop", name, act)


def edit_order(where: Where, name: str, order: str, **fields: Any) -> Step:
    """Fields of an order are changed, in the words of the shop or of the CRM."""

    async def in_shop(cast: Cast) -> None:
        await cast.crm_order(order)
        await cast.shop.put(f"orders/{await cast.order(order)}", fields)

    async def in_crm(cast: Cast) -> None:
        await cast.sandbox.crm.ui_edit(await cast.crm_order(order), fields)

    return Step(where, name, in_shop if where == "shop" else in_crm)


def edit_cart(name: str, order: str, cart: Cart) -> Step:
    """Other quantities in the shop: 0 removes a line, an unknown product is added.

    Recordings order_update_line_items_id_quantity, order_update_line_items_no_id.
    """

    async def act(cast: Cast) -> None:
        await cast.crm_order(order)
        row = cast.sandbox.shop.trade.orders.get(await cast.order(order))
        lines = [_line(row, key, quantity) for key, quantity in await _goods(cast, cart)]
        await cast.shop.put(f"orders/{row.id}", {"line_items": lines})

    return Step("shop", name, act)


def _line(row: Order, product_id: int, quantity: int) -> dict[str, Any]:
    """A line that is known goes by its id, and its totals do not follow its quantity."""
    known = next((line for line in row.lines if line.ordered_id == product_id), None)
    if known is None:
        return {"product_id": product_id, "quantity": quantity}
    if not quantity:
        return {"id": known.id, "quantity": 0}
    total = f"{float(known.subtotal) / known.quantity * quantity:.2f}"
    return {"id": known.id, "quantity": quantity, "subtotal": total, "total": total}


def edit_crm_quantity(name: str, order: str, sku: str, quantity: int) -> Step:
    """Another quantity in the CRM, whose form sends all the lines."""

    async def act(cast: Cast) -> None:
        order_id, product_id = await cast.crm_order(order), await cast.product(sku)
        lines = [
            {name: value for name, value in line.items() if value}
            for line in cast.sandbox.crm.record(order_id)["LineItems"]
        ]
        changed = [
            {**line, "quantity": quantity} if line["productid"] == product_id else line
            for line in lines
        ]
        await cast.sandbox.crm.ui_edit(order_id, {"LineItems": changed})

    return Step("CRM", name, act)


def refund(name: str, order: str, amount: str) -> Step:
    """POST /orders/{id}/refunds (recording order_refund_create)."""

    async def act(cast: Cast) -> None:
        await cast.crm_order(order)
        path = f"orders/{await cast.order(order)}/refunds"
        await cast.shop.post(path, {"amount": amount, "api_refund": False})

    return Step("shop", name, act)


def trash_order(name: str, order: str) -> Step:
    """An order that the CRM knows is put into the trash (recording order_trash)."""

    async def act(cast: Cast) -> None:
        await cast.crm_order(order)
        await cast.shop.delete(f"orders/{await cast.order(order)}", force=False)

    return Step("shop", name, act)


def type_order(name: str, email: str, company: str, cart: Mapping[str, tuple[int, str]]) -> Step:
    """An order for a contact, typed into the CRM: quantity and price by part number."""

    async def act(cast: Cast) -> None:
        lines = [
            {"productid": await cast.product(code), "quantity": quantity, "listprice": price}
            for code, (quantity, price) in cart.items()
        ]
        values = {
            "subject": name,
            "sostatus": "Created",
            "contact_id": await cast.contact(email),
            "account_id": await cast.account(company),
            **_ADDRESS,
            "LineItems": lines,
        }
        await cast.sandbox.crm.ui_create("SalesOrder", values)

    return Step("CRM", name, act)


_ADDRESS = {
    f"{block}_{name}": text
    for block in ("bill", "ship")
    for name, text in {
        "street": "12 quai Saint-Vincent",
        "city": "Lyon",
        "code": "69001",
        "country": "France",
    }.items()
}


def edit_order_of(name: str, email: str, **fields: Any) -> Step:
    """The shop's latest order for an address, which came from the CRM, is changed."""

    async def act(cast: Cast) -> None:
        await cast.shop.put(f"orders/{await cast.newest_order_of(email)}", fields)

    return Step("shop", name, act)
