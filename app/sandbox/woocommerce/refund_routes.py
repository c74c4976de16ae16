"""/orders/{id}/refunds over REST. Recordings order_refund_create, order_refunds_list."""

from typing import Any, Final

from app.sandbox.woocommerce.errors import RestError
from app.sandbox.woocommerce.links import rebase_links
from app.sandbox.woocommerce.objects import ObjectTable
from app.sandbox.woocommerce.orderlife import OrderLife
from app.sandbox.woocommerce.orders import Order, OrderTable
from app.sandbox.woocommerce.paging import chosen, page_response
from app.sandbox.woocommerce.permissions import known_caller
from app.sandbox.woocommerce.phpnumber import whole_number
from app.sandbox.woocommerce.posts import POST_PARAMS, PostQuery
from app.sandbox.woocommerce.refunds import Refunds
from app.sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from app.sandbox.woocommerce.schema import Param
from app.sandbox.woocommerce.site import Site

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
        table: ObjectTable,
        orders: OrderTable,
        *,
        life: OrderLife,
        refunds: Refunds,
    ) -> None:
        self._site = site
        self._table = table
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
        own = {note.id for note in self._order(request).refunds}
        rows = (row for row in self._table if row["id"] in own)
        found = PostQuery(request.params, self._site).run(rows)
        body = [self._render(dict(row)) for row in chosen(found, request)]
        return page_response(request, body, len(found))

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self._render(self._known(request)))

    async def _create(self, request: RestRequest) -> RestResponse:
        order = self._order(request)
        refund = self._refunds.create(order, request.params, settle=self._settle)
        path = f"orders/{order.id}/refunds/{refund['id']}"
        location = {"Location": self._site.rest_url(path)}
        return RestResponse(self._render(refund), 201, location)

    def _settle(self, order: Order, is_full: bool) -> None:
        """An order that nothing is left of becomes "refunded"."""
        if is_full:
            self._life.set_status(order, "refunded")
        else:
            self._life.save(order, order.status)

    async def _delete(self, request: RestRequest) -> RestResponse:
        row = self._known(request)
        if not request.params.get("force"):
            message = "Refunds do not support trashing."
            raise RestError("woocommerce_rest_trash_not_supported", message, 501)
        self._refunds.delete(self._order(request), row["id"])
        return RestResponse(self._render(row))

    def _order(self, request: RestRequest) -> Order:
        return self._orders.get(whole_number(request.params["order_id"]))

    def _known(self, request: RestRequest) -> dict[str, Any]:
        own = {note.id for note in self._order(request).refunds}
        row = self._table.get(request.id)
        if row["id"] not in own:
            message = "Invalid order refund ID."
            raise RestError("woocommerce_rest_invalid_order_refund_id", message, 404)
        return row

    def _render(self, row: dict[str, Any]) -> dict[str, Any]:
        body = {key: value for key, value in row.items() if key != "parent_id"}
        return {**body, "_links": rebase_links(row.get("_links", {}), self._site.base_url)}
