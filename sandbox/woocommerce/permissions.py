"""Who may do what: the checks that all collections share, with their recorded refusals."""

from typing import Final

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.rest import Permission, RestRequest

_REFUSALS: Final = {
    "list": ("woocommerce_rest_cannot_view", "Sorry, you cannot list resources."),
    "view": ("woocommerce_rest_cannot_view", "Sorry, you cannot view this resource."),
    "create": (
        "woocommerce_rest_cannot_create",
        "Sorry, you are not allowed to create resources.",
    ),
    "edit": (
        "woocommerce_rest_cannot_edit",
        "Sorry, you are not allowed to edit this resource.",
    ),
    "delete": (
        "woocommerce_rest_cannot_delete",
        "Sorry, you are not allowed to delete this resource.",
    ),
    "batch": (
        "woocommerce_rest_cannot_batch",
        "Sorry, you are not allowed to batch manipulate this resource.",
    ),
}


def refused(request: RestRequest, action: str) -> RestError:
    code, message = _REFUSALS[action]
    return RestError(code, message, request.denied_status)


def known_caller(action: str) -> Permission:
    """A check that any authenticated key passes."""

    def check(request: RestRequest) -> None:
        if request.key is None:
            raise refused(request, action)

    return check
