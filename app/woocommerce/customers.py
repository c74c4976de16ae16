"""The calls about customers, which are WordPress users of any role."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

from app.errors import Rejected, RemoteError
from app.woocommerce.batch import plan_batch
from app.woocommerce.batching import BatchRequests
from app.woocommerce.requests import PER_PAGE, paging, parse_all, record_path
from app.woocommerce.schemas import WooCustomer, WooPage

Role = Literal["all", "customer"]


class CustomerCalls(BatchRequests):
    """wc/v3/customers."""

    async def get_customer(self, customer_id: str) -> WooCustomer:
        """NotFound if there is no such user (recordings customer_get, err_customer_404)."""
        answer = await self._get(record_path("customers", customer_id))
        return WooCustomer.parse(answer).answering(customer_id)

    async def search_customers_by_email(self, email: str) -> list[WooCustomer]:
        """Users of any role with exactly this e-mail, whatever its case (customer_search_email).

        The default role filter would hide an administrator who owns the address (contract
        page WooCommerce §2, Paging). Nobody has what WordPress holds for no address, which it
        refuses to look for, nor an empty one, which it takes for "any".
        """
        wanted = email.strip().casefold()
        if not wanted:
            return []
        query = {"email": email.strip(), "role": "all", "per_page": "100"}
        try:
            found = parse_all(WooCustomer, await self._get("customers", query))
        except Rejected as error:
            if error.code != "rest_invalid_param":
                raise
            return []
        return [one for one in found if one.email.casefold() == wanted]

    async def search_customers(
        self, *, page: int = 1, per_page: int = 100, role: Role = "all"
    ) -> WooPage[WooCustomer]:
        """One page in the order of ids; empty past the end (recordings customer_paging,
        err_page_beyond).

        There is no "modified since" for customers (customer_modified_after_ignored).
        """
        query = {"role": role, "orderby": "id", "order": "asc"}
        return await self._page(WooCustomer, "customers", query | paging(page, per_page))

    def each_customer(
        self, *, role: Role = "all", per_page: int = PER_PAGE
    ) -> AsyncIterator[WooCustomer]:
        """Each customer once, in the order of ids (contract page WooCommerce §2, Paging)."""
        return self._each(WooCustomer, "customers", {"role": role}, per_page=per_page)

    async def count_customers(self, *, role: Role = "all") -> int:
        """How many there are, told by one short page (recording customer_paging)."""
        return await self._count("customers", {"role": role})

    async def create_customer(self, body: Mapping[str, Any]) -> WooCustomer:
        """Duplicate if a user of any role has the e-mail (customer_create, err_customer_*)."""
        return WooCustomer.parse(await self._write("POST", "customers", body))

    async def update_customer(self, customer_id: str, patch: Mapping[str, Any]) -> WooCustomer:
        """Billing and shipping merge field by field (customer_update_partial_billing).

        NotFound; Duplicate if another user has the e-mail (err_customer_update_duplicate_email).
        """
        path = record_path("customers", customer_id)
        answer = await self._write("PUT", path, patch)
        return WooCustomer.parse(answer).answering(customer_id)

    async def delete_customer(self, customer_id: str) -> WooCustomer:
        """For good: users have no trash (customer_delete_force, err_customer_delete_no_force)."""
        path = record_path("customers", customer_id)
        answer = await self._write("DELETE", path, query={"force": "true"})
        return WooCustomer.parse(answer).answering(customer_id)

    async def batch_customers(
        self,
        *,
        create: Sequence[Mapping[str, Any]] = (),
        update: Mapping[str, Mapping[str, Any]] | None = None,
        delete: Sequence[str] = (),
    ) -> list[WooCustomer | RemoteError]:
        """Many writes, at most 100 a request; `update` holds patches by id.

        One result an item, in the order given: creates, updates, deletes. An item's error is
        in its place; so is the error of a whole request, for each item that was in it
        (customers_batch_mixed_errors, err_batch_limit_101). Raises no RemoteError.
        """
        return await self._batch(WooCustomer, "customers", plan_batch(create, update or {}, delete))
