"""/customers over REST: arguments, permissions, lists and batch.

Contract pages WooCommerce §2 and readback; recordings customer_*, customers_*, err_customer_*.
"""

import unicodedata
from typing import Any, Final

from sandbox.woocommerce.batch import BatchOperations, run_batch
from sandbox.woocommerce.customers import Customers
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.paging import CONTEXT, chosen, page_params, page_response
from sandbox.woocommerce.permissions import known_caller, refused
from sandbox.woocommerce.rest import EDIT_METHODS, Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.schema import Param
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.users import (
    BILLING_FIELDS,
    DELETABLE_ROLES,
    ROLES,
    SHIPPING_FIELDS,
    User,
    UserTable,
    render_user,
)
from sandbox.woocommerce.wordpress import sanitize_text_field, sanitize_user

_TEXT: Final = {"type": "string"}
_EMAIL: Final = {"type": "string", "format": "email"}
_META: Final = {"type": "object", "properties": {"id": {"type": "integer"}, "key": _TEXT}}
_SHARED_PARAMS: Final = {
    "first_name": Param(_TEXT, clean=sanitize_text_field),
    "last_name": Param(_TEXT, clean=sanitize_text_field),
    "billing": Param(
        {
            "type": "object",
            "properties": {**dict.fromkeys(BILLING_FIELDS, _TEXT), "email": _EMAIL},
        }
    ),
    "shipping": Param({"type": "object", "properties": dict.fromkeys(SHIPPING_FIELDS, _TEXT)}),
    "meta_data": Param({"type": "array", "items": _META}),
}
_CREATE_PARAMS: Final = {
    "email": Param(_TEXT, required=True, parsed=True),
    "username": Param(_TEXT, parsed=True),
    "password": Param(_TEXT, parsed=True),
    **_SHARED_PARAMS,
}
_UPDATE_PARAMS: Final = {
    "id": Param({"type": "integer"}),
    "email": Param(_EMAIL),
    "username": Param(_TEXT, clean=sanitize_user),
    "password": Param(_TEXT),
    **_SHARED_PARAMS,
}
_DELETE_PARAMS: Final = {
    "id": Param({"type": "integer"}),
    "force": Param({"type": "boolean"}, default=False),
    "reassign": Param({"type": "integer"}),
}
_LIST_PARAMS: Final = {
    **page_params(
        orderby=["id", "include", "name", "registered_date"], default="name", order="asc"
    ),
    "email": Param(_EMAIL),
    "role": Param({"type": "string", "enum": ["all", *ROLES]}, default="customer"),
}


class CustomerRoutes:
    """The endpoints of /customers over one shop's users."""

    def __init__(self, site: Site, users: UserTable, customers: Customers) -> None:
        self._site = site
        self._users = users
        self._customers = customers

    def routes(self) -> list[Route]:
        item = {"id": Param({"type": "integer"}), "context": CONTEXT}
        operations = BatchOperations(self._create, self._update_allowed, self._delete_allowed)
        return [
            Route(
                "/wc/v3/customers",
                Endpoint(["GET"], self._list, known_caller("list"), _LIST_PARAMS),
                Endpoint(["POST"], self._create, known_caller("create"), _CREATE_PARAMS),
            ),
            Route(
                "/wc/v3/customers/{id}",
                Endpoint(["GET"], self._get, self._may_view, item),
                Endpoint(EDIT_METHODS, self._update, self._may_edit, _UPDATE_PARAMS),
                Endpoint(["DELETE"], self._delete, self._may_delete, _DELETE_PARAMS),
            ),
            Route(
                "/wc/v3/customers/batch",
                Endpoint(
                    EDIT_METHODS,
                    lambda request: run_batch(request, operations),
                    known_caller("batch"),
                ),
            ),
        ]

    def _may_view(self, request: RestRequest) -> None:
        self._customers.get(request.id)
        known_caller("view")(request)

    def _may_edit(self, request: RestRequest) -> None:
        user = self._customers.get(request.id)
        if request.key is None or not (request.key.is_admin or user.role == "customer"):
            raise refused(request, "edit")

    def _may_delete(self, request: RestRequest) -> None:
        user = self._customers.get(request.id)
        if request.key is None or not request.key.is_admin:
            raise refused(request, "delete")
        if user.role not in DELETABLE_ROLES:
            message = (
                f"Sorry, users with {user.role} role cannot be deleted via this endpoint. "
                f"Allowed roles: {', '.join(DELETABLE_ROLES)}"
            )
            raise RestError("woocommerce_rest_cannot_delete", message, request.denied_status)

    async def _list(self, request: RestRequest) -> RestResponse:
        found = sorted(self._matching(request.params), key=lambda user: user.id)
        _sort(found, request.params)
        body = [self._body(user, request) for user in chosen(found, request)]
        return page_response(request, body, len(found))

    def _matching(self, params: Any) -> list[User]:
        users = [u for u in self._users if params["role"] in ("all", u.role)]
        if params.get("email"):
            users = [u for u in users if u.email.lower() == params["email"].lower()]
        if params.get("include"):
            users = [u for u in users if u.id in params["include"]]
        if params.get("exclude"):
            users = [u for u in users if u.id not in params["exclude"]]
        if params.get("search"):
            users = [u for u in users if _found_by(u, params["search"])]
        return users

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self._body(self._customers.get(request.id), request))

    async def _create(self, request: RestRequest) -> RestResponse:
        if request.params.get("id"):
            message = "Cannot create existing resource."
            raise RestError("woocommerce_rest_customer_exists", message, 400)
        user = self._customers.create(request.params)
        location = {"Location": self._site.rest_url(f"customers/{user.id}")}
        return RestResponse(self._body(user, request), 201, location)

    async def _update(self, request: RestRequest) -> RestResponse:
        return RestResponse(self._body(self._customers.update(request.id, request.params), request))

    async def _delete(self, request: RestRequest) -> RestResponse:
        if not request.params.get("force"):
            message = "Customers do not support trashing."
            raise RestError("woocommerce_rest_trash_not_supported", message, 501)
        user = self._customers.delete(request.id)
        return RestResponse(render_user(user, self._site, by_admin=True, deleted=True))

    async def _update_allowed(self, request: RestRequest) -> RestResponse:
        self._may_edit(request)
        return await self._update(request)

    async def _delete_allowed(self, request: RestRequest) -> RestResponse:
        self._may_delete(request)
        return await self._delete(request)

    def _body(self, user: User, request: RestRequest) -> dict[str, Any]:
        by_admin = request.key is not None and request.key.is_admin
        return render_user(user, self._site, by_admin=by_admin)


def _sort(users: list[User], params: Any) -> None:
    orderby, included = params["orderby"], params.get("include") or []
    if orderby == "include":
        users.sort(key=lambda user: included.index(user.id) if user.id in included else 0)
        return
    keys: dict[str, Any] = {
        "id": lambda user: user.id,
        "name": lambda user: user.username.lower(),
        "registered_date": lambda user: user.created_at,
    }
    users.sort(key=keys[orderby], reverse=params["order"] == "desc")


def _found_by(user: User, text: str) -> bool:
    """WP_User_Query's columns: the address for a text with @, else user name and address."""
    columns = [user.email] if "@" in text else [user.username, user.email]
    return any(_folded(text) in _folded(column) for column in columns)


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
