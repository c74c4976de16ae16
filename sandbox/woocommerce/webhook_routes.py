"""/webhooks over REST. The secret is never shown; the ping goes out before the answer.

Contract page WooCommerce §1; recordings webhooks_create_*, webhooks_list, webhook_reactivate.
"""

import secrets
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.woocommerce.batch import BatchOperations, run_batch
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.links import ALL_METHODS, item_links
from sandbox.woocommerce.paging import CONTEXT, chosen, page_params, page_response
from sandbox.woocommerce.permissions import known_caller
from sandbox.woocommerce.rest import EDIT_METHODS, Endpoint, RestRequest, RestResponse, Route
from sandbox.woocommerce.schema import Param
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.webhooks import Webhook, WebhookCenter, is_valid_topic

_TEXT: Final = {"type": "string"}
_STATUSES: Final = ["active", "paused", "disabled"]
_ITEM: Final = {"id": Param({"type": "integer"})}
_EDITABLE: Final = {
    "name": Param(_TEXT),
    "status": Param({"type": "string", "enum": _STATUSES}),
    "topic": Param(_TEXT),
    "secret": Param(_TEXT),
    "delivery_url": Param(_TEXT),
}
_CREATE_PARAMS: Final = {
    **_EDITABLE,
    "topic": Param(_TEXT, required=True, parsed=True),
    "delivery_url": Param(_TEXT, required=True, parsed=True),
}
_LIST_PARAMS: Final = {
    **page_params(orderby=["date", "id", "title"], default="date", order="desc"),
    "status": Param({"type": "string", "enum": ["all", *_STATUSES]}, default="all"),
}
_DELETE_PARAMS: Final = {**_ITEM, "force": Param({"type": "boolean"}, default=False)}
_HOOKS: Final = {
    "coupon.created": ("woocommerce_process_shop_coupon_meta", "woocommerce_new_coupon"),
    "coupon.updated": ("woocommerce_process_shop_coupon_meta", "woocommerce_update_coupon"),
    "coupon.deleted": ("wp_trash_post",),
    "coupon.restored": ("untrashed_post",),
    "customer.created": (
        "user_register",
        "woocommerce_created_customer",
        "woocommerce_new_customer",
    ),
    "customer.updated": ("profile_update", "woocommerce_update_customer"),
    "customer.deleted": ("delete_user",),
    "order.created": ("woocommerce_new_order",),
    "order.updated": ("woocommerce_update_order", "woocommerce_order_refunded"),
    "order.deleted": ("wp_trash_post", "woocommerce_trash_order"),
    "order.restored": ("untrashed_post", "woocommerce_untrash_order"),
    "product.created": (
        "woocommerce_process_product_meta",
        "woocommerce_new_product",
        "woocommerce_new_product_variation",
    ),
    "product.updated": (
        "woocommerce_process_product_meta",
        "woocommerce_update_product",
        "woocommerce_update_product_variation",
    ),
    "product.deleted": ("wp_trash_post",),
    "product.restored": ("untrashed_post",),
}


class WebhookRoutes:
    """The endpoints of /webhooks over one shop's webhooks."""

    def __init__(self, site: Site, webhooks: WebhookCenter) -> None:
        self._site = site
        self._webhooks = webhooks

    def routes(self) -> list[Route]:
        edit, delete = known_caller("edit"), known_caller("delete")
        operations = BatchOperations(self._create, self._update, self._delete)
        return [
            Route(
                "/wc/v3/webhooks",
                Endpoint(["GET"], self._list, known_caller("list"), _LIST_PARAMS),
                Endpoint(["POST"], self._create, known_caller("create"), _CREATE_PARAMS),
            ),
            Route(
                "/wc/v3/webhooks/{id}",
                Endpoint(["GET"], self._get, known_caller("view"), {**_ITEM, "context": CONTEXT}),
                Endpoint(EDIT_METHODS, self._update, edit, {**_ITEM, **_EDITABLE}),
                Endpoint(["DELETE"], self._delete, delete, _DELETE_PARAMS),
            ),
            Route(
                "/wc/v3/webhooks/batch",
                Endpoint(
                    EDIT_METHODS,
                    lambda request: run_batch(request, operations),
                    known_caller("batch"),
                ),
            ),
        ]

    async def _list(self, request: RestRequest) -> RestResponse:
        status = request.params["status"]
        found = [w for w in self._webhooks.all() if status in ("all", w.status)]
        title = request.params["orderby"] == "title"
        reverse = request.params["order"] == "desc"
        found.sort(key=lambda w: (w.name.lower() if title else "", w.id), reverse=reverse)
        body = [self._render(webhook) for webhook in chosen(found, request)]
        return page_response(request, body, len(found))

    async def _get(self, request: RestRequest) -> RestResponse:
        return RestResponse(self._render(self._known(request, 404)))

    async def _create(self, request: RestRequest) -> RestResponse:
        params = request.params
        _check_topic(params.get("topic"))
        _check_url(params.get("delivery_url"))
        webhook = self._webhooks.add(
            name=params.get("name") or self._default_name(),
            status=params.get("status") or "active",
            topic=params["topic"],
            delivery_url=params["delivery_url"],
            secret=params.get("secret") or secrets.token_urlsafe(50)[:50],
            owner=request.caller,
        )
        location = {"Location": self._site.rest_url(f"webhooks/{webhook.id}")}
        response = RestResponse(self._render(webhook), 201, location)
        await self._webhooks.ping(webhook)
        return response

    def _default_name(self) -> str:
        moment = self._site.now().astimezone(self._site.timezone)
        return f"Webhook created on {moment:%b %d, %Y @ %I:%M %p}"

    async def _update(self, request: RestRequest) -> RestResponse:
        webhook, params = self._known(request, 400), request.params
        if params.get("topic"):
            _check_topic(params["topic"])
        if params.get("delivery_url"):
            _check_url(params["delivery_url"])
        if params.get("status"):
            _check_status(params["status"])
        if params.get("delivery_url", webhook.delivery_url) != webhook.delivery_url:
            webhook.pending_delivery = True
        for name in _EDITABLE:
            if params.get(name):
                setattr(webhook, name, params[name])
        await self._webhooks.save(webhook)
        return RestResponse(self._render(webhook))

    async def _delete(self, request: RestRequest) -> RestResponse:
        webhook = self._known(request, 404)
        if not request.params.get("force"):
            message = "Webhooks do not support trashing."
            raise RestError("woocommerce_rest_trash_not_supported", message, 501)
        self._webhooks.remove(webhook)
        return RestResponse(self._render(webhook))

    def _known(self, request: RestRequest, status: int) -> Webhook:
        webhook = self._webhooks.find(request.id)
        if webhook is None:
            raise RestError("woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.", status)
        return webhook

    def _render(self, webhook: Webhook) -> dict[str, Any]:
        url = self._site.rest_url(f"webhooks/{webhook.id}")
        return {
            "id": webhook.id,
            "name": webhook.name,
            "status": webhook.status,
            "topic": webhook.topic,
            "resource": webhook.resource,
            "event": webhook.event,
            "hooks": _hooks(webhook),
            "delivery_url": webhook.delivery_url,
            **self._site.dates("date_created", webhook.created_at),
            **self._site.dates("date_modified", webhook.modified_at),
            "_links": item_links(url, self._site.rest_url("webhooks"), ALL_METHODS),
        }


def _hooks(webhook: Webhook) -> list[str]:
    if webhook.resource == "action":
        return [webhook.event]
    return list(_HOOKS.get(webhook.topic, ()))


def _check_topic(topic: Any) -> None:
    if not isinstance(topic, str) or not is_valid_topic(topic.lower()):
        message = "Webhook topic is required and must be valid."
        raise RestError("woocommerce_rest_shop_webhook_invalid_topic", message, 400)


def _check_url(url: Any) -> None:
    if not isinstance(url, str) or not _is_http_url(url):
        message = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise RestError("woocommerce_rest_shop_webhook_invalid_delivery_url", message, 400)


def _is_http_url(url: str) -> bool:
    if not url.startswith(("http://", "https://")) or not url.isascii() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_status(status: Any) -> None:
    if status not in _STATUSES:
        message = "Webhook status must be valid."
        raise RestError("woocommerce_rest_shop_webhook_invalid_status", message, 400)
