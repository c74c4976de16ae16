"""Contacts between one shop and Vtiger: reading, finding twins, writing. Decides nothing."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.errors import InvalidInput, NotFound, System, once_made
from app.mapping.carrying import carried_names
from app.mapping.contacts import (
    COMPANY,
    WOO_META_KEY,
    missing_required,
    vtiger_contact,
    vtiger_patch,
    woo_contact,
    woo_foreign_id,
    woo_guest,
    woo_patch,
)
from app.mapping.rules import FieldRule
from app.mapping.sales_orders import purchase_order
from app.mapping.values import Mapped, Patch, PatchOptions, Value
from app.policies.schemas import SyncPolicy
from app.records import Module, guest_id_of, is_guest
from app.sync.accounts import Accounts
from app.sync.customers import change_customer, new_customer
from app.sync.foreign_ids import deleted_twin, is_plausible
from app.sync.guests import Guests, left_alone
from app.sync.sides import Side, Skip, Written, left_out_notes
from app.sync.succession import Successor
from app.vtiger.client import VtigerClient
from app.vtiger.orders import ORDERS, PURCHASE_ORDER
from app.vtiger.query import Query, equals, one_of
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooCustomer

CONTACTS = "Contacts"
SECOND_EMAIL = "secondaryemail"
MOST_ORDERS = 50


@dataclass(frozen=True, slots=True)
class ContactAdapter:
    """WooCommerce customers and Vtiger Contacts (mapping table "Contacts").

    `guests_are_contacts`: each guest of the shop is a contact, by the orders' setting `guests`.
    """

    store: str
    woo: WooClient
    vtiger: VtigerClient
    accounts: Accounts
    guests: Guests
    rules: tuple[FieldRule, ...]
    policy: SyncPolicy
    id_field: str | None
    guests_are_contacts: bool
    module: Module = Module.CONTACTS

    async def find(self, system: System, record_id: str) -> Side | None:
        """The record by id; None if it is gone (contract pages WooCommerce §2, Vtiger §0.15)."""
        try:
            if system is System.WOOCOMMERCE:
                return self.woo_side(await self.guests.get_person(record_id))
            return await self.vtiger_side(await self.vtiger.retrieve(record_id, CONTACTS))
        except NotFound:
            return None

    async def read_body(self, body: Mapping[str, object]) -> Side:
        """A customer as its webhook carries it: the same as GET (contract page WooCommerce
        §1)."""
        if "email" not in body:
            raise InvalidInput("this body is no customer")
        return replace(self.woo_side(WooCustomer.parse(body)), is_hearsay=True)

    def woo_side(self, customer: WooCustomer) -> Side:
        read = woo_guest if is_guest(customer.id) else woo_contact
        values = read(customer.checked(), self.rules)
        return Side(
            system=System.WOOCOMMERCE,
            id=customer.id,
            values=values,
            modified_at=customer.modified_at or customer.created_at,
            created_at=customer.created_at,
            label=_label(values),
            foreign_id=woo_foreign_id(customer),
            raw=customer,
            notes=left_out_notes(customer.dropped),
        )

    async def vtiger_side(self, record: VtigerRecord, account: str | None = None) -> Side:
        record.checked()
        if account is None:
            account = await self.accounts.name_of(record.get("account_id"))
        values = vtiger_contact(record, self.rules, account_name=account)
        return Side(
            system=System.VTIGER,
            id=record.id,
            values=values,
            modified_at=record.modified_at,
            created_at=record.created_at,
            label=_label(values),
            foreign_id=record.get(self.id_field) or None if self.id_field else None,
            raw=record,
        )

    def natural_keys(self, side: Side) -> tuple[str, ...]:
        email = _folded_email(side)
        return (email_key(email),) if email else ()

    def objection(self, side: Side) -> Skip | None:
        """Users of roles that the settings do not name are left alone."""
        raw = side.raw
        if not isinstance(raw, WooCustomer) or is_guest(side.id) or raw.role in self.policy.roles:
            return None
        return Skip(
            "filtered",
            f"The user's role is {raw.role or 'unknown'}; synced roles are "
            f"{', '.join(self.policy.roles)}. Add it to the setting `roles` to sync it.",
        )

    def creation_objection(self, side: Side) -> Skip | None:
        missing = missing_required(side.values, side.system.other, self.rules)
        text = (
            f"{side.system.other.label} needs a usable {', '.join(missing)}: "
            f"fill it in in {side.system.label}, and the record is synced."
        )
        return Skip("missing_required_field", text) if missing else None

    def carried(self, woo: Side, vtiger: Side) -> frozenset[str]:
        return carried_names(woo.values, vtiger.values, rules=self.rules, options=self._options)

    async def search_twins(self, side: Side) -> list[Side] | Skip:
        """By our id field, if e-mail or the twin's own id field agree; else by e-mail, all roles.

        An id alone is not believed: a restored backup or a cloned shop carries ids of others. A
        contact without a customer may be a guest, by an order that is billed to the e-mail; or one
        of a customer that was deleted, who gets no account again.
        """
        if twin := await self._find_by_foreign_id(side):
            return [twin]
        email = _folded_email(side)
        if side.system is System.WOOCOMMERCE:
            return await self._search_vtiger(email) if email else []
        found = await self._search_shop(email) if email else []
        return found or await self._find_end(side) or []

    async def _search_shop(self, email: str) -> list[Side]:
        customers = await self.woo.search_customers_by_email(email)
        if customers or not self.guests_are_contacts:
            return [self.woo_side(customer) for customer in customers]
        guest = await self.find(System.WOOCOMMERCE, guest_id_of(email))
        return [guest] if guest is not None else []

    async def _find_end(self, side: Side) -> Skip | None:
        named = side.foreign_id
        if named is None or not is_plausible(System.WOOCOMMERCE, named):
            return None
        living = await self.find(System.WOOCOMMERCE, named)
        return deleted_twin(System.WOOCOMMERCE, named) if living is None else None

    async def search_rivals(self, side: Side) -> list[Side]:
        """Contacts may share an e-mail; users of a shop cannot (contract pages Vtiger §6,
        WooCommerce §2)."""
        email = _folded_email(side)
        if side.system is System.WOOCOMMERCE or not email:
            return []
        return [found for found in await self._search_vtiger(email) if found.id != side.id]

    async def _find_by_foreign_id(self, side: Side) -> Side | None:
        if side.foreign_id is None or not is_plausible(side.system.other, side.foreign_id):
            return None
        twin = await self.find(side.system.other, side.foreign_id)
        if twin is None:
            return None
        agreed = twin.foreign_id == side.id or _folded_email(twin) == _folded_email(side)
        return twin if agreed else None

    async def _search_vtiger(self, email: str) -> list[Side]:
        query = Query(CONTACTS, where=(equals("email", email),), order_by="createdtime")
        found = await self.vtiger.query(query)
        sides = [await self.vtiger_side(record) for record in found]
        return [side for side in sides if _folded_email(side) == email]

    async def search_successors(self, woo: Side, gone_id: str) -> list[Successor]:
        """By the e-mail, else the second one, else by whom the person's orders name in Vtiger:
        the merge of two contacts moves them."""
        email = _folded_email(woo)
        if not email:
            return []
        for means, find in (
            ("e-mail", self._search_vtiger),
            ("second e-mail", self._search_by_second_email),
            ("its orders", self._search_by_orders),
        ):
            found = [side for side in await find(email) if side.id != gone_id]
            if found:
                return [Successor(side, means) for side in found]
        return []

    async def _search_by_second_email(self, email: str) -> list[Side]:
        query = Query(CONTACTS, where=(equals(SECOND_EMAIL, email),), order_by="createdtime")
        found = await self.vtiger.query(query)
        same = [record for record in found if _fold(record.get(SECOND_EMAIL)) == email]
        return [await self.vtiger_side(record) for record in same]

    async def _search_by_orders(self, email: str) -> list[Side]:
        """The contact of the latest orders that have one."""
        orders = await self.woo.search_orders_of(email)
        mine = [order for order in orders if _fold(order.text("billing", "email")) == email]
        latest = sorted(mine, key=lambda order: int(order.id))[-MOST_ORDERS:]
        numbers = [purchase_order(self.store, order.id) for order in latest]
        if not numbers:
            return []
        where = (one_of(PURCHASE_ORDER, numbers),)
        columns = (PURCHASE_ORDER, "contact_id")
        sales = [sale async for sale in self.vtiger.search(ORDERS, where, columns=columns)]
        ids = {sale.get("contact_id") for sale in sales if sale.get(PURCHASE_ORDER) in numbers}
        sides = [await self.find(System.VTIGER, contact) for contact in sorted(ids - {""})]
        return [side for side in sides if side is not None]

    async def create(self, target: System, source: Side, key: str = "") -> Written:
        """The twin with all values that the target takes, and the source's id.

        Recordings customer_create, 21-create-contact-full.
        """
        values = source.values.values
        if target is System.VTIGER:
            patch = vtiger_patch(values, self.rules, current=None, options=self._options)
            return await self._create_in_vtiger(patch, source, key)
        patch = new_customer(source, self.rules, self._options)
        created = await self.woo.create_customer(patch.body)
        return Written(self.woo_side(created), patch.notes, patch.unwritten)

    @property
    def _options(self) -> PatchOptions:
        return PatchOptions(too_long=self.policy.too_long.value)

    async def _create_in_vtiger(self, patch: Patch, source: Side, key: str) -> Written:
        fields, account = await self._vtiger_fields(patch)
        if self.id_field and not is_guest(source.id):
            fields[self.id_field] = source.id
        created = await self.vtiger.create(CONTACTS, fields, key=key)
        with once_made():
            return Written(await self.vtiger_side(created, account), patch.notes, patch.unwritten)

    async def update(
        self,
        current: Side,
        changes: Mapping[str, Value],
        source: Side,  # noqa: ARG002
    ) -> Written:
        """Only these fields, where the record takes them (customer_update_*, 50-contact-revise)."""
        if isinstance(current.raw, VtigerRecord):
            patch = vtiger_patch(changes, self.rules, current=current.raw, options=self._options)
            return await self._revise(current, patch)
        if is_guest(current.id):
            return left_alone(current, changes)
        customer = WooCustomer.parse(getattr(current.raw, "data", None))
        patch = woo_patch(changes, self.rules, current=customer, options=self._options)
        updated, patch = await change_customer(self.woo, current.id, patch)
        after = self.woo_side(updated) if updated else current
        return Written(after, patch.notes, patch.unwritten, sent=updated is not None)

    async def _revise(self, current: Side, patch: Patch) -> Written:
        fields, account = await self._vtiger_fields(patch)
        if not fields:
            return Written(current, patch.notes, patch.unwritten, sent=False)
        if account is None:
            account = current.values.get(COMPANY) or ""
        revised = await self.vtiger.revise(current.id, fields, module=CONTACTS)
        return Written(await self.vtiger_side(revised, account), patch.notes, patch.unwritten)

    async def _vtiger_fields(self, patch: Patch) -> tuple[dict[str, str], str | None]:
        """The patch with the company as an Account id, and that Account's own name."""
        fields = dict(patch.body)
        if COMPANY not in patch.apart:
            return fields, None
        account = await self.accounts.find_or_create(patch.apart[COMPANY])
        return fields | {"account_id": account.id}, account.name

    async def mark(self, current: Side, foreign_id: str) -> Side:
        """Our id field on one side; nothing if it is there already or there is no such field."""
        if current.foreign_id == foreign_id or is_guest(current.id) or is_guest(foreign_id):
            return current
        if current.system is System.WOOCOMMERCE:
            meta = {"meta_data": [{"key": WOO_META_KEY, "value": foreign_id}]}
            return self.woo_side(await self.woo.update_customer(current.id, meta))
        if self.id_field is None:
            return current
        fields = {self.id_field: foreign_id}
        revised = await self.vtiger.revise(current.id, fields, module=CONTACTS)
        return await self.vtiger_side(revised, current.values.get(COMPANY) or "")

    async def members(self, side: Side) -> Sequence[Side]:  # noqa: ARG002
        """None: a contact's name is nobody else's."""
        return ()

    async def delete(self, system: System, record_id: str) -> None:
        """One that is gone already was deleted by somebody, or by a call whose answer was lost."""
        with contextlib.suppress(NotFound):
            if system is System.VTIGER:
                await self.vtiger.delete(record_id)
            elif not is_guest(record_id):
                await self.woo.delete_customer(record_id)


def email_key(email: str) -> str:
    """The natural key of a person: the e-mail address in one case."""
    return f"{Module.CONTACTS}:email:{email}"


def _folded_email(side: Side) -> str:
    return _fold(side.values.get("email") or "")


def _fold(email: str) -> str:
    return email.strip().casefold()


def _label(values: Mapped) -> str:
    name = " ".join(filter(None, (values.get("first_name"), values.get("last_name"))))
    return f"{name} <{email}>" if (email := values.get("email")) else name
