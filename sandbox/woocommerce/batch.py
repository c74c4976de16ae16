"""`/batch` of any resource: per-item answers in the order asked, without schema checks.

Contract page WooCommerce §2 (Batch); recordings customers_batch_mixed_errors, err_batch_limit_101.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.woocommerce.errors import FatalError, RestError
from sandbox.woocommerce.php import integer
from sandbox.woocommerce.rest import RestRequest, RestResponse

_LIMIT = 100

Operation = Callable[[RestRequest], Awaitable[RestResponse]]


@dataclass(frozen=True, slots=True)
class BatchOperations:
    """What one item of each list does, its permission check included."""

    create: Operation
    update: Operation
    delete: Operation


async def run_batch(request: RestRequest, operations: BatchOperations) -> RestResponse:
    """Answer 200 with one entry per item; raises RestError (413) for more than 100 items."""
    lists = {name: _items(request.params.get(name)) for name in ("create", "update", "delete")}
    if sum(map(len, lists.values())) > _LIMIT:
        message = f"Unable to accept more than {_LIMIT} items for this request."
        raise RestError("woocommerce_rest_request_entity_too_large", message, 413)
    answers: dict[str, list[Any]] = {}
    for item in lists["create"]:
        answer = await _run(request, operations.create, "POST", item, item_id=0)
        answers.setdefault("create", []).append(answer)
    for item in lists["update"]:
        item_id = item.get("id") if isinstance(item, dict) else None
        answer = await _run(request, operations.update, "PUT", item, item_id=item_id)
        answers.setdefault("update", []).append(answer)
    for item_id in filter(None, map(integer, lists["delete"])):
        params = {"id": item_id, "force": True}
        answer = await _run(request, operations.delete, "DELETE", params, item_id=item_id)
        answers.setdefault("delete", []).append(answer)
    return RestResponse(answers)


async def _run(
    request: RestRequest, operation: Operation, method: str, item: Any, *, item_id: Any
) -> Any:
    params = item if isinstance(item, Mapping) else {}
    try:
        response = await operation(replace(request, method=method, params=params))
    except FatalError:
        raise
    except RestError as error:
        return {"id": item_id, "error": error.envelope()}
    return response.body


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
