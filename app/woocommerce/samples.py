"""A look at what a shop holds: its newest records show people which fields and meta there are."""

from app.module_facts import WooCollection
from app.woocommerce.requests import ShopRequests, paging
from app.woocommerce.schemas import WooRecord

_QUERIES: dict[WooCollection, dict[str, str]] = {
    "customers": {"role": "all"},
    "products": {"status": "any", "context": "edit"},
    "orders": {},
}


class SampleCalls(ShopRequests):
    """The newest of customers, products or orders."""

    async def newest(self, collection: WooCollection, count: int) -> list[WooRecord]:
        """At most `count` (up to 100) records, newest first, as their list shows them.

        Contract page WooCommerce §2, Paging; recordings customers_list_page1, customer_paging.
        """
        query = {"orderby": "id", "order": "desc", **_QUERIES[collection]}
        found = await self._page(WooRecord, collection, query | paging(1, count))
        return list(found.items)
