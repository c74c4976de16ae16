"""Notes on orders, as they are written over REST; WooCommerce's own ones are not made up.

Contract page WooCommerce §1: a note fires nothing and leaves date_modified as it is.
"""

from typing import Any, Final

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.links import item_links
from sandbox.woocommerce.mailbox import NOTE, Mailbox
from sandbox.woocommerce.orders import OrderTable
from sandbox.woocommerce.paging import CONTEXT
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.phpnumber import whole_number
from sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.schema import Param
from sandbox.woocommerce.site import Sequence, Site

_PATH: Final = "/wc/v3/orders/{order_id}/notes"
_BOOLEAN: Final = {"type": "boolean"}
_CREATE_PARAMS: Final = {
    "note": Param({"type": "string"}, required=True, parsed=True),
    "customer_note": Param(_BOOLEAN, default=False),
    "added_by_user": Param(_BOOLEAN, default=False),
}
_LIST_PARAMS: Final = {
    "context": CONTEXT,
    "type": Param({"type": "string", "enum": ["any", "customer", "internal"]}, default="any"),
}
_DELETE_PARAMS: Final = {"force": Param(_BOOLEAN, default=False)}


class NoteRoutes:
    """The endpoints of order notes, which keep the notes themselves; newest first."""

    def __init__(self, site: Site, orders: OrderTable, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._site = site
        self._orders = orders
        self._ids = Sequence()
        self._rows: dict[int, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        return [
            Route(
                _PATH,
                Endpoint(["GET"], self._list, known_caller("list"), _LIST_PARAMS),
                Endpoint(["POST"], self._create, known_caller("create"), _CREATE_PARAMS),
            ),
            Route(
                f"{_PATH}/{{id}}",
                Endpoint(["GET"], self._get, known_caller("view")),
                Endpoint(["DELETE"], self._delete, known_caller("delete"), _DELETE_PARAMS),
            ),
        ]

    async def _list(self, request: RestRequest) -> RestResponse:
        order_id, kind = self._order_id(request), request.params["type"]
        rows = [row for row in self._rows.values() if row["order_id"] == order_id]
        wanted = {"any": (True, False), "customer": (True,), "internal": (False,)}[kind]
        found = [row for row in reversed(rows) if row["customer_note"] in wanted]
        return RestResponse([self._render(row) for row in found])

    async def _create(self, request: RestRequest) -> RestResponse:
        note_id = self._ids.next()
        self._rows[note_id] = row = {
            "id": note_id,
            "order_id": self._order_id(request),
            "author": "admin" if request.params["added_by_user"] else "WooCommerce",
            **self._site.dates("date_created", self._site.now()),
            "note": request.params["note"],
            "customer_note": request.params["customer_note"],
        }
        order = self._orders.get(row["order_id"])
        if row["customer_note"]:
            self._mailbox.send(NOTE, order.billing["email"], f"order {order.id}")
        body = self._render(row)
        return RestResponse(body, 201, {"Location": body["_links"]["self"][0]["href"]})

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self._render(self._known(request)))

    async def _delete(self, request: RestRequest) -> RestResponse:
        row = self._known(request)
        if not request.params["force"]:
            # WooCommerce's own words.
            message = "Webhooks do not support trashing."
            raise RestError("woocommerce_rest_trash_not_supported", message, 501)
        del self._rows[row["id"]]
        return RestResponse(self._render(row))

    def _order_id(self, request: RestRequest) -> int:
        order = self._orders.find(whole_number(request.params["order_id"]))
        if order is None:
            raise RestError("woocommerce_rest_order_invalid_id", "Invalid order ID.", 404)
        return order.id

    def _known(self, request: RestRequest) -> dict[str, Any]:
        row = self._rows.get(request.id)
        if row is None or row["order_id"] != self._order_id(request):
            raise RestError("woocommerce_rest_invalid_id", "Invalid resource ID.", 404)
        return row

    def _render(self, row: dict[str, Any]) -> dict[str, Any]:
        url = self._site.rest_url(f"orders/{row['order_id']}")
        links = item_links(f"{url}/notes/{row['id']}", f"{url}/notes", ("GET", "DELETE"))
        body = {key: value for key, value in row.items() if key != "order_id"}
        return {**body, "_links": {**links, "up": [{"href": url}]}}
