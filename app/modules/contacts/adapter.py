"""Contacts between one shop and Vtiger: reading, finding twins, writing; guests, and the
organisations that contacts belong to. Decides nothing."""

import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from app.db.session import Sessions, transaction
from app.domain import (
    GUEST,
    Duplicate,
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
from app.links.repository import find_guest_order, save_guest_order
from app.mapping.paths import with_meta
from app.mapping.rules import FieldRule
from app.mapping.values import FieldNote, Mapped, Patch, PatchOptions, Value
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
from app.modules.orders.mapping import CREATED_VIA, DRAFTS, purchase_order
from app.modules.ports import (
    Side,
    Skip,
    Successor,
    Written,
    deleted_twin,
    is_plausible,
    left_out_notes,
)
from app.policies.repository import SyncPolicy
from app.vtiger.client import ORDERS, PURCHASE_ORDER, VtigerClient
from app.vtiger.query import Query, equals, fold, one_of
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooCustomer, WooOrder

# Guests: people who order without an account are customers in all but the shop's tables.
#
# A guest is told by the id `guest:<e-mail>` and reads like a customer, made of the billing and
# shipping block of the latest order; nothing can be written to one. What an order leaves blank
# says nothing of its guest, and an order that we made of one of Vtiger's says nothing at all.

NOBODYS = DRAFTS | {"trash"}

_PERSON = ("billing", "shipping.")
"""Where the parts of an order are that tell of its buyer."""

NO_ACCOUNT = "A guest has no account in the shop: the change stays in Vtiger."
NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Guests:
    """The guests of one shop, by the latest order that was seen of each; `seen` are orders that
    were seen already, and whether they were their guests' latest."""

    sessions: Sessions
    store: str
    woo: WooClient
    seen: dict[str, bool] = field(default_factory=dict)

    async def see(self, order: WooOrder) -> bool:
        """Whether the order is the latest that was seen of its guest; it is remembered then."""
        guest_id = find_guest_id(order)
        if guest_id is None or is_of_vtiger(order):
            return False
        if order.id not in self.seen:
            await self.see_each({guest_id: order})
        return self.seen[order.id]

    async def see_each(self, orders: Mapping[str, WooOrder]) -> set[str]:
        """The guests, by whose id an order of each is given, whose latest it is."""
        async with transaction(self.sessions) as session:
            for guest_id, order in sorted(orders.items()):
                self.seen[order.id] = await save_guest_order(
                    session,
                    self.store,
                    email=guest_id.removeprefix(GUEST),
                    order_id=order.id,
                    ordered_at=order.created_at or NEVER,
                )
        return {guest_id for guest_id, order in orders.items() if self.seen[order.id]}

    async def get_person(self, record_id: str) -> WooCustomer:
        """A customer, or a guest as the latest order shows it (order_get_guest_storefront).

        NotFound, for a guest if no order that is no customer's has this e-mail.
        """
        if not is_guest(record_id):
            return await self.woo.get_customer(record_id)
        order = await self._find_latest(record_id)
        if order is None:
            raise NotFound(System.WOOCOMMERCE, f"no order of a {record_id} was found")
        return guest_of(order)

    async def _find_latest(self, guest_id: str) -> WooOrder | None:
        """Should the order that was seen last be gone, the shop is searched."""
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
    """Sorts orders by when they were placed; of two in one second the higher id is the later."""
    return order.created_at or NEVER, int(order.id)


def find_guest_id(order: WooOrder) -> str | None:
    """The guest of an order, by the billing e-mail in one case; None if it is somebody else's,
    a draft, in the trash, or without an e-mail."""
    email = order.text("billing", "email")
    guest = order.customer_id is None and order.status not in NOBODYS
    return guest_id_of(email) if guest and email.strip() else None


def is_of_vtiger(order: WooOrder) -> bool:
    """Whether we made the order of one that was typed into Vtiger: what it tells of its buyer is
    what Vtiger knew, and not all of that."""
    return order.text("created_via") == CREATED_VIA


def guest_of(order: WooOrder) -> WooCustomer:
    """The buyer of an order in the shape of a customer; last changed when the order was placed.

    Of an order that we made no more than the e-mail.
    """
    told = {"id": find_guest_id(order), "email": order.text("billing", "email").strip()}
    if is_of_vtiger(order):
        return WooCustomer({**told, "date_created_gmt": order.data.get("date_created_gmt")})
    billing: dict[str, Any] = dict(order.data.get("billing") or {})
    faults = [fault for fault in order.faults if fault.place.startswith(_PERSON)]
    return WooCustomer(
        faults=tuple(faults),
        data={
            **told,
            "first_name": order.text("billing", "first_name"),
            "last_name": order.text("billing", "last_name"),
            "billing": billing,
            "shipping": dict(order.data.get("shipping") or {}),
            "date_created_gmt": order.data.get("date_created_gmt"),
        },
    )


def left_alone(guest: Side, names: Collection[str]) -> Written:
    """What becomes of changes that are meant for a guest."""
    notes = tuple(
        FieldNote(name, "filtered", NO_ACCOUNT, guest.values.get(name) or "")
        for name in sorted(names)
    )
    return Written(guest, notes, frozenset(names), sent=False)


# Writing a customer's fields, without the e-mail where the shop does not take it.


def new_customer(source: Side, rules: Sequence[FieldRule], options: PatchOptions) -> Patch:
    """What makes a customer of a contact, whose id it carries (customer_create)."""
    patch = woo_patch(source.values.values, rules, current=None, options=options)
    return replace(patch, body=with_meta(patch.body, WOO_META_KEY, source.id))


async def change_customer(
    woo: WooClient, customer_id: str, patch: Patch
) -> tuple[WooCustomer | None, Patch]:
    """The customer as the shop answers, and the patch as it was sent; None if nothing is left.

    A refused e-mail is left out with a note, for it must not hold up the rest (recordings
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


# Vtiger Accounts by name: a contact's company is a record of its own there.

ACCOUNTS = "Accounts"
OF_API = "WEBSERVICE"


@dataclass(frozen=True, slots=True)
class Account:
    """An Account's id (`""`: none) and its name as Vtiger has it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """Names are unique ignoring case, accents and trailing spaces (contract page Vtiger
    §0.16, §6).

    `take_turn` is awaited with a natural key before a create: two workers that need the same new
    Account must not make two, should uniqueness be switched off.
    """

    vtiger: VtigerClient
    take_turn: Callable[[Sequence[str]], Awaitable[None]]

    async def name_of(self, account_id: str) -> str:
        """ "" for no Account, and for one that is gone."""
        if not account_id:
            return ""
        try:
            return (await self.vtiger.retrieve(account_id, ACCOUNTS)).get("accountname")
        except NotFound:
            return ""

    async def names_of(self, account_ids: Iterable[str]) -> Mapping[str, str]:
        """The names of at most 100 Accounts by their ids; those that are gone have none."""
        wanted = sorted(set(account_ids) - {""})
        if not wanted:
            return {}
        query = Query(ACCOUNTS, ("id", "accountname"), (one_of("id", wanted),))
        return {each.id: each.get("accountname") for each in await self.vtiger.query(query)}

    async def find_or_create(self, name: str) -> Account:
        """The Account of this name; an empty name means none (recording 20-create-account).

        One of ours gets the name where that is the better spelling of its own, so that it does
        not matter whose order came first.
        """
        if not name.strip():
            return Account("", "")
        found = await self._find(name)
        if found is not None and not await self._is_to_be_respelled(found, name):
            return _account(found)
        await self.take_turn([turn_of(name)])
        found = await self._find(name)
        if found is None:
            return await self._create(name)
        if await self._is_to_be_respelled(found, name):
            return await self._respell(found, name)
        return _account(found)

    async def _find(self, name: str) -> VtigerRecord | None:
        found = await self._search(name)
        exact = [record for record in found if record.get("accountname") == name]
        best = exact or found  # what Vtiger calls equal, it would refuse as a duplicate
        return best[0] if best else None

    async def _search(self, name: str) -> Sequence[VtigerRecord]:
        return await self.vtiger.query(Query(ACCOUNTS, where=(equals("accountname", name),)))

    async def _is_to_be_respelled(self, record: VtigerRecord, name: str) -> bool:
        """Only what the API user made, and nobody has touched since (20-create-account)."""
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
        """Someone made it meanwhile (recording 20-err-account-duplicate names no holder)."""
        holder = await self._find(name)
        if holder is None:
            raise error
        return _account(holder)


def turn_of(name: str) -> str:
    """The natural key of an Account: its name, as Vtiger compares it."""
    return f"vtiger:accounts:{fold(name)}"


def _account(record: VtigerRecord) -> Account:
    return Account(record.id, record.get("accountname"))


def _spelling(name: str) -> tuple[bool, bool, int, str]:
    """Orders spellings that Vtiger calls equal, the best first: in capitals and small letters,
    with accents."""
    plain = sum(one.isascii() for one in name)
    return name.isupper(), name.islower(), plain, name


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
        return converted_names(woo.values, vtiger.values, rules=self.rules, options=self._options)

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
        with after_create():
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

    async def dependents(self, side: Side) -> Sequence[Side]:  # noqa: ARG002
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
