"""Pages of a collection: the arguments all lists share and the headers that count them.

Contract page WooCommerce §2 (Paging).
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from sandbox.woocommerce.rest import RestRequest, RestResponse, link
from sandbox.woocommerce.schema import Param

T = TypeVar("T")

_ORDERS: Final = ["asc", "desc"]

CONTEXT: Final = Param({"type": "string", "enum": ["view", "edit"]}, default="view")


def page_params(*, orderby: Sequence[str], default: str, order: str) -> dict[str, Param]:
    """context, page, per_page, offset, search, order and orderby of a list."""
    return {
        "context": CONTEXT,
        "page": Param({"type": "integer", "minimum": 1}, default=1),
        "per_page": Param({"type": "integer", "minimum": 1, "maximum": 100}, default=10),
        "search": Param({"type": "string"}),
        "exclude": Param({"type": "array", "items": {"type": "integer"}}),
        "include": Param({"type": "array", "items": {"type": "integer"}}),
        "offset": Param({"type": "integer"}),
        "order": Param({"type": "string", "enum": _ORDERS}, default=order),
        "orderby": Param({"type": "string", "enum": list(orderby)}, default=default),
    }


def chosen(items: Sequence[T], request: RestRequest) -> Sequence[T]:
    """The slice of the items that the request's page asks for."""
    per_page = request.params["per_page"]
    offset = request.params.get("offset")
    start = (request.params["page"] - 1) * per_page if offset is None else max(0, offset)
    return items[start : start + per_page]


def page_response(
    request: RestRequest,
    body: list[dict[str, Any]],
    total: int,
    *,
    extra_query: dict[str, Any] | None = None,
) -> RestResponse:
    """The page with its counters; `prev` of a page past the end leads to the last one."""
    page, pages = request.params["page"], -(-total // request.params["per_page"])
    base = f"{request.base_url}/wp-json{request.path}"
    query = {**request.query, **(extra_query or {})}
    links = []
    if page > 1:
        links.append(f'<{link(base, query, min(page - 1, pages))}>; rel="prev"')
    if page < pages:
        links.append(f'<{link(base, query, page + 1)}>; rel="next"')
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
    if links:
        headers["Link"] = ", ".join(links)
    return RestResponse(body, headers=headers)
