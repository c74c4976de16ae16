"""The client of one Vtiger CRM: all calls, with typed results and errors. Records are written
through the add-on where it is installed, else by one call each."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, Self

import httpx
import orjson

from app.domain import (
    Duplicate,
    InvalidInput,
    NotFound,
    RecordUnreadable,
    Rejected,
    RemoteUnavailable,
    ResponseUnreadable,
    WrongRecord,
)
from app.http.client import FREE_GATE, ClientLimits, Gate, Sleep, explain_code
from app.parsing import find_list
from app.vtiger.addon import (
    MAKE_ADMIN,
    MOST_AT_ONCE,
    MOST_PER_PAGE,
    AddonFacts,
    AddonGone,
    AddonWarning,
    Batches,
    OutboxPage,
    _read_page,
    new_key,
)
from app.vtiger.addon_package import addon_version
from app.vtiger.query import COUNT, MAX_ROWS, Query, Where, after, equals, one_of
from app.vtiger.rest import RestApi
from app.vtiger.schemas import (
    CHANGES,
    DENIED,
    ID_PATTERN,
    READ,
    SAVE,
    Abilities,
    VtigerCurrency,
    VtigerModule,
    VtigerOrder,
    VtigerRecord,
    VtigerTax,
    damages_orders,
    fold,
    kind_of,
)
from app.vtiger.webservice import VTIGER, Quota, VtigerApi, Webservice, read_error

# Records as they are sent to Vtiger: all values as text, independent of the user's locale.

LINES = "LineItems"
NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
LINE_NUMBERS = re.compile(r"quantity|listprice|discount_(amount|percent)|tax\d+", re.ASCII)
ORDER_NUMBERS = re.compile(
    r"hdnDiscountAmount|hdnS_H_Amount|shtax\d+_sh_percent|shipping_&_handling(_shtax\d+)?", re.ASCII
)


def render_element(fields: Mapping[str, Any]) -> str:
    """The JSON of a record's fields, including the lines of an order (`LineItems`).

    Numbers have a decimal point, booleans are 1 and 0, None is "" (which clears a field). A
    decimal comma leads to an HTTP 500 (contract page Vtiger §0.4, §9). Raises InvalidInput for a
    float, which cannot hold money, and for an order that Vtiger would damage: text where it
    computes with a number loses the lines or leaves a partial order (§10; contract page readback,
    Vtiger); a line without a product is accepted without an error (§3).
    """
    return orjson.dumps(rendered(fields)).decode()


def rendered(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `render_element` before they are encoded as JSON."""
    return {name: _render(name, value) for name, value in fields.items()}


def _render(name: str, value: Any) -> Any:
    if name == LINES:
        return [_line(row) for row in _rows(value)]
    text = _plain(name, value)
    return _number(name, text) if ORDER_NUMBERS.fullmatch(name) else text


def _rows(value: Any) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise InvalidInput("An order needs its lines as a list, and at least one.", LINES)
    return value


def _line(row: Any) -> dict[str, str]:
    if not isinstance(row, Mapping):
        raise InvalidInput("A line needs its fields by name.", LINES)
    line = {name: _plain(name, value) for name, value in row.items()}
    if not ID_PATTERN.fullmatch(line.get("productid", "")) or "quantity" not in line:
        raise InvalidInput("A line needs a product or service, and a quantity.", "productid")
    return {
        name: _number(name, text) if LINE_NUMBERS.fullmatch(name) else text
        for name, text in line.items()
    }


def _number(name: str, text: str) -> str:
    if not NUMBER.fullmatch(text):
        raise InvalidInput(f"{name} must be a number with a dot, or left out; not {text!r}.", name)
    return text


def _plain(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    raise InvalidInput(f"{name} cannot be sent as {type(value).__name__}", name)


# Calls for any module: records by id, queries, pages and counts.

log = logging.getLogger(__name__)

ORDER_LINES = "order lines"
"""The kind of exclusive call that changes an order's lines (`exclusive` of a gate)."""


class RecordCalls:
    """Records of any module, over one API. An async context manager, or call `aclose`."""

    def __init__(self, api: VtigerApi, abilities: Abilities) -> None:
        self._api = api
        self.abilities = abilities

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._api.aclose()

    @property
    def quota(self) -> Quota | None:
        """The call limits that Vtiger Cloud last reported; None without any (Community Edition)."""
        return self._api.quota

    @property
    def clock_skew(self) -> float | None:
        """Seconds by which the CRM's clock is ahead of ours, by its last answer; None before."""
        return self._api.clock_skew

    async def user_id(self) -> str:
        """The id of the API user, `19xN`, which distinguishes our own writes from others'
        (contract page Vtiger §6)."""
        return await self._api.user_id()

    async def retrieve(self, record_id: str, module: str) -> VtigerRecord:
        """The record with this id. NotFound if it is missing, deleted or hidden
        (52-err-retrieve-deleted); WrongRecord if the answer is another record."""
        answer = await self._api.read("retrieve", {"id": record_id})
        return VtigerRecord.parse(answer, module).answering(record_id)

    async def create(self, module: str, fields: Mapping[str, Any]) -> VtigerRecord:
        """Create a record, owned by the API user unless `assigned_user_id` is given.

        Duplicate if a unique field's value is taken (20-err-account-duplicate). After an
        ambiguous failure the record may exist: with an owner who does not exist Vtiger creates it,
        but the answer raises ResponseUnreadable (11-err-create-bad-owner).
        """
        element = orjson.dumps(await self._owned(fields)).decode()
        params = {"elementType": module, "element": element}
        created = await self._api.write("create", params, exclusive=_exclusive_kind(fields))
        return VtigerRecord.parse(created, module)

    async def _owned(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        owner = fields.get("assigned_user_id") or await self.user_id()
        return rendered({**fields, "assigned_user_id": owner})

    async def revise(
        self, record_id: str, fields: Mapping[str, Any], *, module: str
    ) -> VtigerRecord:
        """Change these fields and no others; "" or None clears one (50-contact-revise*).

        NotFound (52-err-revise-deleted), Duplicate (54-err-contact-revise-duplicate).
        """
        params = {"element": render_element({**fields, "id": record_id})}
        answer = await self._api.write("revise", params, exclusive=_exclusive_kind(fields))
        return VtigerRecord.parse(answer, module).answering(record_id)

    async def delete(self, record_id: str) -> None:
        """Move a record to the recycle bin. NotFound if it is there already (52-delete*)."""
        await self._api.write("delete", {"id": record_id})

    async def query(self, query: Query) -> list[VtigerRecord]:
        """The records of a query, at most 100. Rejected for an unknown column or module
        (11-err-query-*); ResponseUnreadable if a row is no record, since the search for a twin must
        not miss one."""
        return [VtigerRecord.parse(row, query.module) for row in await self._rows(query)]

    async def search(
        self,
        module: str,
        where: Sequence[Where] = (),
        *,
        columns: Sequence[str] = ("*",),
        after_id: str = "",
    ) -> AsyncIterator[VtigerRecord]:
        """Yield every matching record in the order of ids, by keyset pagination.

        Rows that are changed or deleted meanwhile shift no others (recording 53-query-id-gt). Rows
        without an id are logged and skipped. For sales orders `columns` must be named: with `*` the
        limit counts their lines (contract page Vtiger §0.11).
        """
        first = Query(module, tuple(columns), tuple(where), order_by="id")
        while True:
            more = (after(after_id),) if after_id else ()
            rows = await self._rows(replace(first, where=(*first.where, *more)))
            page = list(_parse_each(module, rows))
            for record in page:
                yield record
            if len(rows) < MAX_ROWS or not page:
                return
            after_id = page[-1].id

    async def count(self, module: str, where: Sequence[Where] = ()) -> int:
        """How many records match (recording 53-query-count).

        Vtiger 8.4 omits rows without an id, and so the count; the records are listed and counted
        then."""
        rows = await self._rows(Query(module, COUNT, tuple(where)))
        if not rows:
            return len([each async for each in self.search(module, where, columns=("id",))])
        text = str(rows[0].get("count", "")) if rows and isinstance(rows[0], Mapping) else ""
        if not text.isdigit():
            raise ResponseUnreadable(VTIGER, "the count is not a number")
        return int(text)

    async def _rows(self, query: Query) -> list[Any]:
        rows = find_list(await self._api.read("query", {"query": str(query)}))
        if rows is None:
            raise ResponseUnreadable(VTIGER, "a query gave no list of rows")
        asked = query.asked_ids
        return rows if asked is None else [row for row in rows if _was_requested(row, asked)]


def _exclusive_kind(fields: Mapping[str, Any]) -> str:
    """The kind of exclusive call of a write, "" for none.

    Vtiger gives the lines of two orders that are written concurrently the same ids; lines are lost
    although the answer says success (page Vtiger add-on writes, F1)."""
    return ORDER_LINES if LINES in fields else ""


def _was_requested(row: object, ids: Collection[str]) -> bool:
    """Whether a row of a query by ids is one of them; rows that are no objects are kept, to fail
    when they are parsed."""
    return not isinstance(row, Mapping) or row.get("id") in ids


def _parse_each(module: str, rows: Sequence[object]) -> Iterator[VtigerRecord]:
    """The records among the rows of a page; rows that cannot be parsed are logged and skipped."""
    for place, row in enumerate(rows, start=1):
        try:
            yield VtigerRecord.parse(row, module)
        except ResponseUnreadable as error:
            log.warning("row %s of a page of %s is skipped: %s", place, module, error)


# Creates and changes: through the add-on where it writes, else by one call each.

DONE = frozenset({"saved", "known"})

WITHOUT_KEY = (
    "WooSync no longer writes records, so this create would have no create key; it starts again"
)
UNSAFE_LINES = (
    "WooSync no longer writes records, and Vtiger {version} must not be sent an order's lines"
)
DELETED = "The record that this call wrote was deleted before its answer arrived"


class SavingCalls(RecordCalls):
    """`create` and `revise` of modules that the add-on writes (decision 24)."""

    def __init__(self, api: VtigerApi, abilities: Abilities, batches: Batches) -> None:
        super().__init__(api, abilities)
        self._batches = batches

    async def aclose(self) -> None:
        await self._batches.aclose()
        await super().aclose()

    async def saves(self, module: str) -> bool:
        """Whether the add-on writes records of this module, once for each key."""
        return kind_of(module).by_addon and await self.abilities.has(SAVE)

    async def find_saved(self, key: str) -> str | None:
        """The id of the record that was written with this key; None if no write was committed.

        Only for modules that `saves` accepts."""
        answer = await self._batches.send(key, {"action": "ask"})
        if answer.get("status") == "unknown":
            return None
        _refuse_save(answer, "ask")
        return str(answer["id"])

    async def create(
        self, module: str, fields: Mapping[str, Any], *, key: str = ""
    ) -> VtigerRecord:
        """Create a record as `RecordCalls.create` does. If a create with this `key` was carried out
        before, nothing is created, and the existing record is returned.

        RemoteUnavailable, and nothing is written, if there is a key but the add-on does not write.
        """
        values = rendered(fields)
        if await self.saves(module):
            action = {"action": "create", "module": module, "fields": await self._owned(values)}
            try:
                answer = await self._batches.send(key or new_key(), action)
            except AddonGone as error:
                if key or error.ambiguous:
                    raise
            else:
                return _read_saved(answer, "create", module)
        elif key:
            raise RemoteUnavailable(VTIGER, WITHOUT_KEY, ambiguous=False)
        if LINES in fields:
            await self._refuse_unsafe()
        return await super().create(module, fields)

    async def revise(
        self, record_id: str, fields: Mapping[str, Any], *, module: str
    ) -> VtigerRecord:
        """Change a record as `RecordCalls.revise` does. The change is idempotent."""
        values = rendered(fields)
        if await self.saves(module):
            action = {"action": "revise", "module": module, "id": record_id, "fields": values}
            try:
                answer = await self._batches.send(new_key(), action)
            except AddonGone:
                pass
            else:
                return _read_saved(answer, "revise", module).answering(record_id)
        if LINES in fields:
            await self._refuse_unsafe()
        return await super().revise(record_id, fields, module=module)

    async def _delete(self, record_id: str, module: str) -> None:
        """Delete a record through the add-on. NotFound if it is in the recycle bin already."""
        action = {"action": "delete", "module": module, "id": record_id}
        _refuse_save(await self._batches.send(new_key(), action), "delete")

    async def _refuse_unsafe(self) -> None:
        """Raise RemoteUnavailable if this version of Vtiger would damage an order without the
        add-on: the caller may have decided to write while the add-on was available."""
        if damages_orders(version := await self._api.version()):
            raise RemoteUnavailable(VTIGER, UNSAFE_LINES.format(version=version), ambiguous=False)


def _read_saved(answer: Mapping[str, Any], operation: str, module: str) -> VtigerRecord:
    """The record after a write. Raises the error that the answer reports."""
    _refuse_save(answer, operation)
    if answer.get("record") is not None:
        return VtigerRecord.parse(answer["record"], module)
    if operation == "create":
        raise RemoteUnavailable(VTIGER, DELETED, ambiguous=False)
    raise NotFound(VTIGER, DELETED)


def _refuse_save(answer: Mapping[str, Any], operation: str) -> None:
    """Raise unless the write was carried out, now or before. After an error that Vtiger reports
    nothing was written, so none of these is ambiguous."""
    status, code = answer.get("status"), str(answer.get("code") or "")
    message = str(answer.get("message") or "no message")
    if status == "refused":
        raise read_error({"error": {"code": code, "message": message}}, operation, write=False)
    if status == "failed":
        summary = explain_code(code)
        raise RemoteUnavailable(VTIGER, message, code=code, ambiguous=False, summary=summary)
    if status not in DONE or not answer.get("id"):
        raise ResponseUnreadable(VTIGER, f"a write was answered with the status {status!r}")


# Complete records, a hundred per call, where the add-on reads.

OPERATION = "woosync_read"
CLASSES: Mapping[str, type[VtigerRecord]] = {"SalesOrder": VtigerOrder}


class ReadingCalls(SavingCalls):
    """`woosync_read`, whose records are equal to those of `retrieve` field by field (page Vtiger
    add-on writes, §5)."""

    async def retrieve_many(self, module: str, ids: Sequence[str]) -> list[VtigerRecord] | None:
        """Records as `retrieve` returns them, orders with their lines, with one call for a hundred.

        Records that are missing, deleted or hidden are left out. None if the add-on cannot read
        them, so that they have to be retrieved one by one."""
        if not kind_of(module).by_addon:
            return None
        found: list[VtigerRecord] = []
        for start in range(0, len(ids), MAX_ROWS):
            if not await self.abilities.has(READ):
                return None
            part = await self._read_whole(module, ids[start : start + MAX_ROWS])
            if part is None:
                return None
            found += part
        return found

    async def _read_whole(self, module: str, ids: Sequence[str]) -> list[VtigerRecord] | None:
        params = {"module": module, "ids": orjson.dumps(ids).decode()}
        params |= {"since": "", "after": "", "limit": str(MAX_ROWS)}
        try:
            result: Any = await self._api.read_by_post(OPERATION, params)
        except RemoteUnavailable as error:
            if error.status == 500 and await self.abilities.is_lost(READ):
                return None
            raise
        rows = find_list(result.get("records")) if isinstance(result, Mapping) else None
        if rows is None:
            raise ResponseUnreadable(VTIGER, f"{OPERATION} gave no list of records")
        records = [CLASSES.get(module, VtigerRecord).parse(row, module) for row in rows]
        return [record for record in records if record.id in ids]


# Taxes and currencies, which are settings of the CRM.

UNSAFE = "unsafe_in_vtiger"
"""The code of a Rejected for a write that is refused here, because Vtiger would damage data."""


class TaxCalls(RecordCalls):
    """Calls for Tax and Currency.

    On every write Vtiger looks up the column of a tax on products and lines by the tax's label. So
    two taxes with one label would take each other's column (70-tax-revise, 70-tax-query-after),
    and a changed label would lose the column (70-tax-update-rename-label-CORRUPTS).
    """

    async def search_taxes(self) -> list[VtigerTax]:
        """The taxes that are not deleted, at most 100 (70-tax-query, -after-delete)."""
        return [VtigerTax.parse(row) for row in await self._rows(Query("Tax"))]

    async def create_tax(self, label: str, percentage: Decimal) -> VtigerTax:
        """Create a tax with its own column; Vtiger keeps three decimals (70-tax-create).

        Duplicate, with the id of the other tax, if the label is taken: Vtiger would allow it
        (70-tax-create-dup-label).
        """
        holder = _find_labelled(await self.search_taxes(), label)
        if holder is not None:
            message = f"Vtiger already has a tax with the label {holder.label!r}"
            raise Duplicate(VTIGER, message, holder_id=holder.id)
        element = render_element({"taxlabel": label, "percentage": percentage})
        params = {"elementType": "Tax", "element": element}
        return VtigerTax.parse(await self._api.write("create", params))

    async def revise_tax(self, tax_id: str, percentage: Decimal) -> VtigerTax:
        """Change the percentage, the only safe change (70-tax-revise-percentage-only).

        NotFound if the tax does not exist or is deleted. Rejected with the code UNSAFE, and nothing
        is written, while another tax has the same label; also, after the write, if Vtiger moved
        the tax to another column (a deleted tax, which no query returns, had the label).
        """
        taxes = await self.search_taxes()
        tax = _get_tax(taxes, tax_id)
        others = [other for other in taxes if other.id != tax_id]
        if _find_labelled(others, tax.label) is not None:
            raise _refuse_tax(
                tax, "several taxes have this label; give each its own in Vtiger first"
            )
        element = render_element({"id": tax_id, "percentage": percentage})
        changed = VtigerTax.parse(await self._api.write("revise", {"element": element}))
        if changed.id != tax_id:
            raise WrongRecord(VTIGER, "Tax", asked=tax_id, given=changed.id)
        taken = {"", *(other.name for other in others)}
        moved = changed.name != tax.name and tax.name not in taken
        if moved or changed.name in taken:
            raise _refuse_tax(changed, f"it has moved from column {tax.name!r} to {changed.name!r}")
        return changed

    async def search_currencies(self) -> list[VtigerCurrency]:
        """All currencies, active or not, at most 100 (72-currency-query-after).

        One without a rate is logged and skipped, since no amount can be written in it."""
        found = []
        for row in await self._rows(Query("Currency")):
            try:
                found.append(VtigerCurrency.parse(row))
            except RecordUnreadable as error:
                log.warning("a currency is skipped: %s", error)
        return found


def _get_tax(taxes: Sequence[VtigerTax], tax_id: str) -> VtigerTax:
    for tax in taxes:
        if tax.id == tax_id:
            return tax
    raise NotFound(VTIGER, f"there is no tax {tax_id}")


def _find_labelled(taxes: Sequence[VtigerTax], label: str) -> VtigerTax | None:
    wanted = fold(label)
    return next((tax for tax in taxes if fold(tax.label) == wanted), None)


def _refuse_tax(tax: VtigerTax, explanation: str) -> Rejected:
    return Rejected(VTIGER, f"the tax {tax.label!r} ({tax.id}): {explanation}", code=UNSAFE)


class AddonCalls(RecordCalls):
    """The add-on's operation that reads its outbox."""

    async def find_changes(self, since: int, limit: int = MOST_PER_PAGE) -> OutboxPage | None:
        """At most `limit` changes after a sequence number; None if the add-on is not installed or
        is switched off.

        Rejected (ACCESS_DENIED) unless the API user is an administrator.
        """
        params = {"since": str(since), "limit": str(limit)}
        result = await self._api.find(CHANGES, params)
        self.abilities.note(result)
        return None if result is None else _read_page(result)


@dataclass(frozen=True, slots=True)
class AddonReport:
    """The state of the add-on. Without `facts` the add-on cannot be used, and polls query."""

    facts: AddonFacts | None
    warnings: tuple[AddonWarning, ...] = ()


async def check_addon(client: AddonCalls, public_url: str | None = None) -> AddonReport:
    """Read the add-on's state from the CRM; a missing add-on is not an error. Raises RemoteError.

    `public_url` is the address of this service, None while it is not set.
    """
    try:
        page = await client.find_changes(0, 1)
    except Rejected as error:
        if error.code != DENIED:
            raise
        message = "WooSync is installed, but only administrators may read its changes"
        return AddonReport(None, (AddonWarning(message, MAKE_ADMIN),))
    if page is None:
        return AddonReport(None)
    return AddonReport(page.facts, page.facts.warnings(addon_version(), public_url))


# Sales orders and their lines.

ORDERS = "SalesOrder"
PURCHASE_ORDER = "vtiger_purchaseorder"
PURCHASE_ORDER_LENGTH = 200
ORDER_COLUMNS = (
    "subject",
    PURCHASE_ORDER,
    "sostatus",
    "hdnGrandTotal",
    "createdtime",
    "modifiedtime",
    "modifiedby",
)
"""Columns are named because a query of `*`, or of a column of the lines, counts and mixes lines
(contract page Vtiger §0.11)."""
HEADER_COLUMNS = (
    *ORDER_COLUMNS,
    "description",
    *(
        f"{block}_{part}"
        for block in ("bill", "ship")
        for part in ("street", "city", "code", "state", "country")
    ),
)
"""ORDER_COLUMNS and all that a person edits besides the lines."""


class OrderCalls(ReadingCalls):
    """Calls for SalesOrder, and for LineItem read-only.

    Orders are written by `create` and `revise`, whose answers contain the computed totals as
    floats: read the order again. A revise without `conversion_rate` resets it to 1; one with
    LineItems clears tax mode, shipping and adjustment unless they are sent too (contract page
    Vtiger §0.7, §3, §10).
    """

    async def version(self) -> str:
        """Vtiger's version, such as `8.2.0`, as the login reported it; "" for Cloud."""
        return await self._api.version()

    async def fetch_version(self) -> str:
        """The version after a new login."""
        return await self._api.fetch_version()

    async def accepts_orders(self, *, anew: bool = False) -> bool:
        """Whether orders can be written with their lines, and deleted: through the add-on, or
        because this version of Vtiger does not damage them. `anew` ignores cached answers."""
        if anew:
            self.abilities.forget()
        if await self.saves(ORDERS):
            return True
        return not damages_orders(await (self.fetch_version() if anew else self.version()))

    async def delete_order(self, order_id: str) -> None:
        """Delete an order as `delete` does; with the add-on also on 8.4 (84-stock-delete-order)."""
        if await self.saves(ORDERS):
            with suppress(AddonGone):
                await self._delete(order_id, ORDERS)
                return
        await self._refuse_unsafe()
        await self._api.write("delete", {"id": order_id}, exclusive=ORDER_LINES)

    async def retrieve_order(self, order_id: str) -> VtigerOrder:
        """An order with its lines (00-REFERENCE-so-retrieve-full-group). NotFound."""
        answer = await self._api.read("retrieve", {"id": order_id})
        return VtigerOrder.parse(answer, ORDERS).answering(order_id)

    async def search_orders_by_purchase_order(self, number: str) -> list[VtigerRecord]:
        """Orders with exactly this Purchase Order, by id, with ORDER_COLUMNS only.

        Includes the partial order that a failed create left. Vtiger keeps 200 characters and
        ignores case, accents and trailing spaces, so that the values are compared here (contract
        page Vtiger §10).
        """
        wanted = number[:PURCHASE_ORDER_LENGTH]
        if not wanted:
            return []
        where = (equals(PURCHASE_ORDER, wanted),)
        found = self.search(ORDERS, where, columns=ORDER_COLUMNS)
        return [order async for order in found if order.get(PURCHASE_ORDER) == wanted]

    async def search_purchase_orders(self, numbers: Sequence[str]) -> frozenset[str]:
        """The subset of at most 100 Purchase Orders that orders have (contract page Vtiger §10)."""
        where = (one_of(PURCHASE_ORDER, numbers),)
        found = self.search(ORDERS, where, columns=ORDER_COLUMNS)
        return frozenset([order.get(PURCHASE_ORDER) async for order in found])


LONGEST_POST = 10
"""Seconds."""

Edition = Literal["webservice", "rest"]
APIS: Mapping[Edition, type[Webservice] | type[RestApi]] = {
    "webservice": Webservice,
    "rest": RestApi,
}


def open_vtiger(
    url: str,
    *,
    username: str,
    access_key: str,
    api: Edition = "webservice",
    limits: ClientLimits | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Sleep = asyncio.sleep,
    gate: Gate = FREE_GATE,
) -> "VtigerClient":
    """A client over webservice.php (Community Edition) or, with "rest", over Cloud's REST API."""
    opened = APIS[api](
        url,
        username=username,
        access_key=access_key,
        limits=limits,
        transport=transport,
        sleep=sleep,
        gate=gate,
    )
    return VtigerClient(opened, limits=limits or ClientLimits(), sleep=sleep)


class VtigerClient(OrderCalls, TaxCalls, AddonCalls):
    """The client of one CRM. An async context manager, or call `aclose`.

    Any method may raise RemoteUnavailable (and its subclasses), AuthRejected and Rejected
    (contract page Vtiger §0 and §1, Errors); each method documents what else it raises.
    Only connection attempts and reads are retried here: before it repeats a write, the caller
    checks what the first attempt did.
    """

    def __init__(self, api: VtigerApi, *, limits: ClientLimits, sleep: Sleep) -> None:
        """The time of a POST of many records is half of the read timeout at most."""
        most = min(limits.read_timeout, limits.total_timeout) / 2
        abilities = Abilities(api)
        batches = Batches(
            api,
            abilities,
            at_once=min(MOST_AT_ONCE, limits.max_connections),
            seconds=max(1, min(LONGEST_POST, int(most))),
            sleep=sleep,
        )
        super().__init__(api, abilities, batches)
        self._prefixes: dict[str, str] = {}

    async def list_types(self) -> tuple[str, ...]:
        """The modules that the API user may see (recording 02-listtypes)."""
        result = await self._api.read("listtypes", {})
        types = find_list(result.get("types")) if isinstance(result, Mapping) else None
        if types is None:
            raise ResponseUnreadable(VTIGER, "listtypes gave no list of types")
        return tuple(str(name) for name in types)

    async def describe(self, module: str) -> VtigerModule:
        """A module's fields and id prefix, not cached here (recordings 03-describe-*).

        Rejected (ACCESS_DENIED) for a module that does not exist (11-err-describe-unknown).
        """
        return VtigerModule.parse(await self._api.read("describe", {"elementType": module}))

    async def resolve_id(self, module: str, text: str) -> str:
        """The id `12x34` for the forms that a callback may contain: that id, `34` or `CON217`.

        Contract page Vtiger §5. NotFound if the id belongs to another module or no record has the
        number; Rejected if several have it, which concurrent creates can cause (§6).
        """
        wanted = text.strip()
        prefix = await self._prefix(module)
        if wanted.isascii() and wanted.isdigit():
            return f"{prefix}x{wanted}"
        if not ID_PATTERN.fullmatch(wanted):
            return await self._find_by_number(module, wanted)
        if not wanted.startswith(f"{prefix}x"):
            raise NotFound(VTIGER, f"{wanted} is not a record of {module}")
        return wanted

    async def _find_by_number(self, module: str, number: str) -> str:
        column = kind_of(module).number_field
        if column is None:
            raise InvalidInput(f"{module} has no record numbers; send an id such as 12x34.", "id")
        found = await self.query(Query(module, ("id",), (equals(column, number),), limit=2))
        if not found:
            raise NotFound(VTIGER, f"no record of {module} has the number {number}")
        if len(found) > 1:
            raise Rejected(VTIGER, f"several records of {module} have the number {number}")
        return found[0].id

    async def _prefix(self, module: str) -> str:
        if module not in self._prefixes:
            self._prefixes[module] = (await self.describe(module)).id_prefix
        return self._prefixes[module]
