"""/coupons, readable. Recording coupon_create shows the object."""

from typing import Any, Final

from app.sandbox.woocommerce.objects import ObjectTable
from app.sandbox.woocommerce.paging import chosen, page_response
from app.sandbox.woocommerce.permissions import known_caller
from app.sandbox.woocommerce.posts import POST_PARAMS, PostQuery
from app.sandbox.woocommerce.rest import Endpoint, RestRequest, RestResponse, Route
from app.sandbox.woocommerce.schema import Param
from app.sandbox.woocommerce.site import Site

_LIST_PARAMS: Final = {**POST_PARAMS, "code": Param({"type": "string"})}


class CouponRoutes:
    """GET of coupons over one shop's table."""

    def __init__(self, site: Site, coupons: ObjectTable) -> None:
        self._site = site
        self._coupons = coupons

    def routes(self) -> list[Route]:
        return [
            Route(
                "/wc/v3/coupons", Endpoint(["GET"], self._list, known_caller("list"), _LIST_PARAMS)
            ),
            Route("/wc/v3/coupons/{id}", Endpoint(["GET"], self._get, known_caller("view"))),
        ]

    def view(self, coupon_id: int) -> dict[str, Any]:
        return self._coupons.render(self._coupons.get(coupon_id))

    async def _list(self, request: RestRequest) -> RestResponse:
        code = (request.params.get("code") or "").lower()
        found = PostQuery(request.params, self._site).run(
            self._coupons, lambda row: not code or row["code"].lower() == code
        )
        body = [self._coupons.render(dict(row)) for row in chosen(found, request)]
        return page_response(request, body, len(found))

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self.view(request.id))
