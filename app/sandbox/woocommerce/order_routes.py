"""/orders and their refunds, readable. Contract page WooCommerce §3; recordings order_get_*."""

from typing import Any, Final

from app.sandbox.woocommerce.objects import ObjectTable
from app.sandbox.woocommerce.paging import chosen, page_response
from app.sandbox.woocommerce.permissions import known_caller
from app.sandbox.woocommerce.posts import POST_PARAMS, PostQuery
from app.sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from app.sandbox.woocommerce.schema import Param
from app.sandbox.woocommerce.site import Site

_LIST_PARAMS: Final = {**POST_PARAMS, "customer": Param({"type": "integer"})}


class OrderRoutes:
    """GET of orders and refunds over one shop's tables."""

    def __init__(self, site: Site, orders: ObjectTable, refunds: ObjectTable) -> None:
        self._site = site
        self._orders = orders
        self._refunds = refunds

    def routes(self) -> list[Route]:
        listing, view = known_caller("list"), known_caller("view")
        refunds = "/wc/v3/orders/{order_id}/refunds"
        return [
            Route("/wc/v3/orders", Endpoint(["GET"], self._list, listing, _LIST_PARAMS)),
            Route("/wc/v3/orders/{id}", Endpoint(["GET"], self._get, view)),
            Route(refunds, Endpoint(["GET"], self._list_refunds, listing, POST_PARAMS)),
            Route(f"{refunds}/{{id}}", Endpoint(["GET"], self._get_refund, view)),
        ]

    def view(self, order_id: int) -> dict[str, Any]:
        return self._orders.render(self._orders.get(order_id))

    def forget_customer(self, user_id: int) -> None:
        """A deleted customer's orders become guests' orders, without an event."""
        for order in self._orders:
            if order["customer_id"] == user_id:
                order["customer_id"] = 0

    async def _list(self, request: RestRequest) -> RestResponse:
        customer = request.params.get("customer")
        found = PostQuery(request.params, self._site).run(
            self._orders, lambda row: customer is None or row["customer_id"] == customer
        )
        page = chosen(found, request)
        # Past the end the count is lost: orders then say X-WP-Total 0.
        total = len(found) if page else 0
        return page_response(request, [self._orders.render(dict(row)) for row in page], total)

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self.view(request.id))

    async def _list_refunds(self, request: RestRequest) -> RestResponse:
        order = self._orders.get(int(request.params["order_id"]))
        own = {refund["id"] for refund in order["refunds"]}
        found = PostQuery(request.params, self._site).run(
            row for row in self._refunds if row["id"] in own
        )
        body = [self._refunds.render(dict(row)) for row in chosen(found, request)]
        return page_response(request, body, len(found))

    async def _get_refund(self, request: RestRequest) -> RestResponse:
        self._orders.get(int(request.params["order_id"]))
        return RestResponse(self._refunds.render(self._refunds.get(request.id)))
