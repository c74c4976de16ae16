"""The operations of webservice.php: which verb each reads, and what it does."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.vtiger import addon_records, php, query, select
from sandbox.vtiger.actors import Actors, UserActors
from sandbox.vtiger.addon import OPERATION as WOOSYNC
from sandbox.vtiger.addon import Addon
from sandbox.vtiger.crm import Crm
from sandbox.vtiger.entities import Entities
from sandbox.vtiger.orders import SalesOrders
from sandbox.vtiger.refusals import PhpFatal, Refusal, denied
from sandbox.vtiger.schema import recorded
from sandbox.vtiger.sessions import Session
from sandbox.vtiger.table import Written
from sandbox.vtiger.users import CrmUser

Params = Mapping[str, str]
Handler = Callable[[Crm, Session, Params], Awaitable[Any]]


@dataclass(frozen=True)
class Operation:
    """`verb` is the only one whose parameters are read; `run` gets them and the session, which
    other requests wait for unless it `shares_session`; `ability` is what the add-on needs to have
    for it, "" for none."""

    verb: Literal["GET", "POST"]
    run: Handler
    shares_session: bool = False
    ability: str = ""


@dataclass(frozen=True)
class PreLogin:
    """An operation that needs no session."""

    verb: Literal["GET", "POST"]
    run: Callable[[Crm, Params], Any]


def _getchallenge(crm: Crm, params: Params) -> Any:
    name = params.get("username", "")
    if not name:
        raise Refusal("ACCESS_DENIED", "No username given")
    user = crm.users.find(name)
    if user is None:
        raise Refusal("ACCESS_DENIED", "username does not exists")
    return crm.sessions.challenge(user)


def _login(crm: Crm, params: Params) -> Any:
    user = crm.users.find(params.get("username", ""))
    session = crm.sessions.login(user, params.get("accessKey", ""))
    return _profile(session.user) | {
        "sessionName": session.name,
        "userId": session.user.ws_id,
        **_versions(crm),
    }


def _versions(crm: Crm) -> dict[str, str]:
    return {"version": "0.22", "vtigerVersion": crm.version}


def _profile(user: CrmUser) -> dict[str, str]:
    return {
        "username": user.user_name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "time_zone": user.time_zone,
        "hour_format": "12",
        "date_format": user.date_format,
        "is_admin": "on" if user.is_admin else "off",
        "call_duration": "5",
        "other_event_duration": "5",
    }


async def _extendsession(crm: Crm, session: Session, params: Params) -> Any:
    if "operation" not in params:  # it has to be in the form, not in the address alone
        raise Refusal("AUTHENTICATION_REQUIRED", "Authencation required")
    return {"sessionName": session.name, "userId": session.user.ws_id, **_versions(crm)}


async def _listtypes(_crm: Crm, _session: Session, _params: Params) -> Any:
    return recorded("listtypes")


async def _describe(crm: Crm, _session: Session, params: Params) -> Any:
    name = params.get("elementType", "")
    module = crm.module(name)
    if module is None:
        raise query.unknown_module(name)
    return module.describe()


async def _retrieve(crm: Crm, session: Session, params: Params) -> Any:
    ws_id = params.get("id", "")
    module = crm.module_of(ws_id)
    return module.read(module.get(ws_id), session.user)


async def _create(crm: Crm, session: Session, params: Params) -> Any:
    module = crm.module(params.get("elementType", ""))
    if module is None:
        raise denied()
    element = _element(params)
    written = await _carried_out(module, element, lambda: module.create(element, session.user))
    await crm.saved(module, written.record, is_new=True)
    return written.answer


async def _update(crm: Crm, session: Session, params: Params) -> Any:
    element = _element(params)
    module = _module_of(crm, element)
    written = await _carried_out(module, element, lambda: module.update(element, session.user))
    await crm.saved(module, written.record, is_new=False)
    return written.answer


async def _revise(crm: Crm, session: Session, params: Params) -> Any:
    element = _element(params)
    module = _module_of(crm, element)
    written = await _carried_out(module, element, lambda: module.revise(element, session.user))
    await crm.saved(module, written.record, is_new=False)
    return written.answer


async def _carried_out(
    module: Entities | Actors, element: dict[str, Any], write: Callable[[], Written]
) -> Written:
    if isinstance(module, SalesOrders):
        return await module.overlapping(element, write)
    return write()


async def _delete(crm: Crm, session: Session, params: Params) -> Any:
    ws_id = params.get("id", "")
    crm.note(crm.module_of(ws_id).delete(ws_id, session.user), "deleted")
    if crm.addon is not None:
        await crm.addon.after_response()
    return {"status": "successful"}


async def _query(crm: Crm, session: Session, params: Params) -> Any:
    text = params.get("query", "")
    name = query.module_named(text)
    module = crm.module(name)
    if module is None:
        raise query.unknown_module(name)
    rows = select.answer(query.parse(text), module, session.user)
    has_operation = isinstance(module, Entities | UserActors)
    if crm.database.breaks_orders and has_operation:  # VtigerModuleOperation.php:200
        return [row for row in rows if "id" in row]
    return rows


async def _woosync_changes(crm: Crm, session: Session, params: Params) -> Any:
    """The add-on's; whoever asks is up, so what waits is told again (contract page
    Vtiger extension §6)."""
    addon = _addon(crm)
    result = addon.changes(params, session.user)
    await addon.after_response(forced=True)
    return result


async def _woosync_save(crm: Crm, session: Session, params: Params) -> Any:
    addon = _addon(crm)
    result = await addon_records.save(crm, addon, params, session.user)
    await addon.after_response()
    return result


async def _woosync_read(crm: Crm, session: Session, params: Params) -> Any:
    return addon_records.read(crm, _addon(crm), params, session.user)


def _addon(crm: Crm) -> Addon:
    """PhpFatal where it was uninstalled meanwhile."""
    if crm.addon is None:
        raise PhpFatal
    return crm.addon


def _element(params: Params) -> dict[str, Any]:
    return php.decode_object(params.get("element", "")) or {}


def _module_of(crm: Crm, element: Mapping[str, Any]) -> Entities | Actors:
    return crm.module_of(php.text(element.get("id")))


BEFORE_LOGIN = {"getchallenge": PreLogin("GET", _getchallenge), "login": PreLogin("POST", _login)}
OPERATIONS = {
    "extendsession": Operation("POST", _extendsession),
    "listtypes": Operation("GET", _listtypes),
    "describe": Operation("GET", _describe),
    "retrieve": Operation("GET", _retrieve),
    "query": Operation("GET", _query),
    "create": Operation("POST", _create),
    "update": Operation("POST", _update),
    "revise": Operation("POST", _revise),
    "delete": Operation("POST", _delete),
    WOOSYNC: Operation("GET", _woosync_changes),
    addon_records.SAVE: Operation("POST", _woosync_save, shares_session=True, ability="save"),
    addon_records.READ: Operation("POST", _woosync_read, shares_session=True, ability="read"),
}
