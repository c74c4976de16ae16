"""/coupons over REST, the fields that orders use. Recording coupon_create shows the object."""

from typing import Any, Final

from sandbox.woocommerce.customers import Emit
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.links import ALL_METHODS, item_links
from sandbox.woocommerce.objects import ObjectTable
from sandbox.woocommerce.options import Options
from sandbox.woocommerce.paging import chosen, page_response
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.phpnumber import cleaned_price, fixed_text, number
from sandbox.woocommerce.posts import POST_PARAMS, PostQuery
from sandbox.woocommerce.productrows import touch
from sandbox.woocommerce.rest import EDIT_METHODS, Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.schema import Param
from sandbox.woocommerce.site import Site

_TEXT: Final = {"type": "string"}
_LIST_PARAMS: Final = {**POST_PARAMS, "code": Param(_TEXT)}
_TYPES: Final = {"type": "string", "enum": ["percent", "fixed_cart", "fixed_product"]}
_BODY_PARAMS: Final = {
    "amount": Param(_TEXT),
    "discount_type": Param(_TYPES),
    "description": Param(_TEXT),
    "free_shipping": Param({"type": "boolean"}),
}
_CREATE_PARAMS: Final = {**_BODY_PARAMS, "code": Param(_TEXT, required=True, parsed=True)}
_ITEM: Final = {"id": Param({"type": "integer"})}
_DELETE_PARAMS: Final = {**_ITEM, "force": Param({"type": "boolean"}, default=False)}


class CouponRoutes:
    """The endpoints of coupons over one shop's table."""

    def __init__(self, site: Site, options: Options, coupons: ObjectTable, emit: Emit) -> None:
        self._site = site
        self._options = options
        self._coupons = coupons
        self._emit = emit

    def routes(self) -> list[Route]:
        update_params = {**_ITEM, **_BODY_PARAMS, "code": Param(_TEXT)}
        return [
            Route(
                "/wc/v3/coupons",
                Endpoint(["GET"], self._list, known_caller("list"), _LIST_PARAMS),
                Endpoint(["POST"], self._create, known_caller("create"), _CREATE_PARAMS),
            ),
            Route(
                "/wc/v3/coupons/{id}",
                Endpoint(["GET"], self._get, known_caller("view"), _ITEM),
                Endpoint(EDIT_METHODS, self._update, known_caller("edit"), update_params),
                Endpoint(["DELETE"], self._delete, known_caller("delete"), _DELETE_PARAMS),
            ),
        ]

    def _view(self, coupon_id: int) -> dict[str, Any]:
        return self._coupons.render(self._coupons.get(coupon_id))

    async def _list(self, request: RestRequest) -> RestResponse:
        code = (request.params.get("code") or "").lower()
        found = PostQuery(request.params, self._site).run(
            self._coupons, lambda row: not code or row["code"].lower() == code
        )
        body = [self._coupons.render(dict(row)) for row in chosen(found, request)]
        return page_response(request, body, len(found))

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self._view(request.id))

    async def _create(self, request: RestRequest) -> RestResponse:
        code = scalar_text(request.params["code"]).lower()
        if any(row["code"] == code for row in self._coupons):
            message = "The coupon code already exists"
            raise RestError("woocommerce_rest_coupon_code_already_exists", message, 400)
        row = self._new_row(code)
        self._write(row, request)
        self._coupons.load([row])
        self._emit("coupon.created", row["id"])
        location = {"Location": self._site.rest_url(f"coupons/{row['id']}")}
        return RestResponse(self._view(row["id"]), 201, location)

    async def _update(self, request: RestRequest) -> RestResponse:
        row = self._coupons.get(request.id)
        if request.params.get("code"):
            row["code"] = request.params["code"].lower()
        self._write(row, request)
        touch(row, self._site.now(), self._site)
        self._emit("coupon.updated", row["id"])
        return RestResponse(self._view(row["id"]))

    async def _delete(self, request: RestRequest) -> RestResponse:
        body = self._view(request.id)
        if request.params["force"]:
            self._coupons.remove(request.id)
        else:
            self._coupons.get(request.id)["status"] = "trash"
            # The hook takes any post for a product (contract page WooCommerce §1, spurious
            # product.deleted).
            self._emit("coupon.deleted", request.id)
            self._emit("product.deleted", request.id)
        return RestResponse(body)

    def _write(self, row: dict[str, Any], request: RestRequest) -> None:
        params = request.params
        if params.get("amount") is not None:
            amount = number(cleaned_price(params["amount"]))
            row["amount"] = fixed_text(amount, self._options.decimals)
        for name in ("discount_type", "description", "free_shipping"):
            if params.get(name) is not None:
                row[name] = params[name]

    def _new_row(self, code: str) -> dict[str, Any]:
        coupon_id, now = self._coupons.new_id(), self._site.now()
        zero, url = fixed_text(0.0, self._options.decimals), self._site.rest_url("coupons")
        return {
            "id": coupon_id,
            "code": code,
            "amount": zero,
            "status": "publish",
            **self._site.dates("date_created", now),
            **self._site.dates("date_modified", now),
            "discount_type": "fixed_cart",
            "description": "",
            "date_expires": None,
            "date_expires_gmt": None,
            "usage_count": 0,
            "individual_use": False,
            "product_ids": [],
            "excluded_product_ids": [],
            "usage_limit": None,
            "usage_limit_per_user": None,
            "limit_usage_to_x_items": None,
            "free_shipping": False,
            "product_categories": [],
            "excluded_product_categories": [],
            "exclude_sale_items": False,
            "minimum_amount": zero,
            "maximum_amount": zero,
            "email_restrictions": [],
            "used_by": [],
            "meta_data": [],
            "_links": item_links(f"{url}/{coupon_id}", url, ALL_METHODS),
        }
