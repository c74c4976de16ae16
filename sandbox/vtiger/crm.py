"""The CRM as tests and the demo day hold it: its state, its people's edits, its settings."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from sandbox.vtiger.actors import (
    Actors,
    CurrencyActors,
    GroupActors,
    ProductTaxActors,
    TaxActors,
    UserActors,
)
from sandbox.vtiger.addon import VERSION, Addon
from sandbox.vtiger.catalogue import Catalogue
from sandbox.vtiger.database import Clock, Database, Record
from sandbox.vtiger.entities import Entities
from sandbox.vtiger.line_items import LineItems
from sandbox.vtiger.order_state import OrderStore
from sandbox.vtiger.orders import SalesOrders
from sandbox.vtiger.products import Products
from sandbox.vtiger.refusals import denied
from sandbox.vtiger.schema import (
    MODULES,
    CustomField,
    Module,
    add_custom,
    load_module,
    remove_custom,
)
from sandbox.vtiger.sessions import Sessions
from sandbox.vtiger.users import CrmUser, Users, default_users
from sandbox.vtiger.workflows import Callback, Workflows

CustomFields = Mapping[str, Sequence[tuple[str, str] | CustomField]]

DEFAULT_CUSTOM_FIELDS: CustomFields = {
    "Contacts": [("cf_853", "WooCommerce ID")],
    "Products": [("cf_855", "WooCommerce ID")],
    "SalesOrder": [("cf_857", "WooCommerce ID")],
}
_ACTORS: dict[str, type[Actors]] = {
    "Users": UserActors,
    "Groups": GroupActors,
    "Currency": CurrencyActors,
    "Tax": TaxActors,
    "ProductTaxes": ProductTaxActors,
}


def utc_now() -> datetime:
    return datetime.now(UTC)


class Crm:
    """A Vtiger CE in memory: 8.2.0, or with `version` 8.3.0 or 8.4.0 as far as orders and queries
    differ.

    `users` the logins, the first of them the person behind the UI; `custom_fields` per module as
    (name, label) or CustomField; `unique_fields` per module what "prevent duplicates" checks;
    `http` the client callbacks are sent with; `mishaps` are what befalls the next writes of order
    lines. All mutations are synchronous and therefore atomic
    within one event loop; only the callbacks after them are awaited.
    """

    def __init__(
        self,
        *,
        users: Iterable[CrmUser] | None = None,
        custom_fields: CustomFields = DEFAULT_CUSTOM_FIELDS,
        unique_fields: Mapping[str, Iterable[str]] | None = None,
        callbacks: Iterable[Callback] = (),
        clock: Clock = utc_now,
        http: httpx.AsyncClient | None = None,
        version: str = "8.2.0",
    ) -> None:
        modules = {name: _module(name, custom_fields, unique_fields or {}) for name in MODULES}
        self.users = Users(default_users() if users is None else users)
        self.database = Database(modules, self.users, clock=clock, version=version)
        self.sessions = Sessions(clock)
        self.workflows = Workflows(self.database, http)
        self.workflows.callbacks.extend(callbacks)
        self.addon: Addon | None = None
        self.actors = {
            name: actors(self.database, modules[name]) for name, actors in _ACTORS.items()
        }
        store = OrderStore(Catalogue(self.database))
        self.mishaps = store.mishaps
        self._orders = store
        self.actors["LineItem"] = LineItems(self.database, modules["LineItem"], store)
        self.entities = {
            name: self._entities(module, store)
            for name, module in modules.items()
            if name not in self.actors
        }

    @property
    def version(self) -> str:
        return self.database.version

    def lose_lines(self, gap_s: float = 0.05) -> None:
        """From now on orders lose lines where two sessions write them within so many seconds, as
        in stock Vtiger (contract page Vtiger add-on writes, F1); with 0 they are safe again."""
        self._orders.line_gap_s = gap_s

    def upgrade(self, version: str) -> None:
        """An admin installs another version; sessions go on."""
        self.database.version = version

    def module(self, name: str) -> Entities | Actors | None:
        return self.entities.get(name) or self.actors.get(name)

    def module_of(self, ws_id: str) -> Entities | Actors:
        """The module behind "12x34"; refused as the real system refuses a wrong id."""
        module = self.module(self.database.module_name_of(ws_id))
        if module is None:
            raise denied()
        return module

    async def ui_create(
        self, module: str, values: Mapping[str, Any], user: str | None = None
    ) -> str:
        """A person fills in the form of a new record; its id. Refusal on a duplicate."""
        entities = self.entities[module]
        record = entities.type_in(values, self._person(user), None)
        await self.saved(entities, record, is_new=True)
        return entities.ws_id(record)

    async def ui_edit(self, ws_id: str, values: Mapping[str, Any], user: str | None = None) -> None:
        """A person changes some fields; workflows fire even if nothing differs."""
        entities = self._entities_of(ws_id)
        record = entities.type_in(values, self._person(user), entities.get(ws_id))
        await self.saved(entities, record, is_new=False)

    def ui_delete(self, ws_id: str, user: str | None = None) -> None:
        """A person moves the record to the recycle bin; no workflow fires.

        What the add-on makes of it waits for its next request: `addon.after_response`.
        """
        self.note(self._entities_of(ws_id).discard(ws_id, self._person(user)), "deleted")

    async def ui_merge(self, keep: str, drop: str, values: Mapping[str, Any]) -> None:
        """A person merges two contacts: the one that stays is saved with what was chosen, then it
        gets the other's orders, without a save of theirs, and the other is deleted
        (modules/Vtiger/actions/ProcessDuplicates.php)."""
        await self.ui_edit(keep, values)
        for sale in self.database.live("SalesOrder"):
            if sale.values.get("contact_id") == drop:
                sale.values["contact_id"] = keep
        self.ui_delete(drop)

    def ui_restore(self, ws_id: str, user: str | None = None) -> None:
        """A person takes the record out of the recycle bin: it counts as modified then (contract
        page Vtiger extension §4); no workflow fires."""
        self.note(self._entities_of(ws_id).restore(ws_id, self._person(user)), "restored")

    def ui_import(self, module: str, values: Mapping[str, Any]) -> str:
        """One row of a CSV file becomes a record: no workflow and no event (contract page
        Vtiger extension §4)."""
        entities = self.entities[module]
        return entities.ws_id(entities.type_in(values, self._person(None), None))

    def ui_add_currency(self, values: Mapping[str, Any]) -> str:
        """A person adds a currency on the settings page; its id. No workflow fires."""
        element = {"defaultid": "0", "deleted": "0", **values}
        currencies = self.actors["Currency"]
        return currencies.ws_id(currencies.create(element, self._person(None)).record)

    def ui_add_field(self, module: str, field: CustomField) -> None:
        """An admin adds a custom field; records that are there have nothing in it."""
        add_custom(self.entities[module].module, field)

    def ui_add_choice(self, module: str, name: str, value: str) -> None:
        """An admin adds a value to a picklist, in the picklist editor."""
        fields = self.entities[module].module.described["fields"]
        type_ = next(field["type"] for field in fields if field["name"] == name)
        type_["picklistValues"].append({"label": value, "value": value})

    def ui_remove_field(self, module: str, name: str) -> None:
        """An admin removes a custom field, and with it what records had in it."""
        remove_custom(self.entities[module].module, name)
        for record in self.database.live(module):
            record.values.pop(name, None)

    def record(self, ws_id: str) -> dict[str, Any]:
        """The record as retrieve answers it to the first user; refused when it is gone."""
        entities = self._entities_of(ws_id)
        return entities.read(entities.get(ws_id), self._person(None))

    def records(self, module: str) -> list[dict[str, Any]]:
        """All undeleted records of a module, oldest first, in the shape of `record`."""
        table = self.entities.get(module) or self.actors[module]
        return [table.read(record, self._person(None)) for record in table.rows()]

    def expire_sessions(self) -> None:
        """As after a night's rest or a restart: every session is INVALID_SESSIONID."""
        self.sessions.expire_all()

    def install_addon(self, url: str = "", secret: str = "", *, version: str = VERSION) -> Addon:
        """The WooSync add-on from now on; `url` is the service's, without it nobody is told.

        A `version` before 2.0.0 writes and reads no records.
        """
        http = self.workflows.http
        self.addon = Addon(self.database, url.rstrip("/"), secret, version=version, http=http)
        return self.addon

    def uninstall_addon(self) -> None:
        self.addon = None

    async def run_addon(self, interval_s: float) -> None:
        """The add-on's cron task for ever, where the add-on is installed."""
        while True:
            if self.addon is not None:
                await self.addon.cron()
            await asyncio.sleep(interval_s)

    async def aclose(self) -> None:
        await self.workflows.aclose()
        if self.addon is not None and self.addon.http is not None:
            await self.addon.http.aclose()

    async def saved(self, module: Entities | Actors, record: Record, *, is_new: bool) -> None:
        """What a save sets off: workflows first, then the add-on's handler and its request."""
        if not isinstance(module, Entities):
            return
        await self.stored(module, record, is_new=is_new)
        if self.addon is not None:
            await self.addon.after_response()

    async def stored(self, module: Entities, record: Record, *, is_new: bool) -> None:
        """What happens inside the save itself, before anything is answered."""
        await self.workflows.fire(module, record, is_new=is_new)
        self.note(record, "created" if is_new else "updated")

    def note(self, record: Record, event: str) -> None:
        """The add-on's handler hears of it, where there is one."""
        if self.addon is not None:
            self.addon.record(record, event)

    def _entities(self, module: Module, store: OrderStore) -> Entities:
        if module.name == "SalesOrder":
            return SalesOrders(self.database, module, store)
        if module.name in ("Products", "Services"):
            return Products(self.database, module, store.catalogue)
        return Entities(self.database, module)

    def _person(self, name: str | None) -> CrmUser:
        return self.users.get(name) if name else self.users.all()[0]

    def _entities_of(self, ws_id: str) -> Entities:
        return self.entities[self.database.module_name_of(ws_id)]


def _module(name: str, custom: CustomFields, unique: Mapping[str, Iterable[str]]) -> Module:
    fields = [
        item if isinstance(item, CustomField) else CustomField(*item)
        for item in custom.get(name, ())
    ]
    return load_module(name, fields, unique=unique.get(name))
