"""/orders/{id}/refunds over REST. Recordings order_refund_create, order_refunds_list."""

from typing import Final

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.orderlife import OrderLife
from sandbox.woocommerce.orders import Order, OrderTable
from sandbox.woocommerce.paging import chosen, page_response
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.phpnumber import whole_number
from sandbox.woocommerce.posts import POST_PARAMS, PostQuery
from sandbox.woocommerce.refunds import Refunds
from sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.schema import Param
from sandbox.woocommerce.site import Site

_PATH: Final = "/wc/v3/orders/{order_id}/refunds"
_CREATE_PARAMS: Final = {
    "amount": Param({"type": "string"}),
    "reason": Param({"type": "string"}),
    "line_items": Param({"type": "array", "items": {"type": "object"}}),
    "api_refund": Param({"type": "boolean"}, default=True),
    "api_restock": Param({"type": "boolean"}, default=True),
}
_DELETE_PARAMS: Final = {"force": Param({"type": "boolean"}, default=False)}


class RefundRoutes:
    """The endpoints of refunds, each below its order."""

    def __init__(
        self,
        site: Site,
        orders: OrderTable,
        *,
        life: OrderLife,
        refunds: Refunds,
    ) -> None:
        self._site = site
        self._orders = orders
        self._life = life
        self._refunds = refunds

    def routes(self) -> list[Route]:
        return [
            Route(
                _PATH,
                Endpoint(["GET"], self._list, known_caller("list"), POST_PARAMS),
                Endpoint(["POST"], self._create, known_caller("create"), _CREATE_PARAMS),
            ),
            Route(
                f"{_PATH}/{{id}}",
                Endpoint(["GET"], self._get, known_caller("view")),
                Endpoint(["DELETE"], self._delete, known_caller("delete"), _DELETE_PARAMS),
            ),
        ]

    async def _list(self, request: RestRequest) -> RestResponse:
        refunds = {refund.body.id: refund for refund in self._refunds.of(self._order(request))}
        rows = (
            {"id": key, **self._site.dates("date_created", refund.body.created_at)}
            for key, refund in refunds.items()
        )
        found = PostQuery(request.params, self._site).run(rows)
        body = [self._refunds.render(refunds[row["id"]]) for row in chosen(found, request)]
        return page_response(request, body, len(found))

    async def _get(self, request: RestRequest) -> RestResponse:
        refund = self._refunds.get(self._order(request), request.id)
        return RestResponse(self._refunds.render(refund))

    async def _create(self, request: RestRequest) -> RestResponse:
        order = self._order(request)
        refund = self._refunds.create(order, request.params, settle=self._settle)
        # The pattern in it is WooCommerce's own mistake (recording order_refund_create).
        path = f"orders/(?P<order_id>[\\d]+)/refunds/{refund.body.id}"
        location = {"Location": self._site.rest_url(path)}
        return RestResponse(self._refunds.render(refund), 201, location)

    def _settle(self, order: Order, is_full: bool) -> None:
        """An order that nothing is left of becomes "refunded"."""
        if is_full:
            self._life.set_status(order, "refunded")
        else:
            self._life.save(order, order.status)
            self._life.mailbox.tell_refund(order)

    async def _delete(self, request: RestRequest) -> RestResponse:
        order = self._order(request)
        refund = self._refunds.get(order, request.id)
        if not request.params.get("force"):
            message = "Refunds do not support trashing."
            raise RestError("woocommerce_rest_trash_not_supported", message, 501)
        self._refunds.delete(order, request.id)
        return RestResponse(self._refunds.render(refund))

    def _order(self, request: RestRequest) -> Order:
        return self._orders.get(whole_number(request.params["order_id"]))
