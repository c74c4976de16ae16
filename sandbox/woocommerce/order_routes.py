"""/orders over REST: arguments, lists and batch.

Contract pages WooCommerce §3 and readback; recordings order_*, orders_*, err_order_*.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sandbox.woocommerce.batch import BatchOperations, run_batch
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.orderbook import OrderBook
from sandbox.woocommerce.orderlife import OrderLife
from sandbox.woocommerce.orders import ORDER_BILLING, Order, OrderTable
from sandbox.woocommerce.orderviews import CURRENCIES, OrderView
from sandbox.woocommerce.paging import CONTEXT, chosen, page_response
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.posts import POST_PARAMS, PostQuery
from sandbox.woocommerce.rest import EDIT_METHODS, Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.schema import Param
from sandbox.woocommerce.site import Site

_TEXT: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}
_META: Final = {
    "type": "array",
    "items": {"type": "object", "properties": {"id": _INTEGER, "key": _TEXT}},
}
_EMAIL: Final = {"type": "string", "format": "email", "nullable": True}


def _lines(**properties: Any) -> Param:
    known = {"id": _INTEGER, "total": _TEXT, "meta_data": _META, **properties}
    return Param({"type": "array", "items": {"type": "object", "properties": known}})


_ADDRESS: Final = dict.fromkeys(ORDER_BILLING, _TEXT)
_SHIPPED: Final = {name: _TEXT for name in ORDER_BILLING if name not in ("email", "phone")}
_DECIMALS: Final = {"dp": Param(_INTEGER)}
_BODY_PARAMS: Final = {
    "parent_id": Param(_INTEGER),
    "currency": Param({"type": "string", "enum": list(CURRENCIES)}),
    "customer_id": Param(_INTEGER),
    "customer_note": Param(_TEXT),
    "billing": Param({"type": "object", "properties": {**_ADDRESS, "email": _EMAIL}}),
    "shipping": Param({"type": "object", "properties": _SHIPPED}),
    "payment_method": Param(_TEXT),
    "payment_method_title": Param(_TEXT),
    "transaction_id": Param(_TEXT),
    "created_via": Param(_TEXT),
    "meta_data": Param(_META),
    "line_items": _lines(
        variation_id=_INTEGER, quantity=_INTEGER, tax_class=_TEXT, subtotal=_TEXT, sku=_TEXT
    ),
    "shipping_lines": _lines(instance_id=_TEXT),
    "fee_lines": _lines(
        tax_class=_TEXT, tax_status={"type": "string", "enum": ["taxable", "none"]}
    ),
    "coupon_lines": _lines(),
    "set_paid": Param({"type": "boolean"}),
    **_DECIMALS,
}
_ITEM_PARAMS: Final = {"id": Param(_INTEGER), "context": CONTEXT, **_DECIMALS}
_DELETE_PARAMS: Final = {
    "id": Param(_INTEGER),
    "force": Param({"type": "boolean"}, default=False),
}
_LIST_PARAMS: Final = {**POST_PARAMS, "customer": Param(_INTEGER), **_DECIMALS}


class _Slugs(Sequence[str]):
    """The statuses that an order may be given: those that are registered by then."""

    def __init__(self, orders: OrderTable) -> None:
        self._orders = orders

    def _listed(self) -> list[str]:
        return ["auto-draft", *self._orders.statuses]

    def __getitem__(self, index: Any) -> Any:
        return self._listed()[index]

    def __len__(self) -> int:
        return len(self._listed())


class OrderRoutes:
    """The endpoints of /orders over one shop's orders."""

    def __init__(
        self, site: Site, orders: OrderTable, book: OrderBook, *, life: OrderLife, view: OrderView
    ) -> None:
        self._site = site
        self._orders = orders
        self._book = book
        self._life = life
        self._view = view

    def routes(self) -> list[Route]:
        body_params = {
            **_BODY_PARAMS,
            "status": Param({"type": "string", "enum": _Slugs(self._orders)}),
        }
        update_params = {**_ITEM_PARAMS, **body_params}
        operations = BatchOperations(self._create, self._update, self._delete)
        return [
            Route(
                "/wc/v3/orders",
                Endpoint(["GET"], self._list, known_caller("list"), _LIST_PARAMS),
                Endpoint(["POST"], self._create, known_caller("create"), body_params),
            ),
            Route(
                "/wc/v3/orders/{id}",
                Endpoint(["GET"], self._get, known_caller("view"), _ITEM_PARAMS),
                Endpoint(EDIT_METHODS, self._update, known_caller("edit"), update_params),
                Endpoint(["DELETE"], self._delete, known_caller("delete"), _DELETE_PARAMS),
            ),
            Route(
                "/wc/v3/orders/batch",
                Endpoint(
                    EDIT_METHODS,
                    lambda request: run_batch(request, operations),
                    known_caller("batch"),
                ),
            ),
            Route(
                "/wc/v3/reports/orders/totals",
                Endpoint(["GET"], self._count, known_caller("list")),
            ),
        ]

    async def _count(self, _: RestRequest) -> RestResponse:
        """Every status that is registered, with its orders [source]."""
        found = Counter(order.status for order in self._orders)
        statuses = self._orders.statuses.items()
        return RestResponse(
            [{"slug": slug, "name": name, "total": found[slug]} for slug, name in statuses]
        )

    async def _list(self, request: RestRequest) -> RestResponse:
        customer = request.params.get("customer")
        orders: Iterable[Order] = (
            order for order in self._orders if customer in (None, order.customer_id)
        )
        found = PostQuery(request.params, self._site).run(map(self._index_row, orders))
        page = chosen(found, request)
        body = [self._body(self._orders.get(row["id"]), request) for row in page]
        # Past the end the count is lost: orders then say X-WP-Total 0.
        return page_response(request, body, len(found) if page else 0)

    def _index_row(self, order: Order) -> dict[str, Any]:
        """What a list filters and sorts by."""
        return {
            "id": order.id,
            "status": order.status,
            "number": str(order.id),
            "addresses": " ".join((*order.billing.values(), *order.shipping.values())),
            "parent_id": 0,
            **self._site.dates("date_created", order.created_at),
            **self._site.dates("date_modified", order.modified_at),
        }

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self._body(self._orders.get(request.id), request))

    async def _create(self, request: RestRequest) -> RestResponse:
        if request.params.get("id"):
            message = "Cannot create existing shop_order."
            raise RestError("woocommerce_rest_shop_order_exists", message, 400)
        order = self._book.create(request.params)
        location = {"Location": self._site.rest_url(f"orders/{order.id}")}
        return RestResponse(self._body(order, request), 201, location)

    async def _update(self, request: RestRequest) -> RestResponse:
        if self._orders.find(request.id) is None:
            raise RestError("woocommerce_rest_shop_order_invalid_id", "Invalid ID.", 400)
        return RestResponse(self._body(self._book.update(request.id, request.params), request))

    async def _delete(self, request: RestRequest) -> RestResponse:
        body = self._view.render(self._orders.get(request.id))
        if request.params.get("force"):
            self._life.delete(request.id)
        else:
            self._life.trash(request.id)
        return RestResponse(body)

    def _body(self, order: Order, request: RestRequest) -> dict[str, Any]:
        return self._view.render(order, decimals=request.params.get("dp"))
