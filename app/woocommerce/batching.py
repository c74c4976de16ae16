"""How batches reach the shop, one request after the other."""

from collections.abc import Sequence

from app.errors import RemoteError
from app.woocommerce.batch import BatchCall, read_batch
from app.woocommerce.requests import R, ShopRequests


class BatchRequests(ShopRequests):
    """`…/batch` of any resource that has one (contract page WooCommerce §2, Batch)."""

    async def _batch(
        self, kind: type[R], path: str, calls: Sequence[BatchCall]
    ) -> list[R | RemoteError]:
        """One result an item, in their order; the error of a whole request for each of its
        items."""
        results: list[R | RemoteError] = []
        for call in calls:
            results += await self._run_batch(kind, path, call)
        return results

    async def _run_batch(self, kind: type[R], path: str, call: BatchCall) -> list[R | RemoteError]:
        try:
            answer = await self._write("POST", f"{path}/batch", call.body)
            return read_batch(kind, answer, call)
        except RemoteError as error:
            return [error] * len(call.items)
