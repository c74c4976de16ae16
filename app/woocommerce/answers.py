"""Turns WooCommerce's answers into JSON, or into the error tree by the codes that it gives."""

from collections.abc import Mapping
from typing import Any

from app.errors import (
    AuthRejected,
    Duplicate,
    NotFound,
    Rejected,
    RemoteError,
    RemoteUnavailable,
    ResponseUnreadable,
    System,
)
from app.json_shapes import NotJson, parse_json
from app.transport import Answer, explain_code, refuse_status
from app.woocommerce.schemas import find_id

WOO = System.WOOCOMMERCE

GONE_CODES = frozenset(
    {
        "wc_user_invalid_id",
        "woocommerce_rest_product_invalid_id",
        "woocommerce_rest_product_variation_invalid_id",
        "woocommerce_rest_shop_order_invalid_id",
        "woocommerce_rest_shop_webhook_invalid_id",
        "woocommerce_rest_invalid_id",
        "woocommerce_rest_already_trashed",
        "rest_setting_setting_invalid",
        "rest_setting_setting_group_invalid",
    }
)
DUPLICATE_CODES = frozenset(
    {
        "registration-error-email-exists",
        "registration-error-username-exists",
        "woocommerce_rest_customer_invalid_email",
        "product_invalid_sku",
        "woocommerce_rest_product_not_created",
        "woocommerce_rest_tax_class_exists",
    }
)
AUTH_STATUSES = frozenset({401, 403})


def read_json(answer: Answer, *, write: bool) -> Any:
    """The JSON of a 2xx answer; anything else raises.

    Contract page WooCommerce §2 (Errors). RemoteUnavailable and ResponseUnreadable are
    ambiguous for a write that may have happened; a 4xx never is.
    """
    if 200 <= answer.status < 300:
        return _read_success(answer, write=write)
    data = _find_json(answer.body)
    if answer.status not in {429, 503} and isinstance(data, Mapping) and "code" in data:
        raise read_error(data, status=answer.status, write=write)
    refuse_status(WOO, answer, write=write)
    raise _refuse_unexplained(answer)


def read_error(data: Mapping[str, Any], *, status: int, write: bool) -> RemoteError:
    """The error that `{"code", "message", "data"}` tells, also inside a batch answer.

    Recordings err_*, customers_batch_mixed_errors. The code decides before the status does:
    a missing record is known by its code only, so that a switched-off plugin
    (`rest_no_route`, 404 too) is never taken for a deletion.
    """
    code, message = str(data.get("code", "")), _explain(data)
    summary = explain_code(code, status)
    if code in GONE_CODES:
        return NotFound(WOO, message, code=code, status=status, summary=summary)
    if code in DUPLICATE_CODES:
        holder_id = _find_holder(data)
        return Duplicate(WOO, message, code=code, holder_id=holder_id, summary=summary)
    if code == "rest_no_route":
        text = f"the WooCommerce REST API is not there: {message}"
        return RemoteUnavailable(
            WOO, text, code=code, status=status, ambiguous=False, summary=summary
        )
    if status in AUTH_STATUSES:
        return AuthRejected(WOO, message, code=code, status=status, summary=summary)
    if status >= 500 and code != "woocommerce_rest_trash_not_supported":
        return RemoteUnavailable(
            WOO, message, code=code, status=status, ambiguous=write, summary=summary
        )
    return Rejected(WOO, message, code=code, status=status, summary=summary)


def _read_success(answer: Answer, *, write: bool) -> Any:
    try:
        data = parse_json(answer.body)
    except NotJson as error:
        message, summary = f"{_unreadable(answer)}: {error}", _unreadable(answer)
        raise ResponseUnreadable(WOO, message, ambiguous=write, summary=summary) from error
    if data is None:
        raise ResponseUnreadable(WOO, _unreadable(answer), ambiguous=write)
    return data


def _find_json(body: bytes) -> Any:
    """The JSON in a body, None if there is none."""
    try:
        return parse_json(body)
    except NotJson:
        return None


def _explain(data: Mapping[str, Any]) -> str:
    """The message, with what it says of each parameter (recording err_customer_bad_billing)."""
    message = str(data.get("message", "")) or "no message"
    details = data.get("data")
    params = details.get("params") if isinstance(details, Mapping) else None
    if not isinstance(params, Mapping):
        return message
    return f"{message}: " + "; ".join(f"{name}: {text}" for name, text in params.items())


def _find_holder(data: Mapping[str, Any]) -> str | None:
    """Who has the SKU (recording err_product_duplicate_sku).

    E-mails come without a holder, and so does a SKU in the trash (product_sku_of_trashed).
    """
    details = data.get("data")
    return find_id(details.get("resource_id")) if isinstance(details, Mapping) else None


def _refuse_unexplained(answer: Answer) -> RemoteError:
    """A 4xx without WooCommerce's error object: something in front of the shop answered."""
    if answer.status in AUTH_STATUSES:
        message = f"something in front of the shop refused the request (HTTP {answer.status})"
        return AuthRejected(WOO, message, status=answer.status)
    if answer.status == 413:
        message = "something in front of the shop found the request too large (HTTP 413)"
        return Rejected(WOO, message, status=answer.status)
    return ResponseUnreadable(WOO, _unreadable(answer), status=answer.status, ambiguous=False)


def _unreadable(answer: Answer) -> str:
    kind = answer.headers.get("content-type", "no content type")
    return f"expected JSON, got {kind}, {len(answer.body)} bytes (HTTP {answer.status})"
