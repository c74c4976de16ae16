"""Contacts a page at a time: e-mails looked for together, customers made in batches."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field

from app.errors import RemoteError, System
from app.links.guests import search_guest_emails
from app.mapping.contacts import COMPANY, WOO_META_KEY, vtiger_patch
from app.mapping.values import PatchOptions
from app.sync.bulk import Made, Marked
from app.sync.contacts import CONTACTS, ContactAdapter
from app.sync.customers import new_customer
from app.sync.known_accounts import KnownAccounts
from app.sync.listing import Seen
from app.sync.order_history import OrderHistory
from app.sync.sides import Side, Written
from app.vtiger.query import one_of, portions
from app.woocommerce.schemas import WooCustomer


@dataclass(slots=True)
class Emails:
    """The e-mails of a shop's users, read whole once a run: a shop cannot be asked for many
    (contract page WooCommerce §2, Search)."""

    known: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class BulkContacts:
    """`accounts` are those that the adapter goes by, `orders` tell of the shop's guests."""

    adapter: ContactAdapter
    accounts: KnownAccounts
    orders: OrderHistory
    emails: Emails = field(default_factory=Emails)

    async def foresee(self, seen: Sequence[Seen]) -> None:
        """Nothing: a record tells all of itself."""

    async def prepare(self, sources: Sequence[Side]) -> None:
        await self.accounts.look_for([self._company(side) for side in sources])

    def _company(self, side: Side) -> str:
        patch = vtiger_patch(
            side.values.values, self.adapter.rules, current=None, options=self._options
        )
        return patch.apart.get(COMPANY, "")

    async def search_taken(self, sources: Sequence[Side]) -> frozenset[str]:
        by_email = {_folded(side): side for side in sources if _folded(side)}
        of_shop = all(side.system is System.WOOCOMMERCE for side in sources)
        found = [record async for record in self._in_vtiger(sources)]
        taken = {
            by_email[email].id
            for record_id, email in found
            if email in by_email and (of_shop or by_email[email].id != record_id)
        }
        if not of_shop:
            known = await self._shop_emails() | await self._guest_emails(by_email)
            taken |= {side.id for email, side in by_email.items() if email in known}
        return frozenset(taken)

    async def _in_vtiger(self, sources: Sequence[Side]) -> AsyncIterator[tuple[str, str]]:
        """Contacts with one of these e-mails: ids and e-mails (recording 53-query-in)."""
        emails = sorted({(side.values.get("email") or "").strip() for side in sources} - {""})
        for part in portions(emails):
            where = (one_of("email", part),)
            async for record in self.adapter.vtiger.search(
                CONTACTS, where, columns=("id", "email")
            ):
                yield record.id, record.get("email").strip().casefold()

    async def _guest_emails(self, emails: Collection[str]) -> frozenset[str]:
        """Those of guests: they are contacts, and get no account."""
        if not self.adapter.guests_are_contacts:
            return frozenset()
        await self.orders.read()
        async with self.orders.runtime.sessions() as session:
            return await search_guest_emails(session, self.orders.store, emails)

    async def _shop_emails(self) -> frozenset[str]:
        if self.emails.known is None:
            users = self.adapter.woo.each_customer(role="all")
            self.emails.known = frozenset([user.email.strip().casefold() async for user in users])
        return self.emails.known

    async def create_in_shop(self, sources: Sequence[Side]) -> list[Made]:
        patches = [new_customer(side, self.adapter.rules, self._options) for side in sources]
        made = await self.adapter.woo.batch_customers(create=[patch.body for patch in patches])
        return [
            each
            if isinstance(each, RemoteError)
            else Written(self.adapter.woo_side(each), patch.notes, patch.unwritten)
            for each, patch in zip(made, patches, strict=True)
        ]

    @property
    def _options(self) -> PatchOptions:
        return PatchOptions(too_long=self.adapter.policy.too_long.value)

    async def mark_in_shop(self, marks: Sequence[tuple[Side, str]]) -> list[Marked]:
        """Keys without an underscore are kept with customers (contract page WooCommerce §2)."""
        update = {
            side.id: {"meta_data": [{"key": WOO_META_KEY, "value": partner}]}
            for side, partner in marks
        }
        return [_stamp(each) for each in await self.adapter.woo.batch_customers(update=update)]


def _stamp(marked: WooCustomer | RemoteError) -> Marked:
    if isinstance(marked, RemoteError):
        return marked
    return marked.modified_at or marked.created_at


def _folded(side: Side) -> str:
    return (side.values.get("email") or "").strip().casefold()
