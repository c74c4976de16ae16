"""The adapter of contacts: it reads customers and contacts, finds their twins, and writes. Also
guests, and the Accounts that contacts belong to."""

import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from app.db.session import Sessions, transaction
from app.domain import (
    GUEST,
    Duplicate,
    GuestPolicy,
    InvalidInput,
    Module,
    NotFound,
    Rejected,
    RemoteError,
    System,
    after_create,
    guest_id_of,
    is_guest,
)
from app.links.leases import LEASE_WAIT_SECONDS
from app.links.repository import find_guest_order, find_latest_orders, save_guest_order
from app.mapping.paths import with_meta
from app.mapping.rules import FieldRule
from app.mapping.values import FieldNote, Mapped, Patch, PatchOptions, Value, left_out_notes
from app.modules.contacts.mapping import (
    COMPANY,
    WOO_META_KEY,
    converted_names,
    missing_required,
    vtiger_contact,
    vtiger_patch,
    woo_contact,
    woo_foreign_id,
    woo_guest,
    woo_patch,
)
from app.modules.context import Context, policy_of
from app.modules.orders.mapping import CREATED_VIA, purchase_order
from app.modules.orders.statuses import DRAFTS
from app.modules.ports import Side, Skip, Successor, Written, deleted_twin, is_plausible
from app.policies.repository import SyncPolicy
from app.vtiger.client import ORDERS, PURCHASE_ORDER, VtigerClient
from app.vtiger.query import Query, equals, one_of
from app.vtiger.schemas import VtigerRecord, fold
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooCustomer, WooOrder

# Guests: people who order without an account.
#
# A guest has the id `guest:<e-mail>` and is read like a customer, from the billing and shipping
# address of the latest order; nothing can be written to one. A blank field of an order has no
# meaning for its guest, and an order that we created from one of Vtiger's has no data on its guest.

NO_GUEST_STATUSES = DRAFTS | {"trash"}
"""The statuses of orders that have no guest."""

_PERSON = ("billing", "shipping.")
"""The prefixes of the places in an order that hold data on its buyer."""

NO_ACCOUNT = "A guest has no account in the shop: the change stays in Vtiger."
NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Guests:
    """The guests of one shop, by the latest order of each that was read. `seen`: whether an order
    is its guest's latest, by order id."""

    sessions: Sessions
    store: str
    woo: WooClient
    seen: dict[str, bool] = field(default_factory=dict)

    async def record_order(self, order: WooOrder) -> bool:
        """Whether the order is the latest of its guest that was read; if so, it is stored as
        that."""
        guest_id = find_guest_id(order)
        if guest_id is None or is_of_vtiger(order):
            return False
        if order.id not in self.seen:
            await self.record_orders({guest_id: order})
        return self.seen[order.id]

    async def record_orders(self, orders: Mapping[str, WooOrder]) -> set[str]:
        """The ids of the guests whose latest order is the one given for them; it is stored as
        that."""
        emails = {guest_id: guest_id.removeprefix(GUEST) for guest_id in orders}
        async with self.sessions() as session:
            stored = await find_latest_orders(session, self.store, emails.values())
        times = {each.id: (each.created_at or NEVER, int(each.id)) for each in orders.values()}
        known = {each.id: stored.get(emails[guest_id]) for guest_id, each in orders.items()}
        self.seen.update({each: times[each] == latest for each, latest in known.items()})
        later = {
            emails[guest_id]: each
            for guest_id, each in orders.items()
            if (latest := known[each.id]) is None or times[each.id] > latest
        }
        if later:
            await self._save_orders(later, times)
        return {guest_id for guest_id, order in orders.items() if self.seen[order.id]}

    async def _save_orders(
        self, later: Mapping[str, WooOrder], times: Mapping[str, tuple[datetime, int]]
    ) -> None:
        """Store the latest orders of guests, by e-mail, unless later ones were stored meanwhile."""
        async with transaction(self.sessions) as session:
            for email, order in sorted(later.items()):
                ordered_at, _ = times[order.id]
                self.seen[order.id] = await save_guest_order(
                    session, self.store, email=email, order_id=order.id, ordered_at=ordered_at
                )

    async def get_person(self, record_id: str) -> WooCustomer:
        """A customer, or a guest with the data of the latest order (order_get_guest_storefront).

        NotFound if there is no such customer, or no order of a guest with this e-mail.
        """
        if not is_guest(record_id):
            return await self.woo.get_customer(record_id)
        order = await self._find_latest(record_id)
        if order is None:
            raise NotFound(System.WOOCOMMERCE, f"no order of a {record_id} was found")
        return guest_of(order)

    async def _find_latest(self, guest_id: str) -> WooOrder | None:
        """The latest order of a guest; if the stored one is gone, the shop is searched."""
        email = guest_id.removeprefix(GUEST)
        async with self.sessions() as session:
            order_id = await find_guest_order(session, self.store, email)
        latest = await self._find_order(order_id) if order_id else None
        if latest is not None and find_guest_id(latest) == guest_id and not is_of_vtiger(latest):
            return latest
        found = await self.woo.search_orders_of(email)
        orders = [order for order in found if find_guest_id(order) == guest_id]
        own = [order for order in orders if not is_of_vtiger(order)]
        return max(own or orders, key=age_of, default=None)

    async def _find_order(self, order_id: str) -> WooOrder | None:
        try:
            return await self.woo.get_order(order_id)
        except NotFound:
            return None


def age_of(order: WooOrder) -> tuple[datetime, int]:
    """The sort key of orders by the time they were placed; of two in one second the one with the
    higher id is later."""
    return order.created_at or NEVER, int(order.id)


def find_guest_id(order: WooOrder) -> str | None:
    """The guest id of an order, from the billing e-mail in lower case; None for an order of a
    customer, a draft, one in the trash, or one without an e-mail."""
    email = order.text("billing", "email")
    guest = order.customer_id is None and order.status not in NO_GUEST_STATUSES
    return guest_id_of(email) if guest and email.strip() else None


def is_of_vtiger(order: WooOrder) -> bool:
    """Whether we created the order from one that was entered in Vtiger: its data on the buyer come
    from Vtiger and are not complete."""
    return order.text("created_via") == CREATED_VIA


def guest_of(order: WooOrder) -> WooCustomer:
    """The buyer of an order as a customer, with the time of the order as its last change.

    For an order that we created only the e-mail.
    """
    known = {"id": find_guest_id(order), "email": order.text("billing", "email").strip()}
    if is_of_vtiger(order):
        return WooCustomer({**known, "date_created_gmt": order.data.get("date_created_gmt")})
    billing: dict[str, Any] = dict(order.data.get("billing") or {})
    faults = [fault for fault in order.faults if fault.place.startswith(_PERSON)]
    return WooCustomer(
        faults=tuple(faults),
        data={
            **known,
            "first_name": order.text("billing", "first_name"),
            "last_name": order.text("billing", "last_name"),
            "billing": billing,
            "shipping": dict(order.data.get("shipping") or {}),
            "date_created_gmt": order.data.get("date_created_gmt"),
        },
    )


def unwritten_guest(guest: Side, names: Collection[str]) -> Written:
    """The result of an update of a guest: nothing is written, with a note on each field."""
    notes = tuple(
        FieldNote(name, "filtered", NO_ACCOUNT, guest.values.get(name) or "")
        for name in sorted(names)
    )
    return Written(guest, notes, frozenset(names), sent=False)


# Writing customers.


def new_customer(source: Side, rules: Sequence[FieldRule], options: PatchOptions) -> Patch:
    """The patch that creates a customer from a contact, with the contact's id (customer_create)."""
    patch = woo_patch(source.values.values, rules, current=None, options=options)
    return replace(patch, body=with_meta(patch.body, WOO_META_KEY, source.id))


async def change_customer(
    woo: WooClient, customer_id: str, patch: Patch
) -> tuple[WooCustomer | None, Patch]:
    """Send the patch; the customer in the response (None if nothing was left to send), and the
    patch as it was sent.

    A refused e-mail is left out with a note, so that the other fields are written (recordings
    err_customer_update_duplicate_email, err_customer_bad_email).
    """
    if not patch.body:
        return None, patch
    try:
        return await woo.update_customer(customer_id, patch.body), patch
    except (Duplicate, Rejected) as error:
        if "email" not in patch.body:
            raise
        return await change_customer(woo, customer_id, _without_email(patch, error))


def _without_email(patch: Patch, error: Duplicate | Rejected) -> Patch:
    body = {name: value for name, value in patch.body.items() if name != "email"}
    note = FieldNote("email", error.reason, str(error), str(patch.body["email"]))
    return Patch(body, (*patch.notes, note), patch.unwritten | {"email"}, patch.apart)


# Vtiger Accounts: a contact's company is a record of its own in Vtiger.

ACCOUNTS = "Accounts"
OF_API = "WEBSERVICE"


@dataclass(frozen=True, slots=True)
class Account:
    """An Account's id (`""`: none) and its name in Vtiger."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """Finds and creates Accounts by name. Names are unique, ignoring case, accents and trailing
    spaces (contract page Vtiger §0.16, §6).

    `acquire` leases natural keys before a create, so that two workers that need the same new
    Account do not create two where uniqueness is switched off.
    """

    vtiger: VtigerClient
    acquire: Callable[[Sequence[str]], Awaitable[None]]

    async def name_of(self, account_id: str) -> str:
        """The name of an Account; "" for none, and for one that is gone."""
        if not account_id:
            return ""
        try:
            return (await self.vtiger.retrieve(account_id, ACCOUNTS)).get("accountname")
        except NotFound:
            return ""

    async def names_of(self, account_ids: Iterable[str]) -> Mapping[str, str]:
        """The names of at most 100 Accounts by id, without those that are gone."""
        wanted = sorted(set(account_ids) - {""})
        if not wanted:
            return {}
        query = Query(ACCOUNTS, ("id", "accountname"), (one_of("id", wanted),))
        return {each.id: each.get("accountname") for each in await self.vtiger.query(query)}

    async def find_or_create(self, name: str) -> Account:
        """The Account of this name; an empty name means none (recording 20-create-account).

        An Account that we created is renamed if `name` is the better spelling, so that the result
        does not depend on which order came first.
        """
        if not name.strip():
            return Account("", "")
        found = await self._find(name)
        if found is not None and not await self._is_to_be_respelled(found, name):
            return _account(found)
        await self.acquire([account_key(name)])
        found = await self._find(name)
        if found is None:
            return await self._create(name)
        if await self._is_to_be_respelled(found, name):
            return await self._respell(found, name)
        return _account(found)

    async def _find(self, name: str) -> VtigerRecord | None:
        found = await self._search(name)
        exact = [record for record in found if record.get("accountname") == name]
        best = exact or found  # names that Vtiger treats as equal would be refused as duplicates
        return best[0] if best else None

    async def _search(self, name: str) -> Sequence[VtigerRecord]:
        return await self.vtiger.query(Query(ACCOUNTS, where=(equals("accountname", name),)))

    async def _is_to_be_respelled(self, record: VtigerRecord, name: str) -> bool:
        """Whether `name` is a better spelling, and the Account was created by the API user and not
        modified by anybody since (20-create-account)."""
        return (
            _spelling(name) < _spelling(record.get("accountname"))
            and record.get("source") == OF_API
            and record.get("modifiedby") == await self.vtiger.user_id()
        )

    async def _respell(self, record: VtigerRecord, name: str) -> Account:
        try:
            revised = await self.vtiger.revise(record.id, {"accountname": name}, module=ACCOUNTS)
        except Duplicate:  # a third spelling, from before names had to be unique
            return _account(record)
        return _account(revised)

    async def _create(self, name: str) -> Account:
        try:
            return _account(await self.vtiger.create(ACCOUNTS, {"accountname": name}))
        except Duplicate as error:
            return await self._find_holder(name, error)

    async def _find_holder(self, name: str, error: RemoteError) -> Account:
        """The Account that was created meanwhile; the refusal does not name it (recording
        20-err-account-duplicate). Raises `error` if there is none."""
        holder = await self._find(name)
        if holder is None:
            raise error
        return _account(holder)


def account_key(name: str) -> str:
    """The natural key of an Account: its name, as Vtiger compares it."""
    return f"vtiger:accounts:{fold(name)}"


def _account(record: VtigerRecord) -> Account:
    return Account(record.id, record.get("accountname"))


def _spelling(name: str) -> tuple[bool, bool, int, str]:
    """The sort key of spellings that Vtiger treats as equal, the best first: mixed case, with
    accents."""
    plain = sum(one.isascii() for one in name)
    return name.isupper(), name.islower(), plain, name


CONTACTS = "Contacts"
SECOND_EMAIL = "secondaryemail"
MOST_ORDERS = 50


@dataclass(frozen=True, slots=True)
class ContactAdapter:
    """WooCommerce customers and Vtiger Contacts (mapping table "Contacts").

    `guests_are_contacts`: each guest of the shop is a contact, by the setting `guests` of orders.
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
        """The customer in a webhook's body, which is the same as that of GET (contract page
        WooCommerce §1)."""
        if "email" not in body:
            raise InvalidInput("the body is no customer")
        return replace(self.woo_side(WooCustomer.parse(body)), from_webhook_body=True)

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
        """Users whose role is not in the setting `roles` are not synced."""
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
            f"{side.system.other.label} requires a valid {', '.join(missing)}: "
            f"fill it in in {side.system.label}, and the record is synced."
        )
        return Skip("missing_required_field", text) if missing else None

    def converted_names(self, woo: Side, vtiger: Side) -> frozenset[str]:
        return converted_names(woo.values, vtiger.values, rules=self.rules, options=self._options)

    async def search_twins(self, side: Side) -> list[Side] | Skip:
        """By our id field, if the e-mail or the twin's id field agrees; else by e-mail, all roles.

        An id alone is not sufficient: a restored backup or a cloned shop has ids of other records.
        A contact without a customer may be a guest, found by an order with that billing e-mail; or
        its customer was deleted, and is not created again.
        """
        if twin := await self._find_by_foreign_id(side):
            return [twin]
        email = _folded_email(side)
        if side.system is System.WOOCOMMERCE:
            return await self._search_vtiger(email) if email else []
        found = await self._search_shop(email) if email else []
        return found or await self._find_deleted(side) or []

    async def _search_shop(self, email: str) -> list[Side]:
        customers = await self.woo.search_customers_by_email(email)
        if customers or not self.guests_are_contacts:
            return [self.woo_side(customer) for customer in customers]
        guest = await self.find(System.WOOCOMMERCE, guest_id_of(email))
        return [guest] if guest is not None else []

    async def _find_deleted(self, side: Side) -> Skip | None:
        """A Skip if the customer that the contact refers to was deleted."""
        woo_id = side.foreign_id
        if woo_id is None or not is_plausible(System.WOOCOMMERCE, woo_id):
            return None
        existing = await self.find(System.WOOCOMMERCE, woo_id)
        return deleted_twin(System.WOOCOMMERCE, woo_id) if existing is None else None

    async def search_rivals(self, side: Side) -> list[Side]:
        """Other contacts with the e-mail; users of a shop cannot share one (contract pages Vtiger
        §6, WooCommerce §2)."""
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
        """Contacts that may replace the deleted one: by the e-mail, else the second e-mail, else
        the contacts of the person's orders in Vtiger, which merging two contacts moves."""
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
        """The contacts of the person's latest orders."""
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
        """Create the twin with all values that the target accepts, and the source's id.

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
        with after_create():
            return Written(await self.vtiger_side(created, account), patch.notes, patch.unwritten)

    async def update(
        self,
        current: Side,
        changes: Mapping[str, Value],
        source: Side,  # noqa: ARG002
    ) -> Written:
        """Write these fields; a guest cannot be written (customer_update_*, 50-contact-revise)."""
        if isinstance(current.raw, VtigerRecord):
            patch = vtiger_patch(changes, self.rules, current=current.raw, options=self._options)
            return await self._revise(current, patch)
        if is_guest(current.id):
            return unwritten_guest(current, changes)
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
        """The patch's fields with the company as an Account id, and the name of that Account (None
        if the company is not changed)."""
        fields = dict(patch.body)
        if COMPANY not in patch.apart:
            return fields, None
        account = await self.accounts.find_or_create(patch.apart[COMPANY])
        return fields | {"account_id": account.id}, account.name

    async def write_external_id(self, current: Side, foreign_id: str) -> Side:
        """Write the external id; nothing if it is there already, or if there is no such field."""
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

    async def dependents(self, side: Side) -> Sequence[Side]:  # noqa: ARG002
        """None: no other record shows values of a contact."""
        return ()

    async def delete(self, system: System, record_id: str) -> None:
        """Delete the record. One that is gone already is no error: somebody deleted it, or a call
        of ours whose response was lost."""
        with contextlib.suppress(NotFound):
            if system is System.VTIGER:
                await self.vtiger.delete(record_id)
            elif not is_guest(record_id):
                await self.woo.delete_customer(record_id)


def email_key(email: str) -> str:
    """The natural key of a person: the e-mail address in lower case."""
    return f"{Module.CONTACTS}:email:{email}"


def _folded_email(side: Side) -> str:
    return _fold(side.values.get("email") or "")


def _fold(email: str) -> str:
    return email.strip().casefold()


def _label(values: Mapped) -> str:
    name = " ".join(filter(None, (values.get("first_name"), values.get("last_name"))))
    return f"{name} <{email}>" if (email := values.get("email")) else name


async def open_contacts(context: Context) -> ContactAdapter:
    orders = await policy_of(context.runtime, context.store, Module.SALES_ORDERS)
    return ContactAdapter(
        store=context.store,
        woo=context.runtime.stores[context.store],
        vtiger=context.runtime.vtiger,
        accounts=Accounts(
            context.runtime.vtiger, partial(context.lease.extend, wait_seconds=LEASE_WAIT_SECONDS)
        ),
        guests=Guests(
            context.runtime.sessions, context.store, context.runtime.stores[context.store]
        ),
        rules=await context.rules(Module.CONTACTS),
        policy=context.policy,
        id_field=await context.id_field(CONTACTS),
        guests_are_contacts=orders.guests is GuestPolicy.CONTACT_PER_EMAIL,
    )
