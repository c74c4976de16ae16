"""webservice.php over HTTP: the parameters it reads and the three shapes it answers in."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.vtiger.addon import OPERATION as WOOSYNC
from sandbox.vtiger.crm import Crm
from sandbox.vtiger.operations import BEFORE_LOGIN, OPERATIONS, Operation, Params, PreLogin
from sandbox.vtiger.refusals import PhpFatal, Refusal, RestrictedFile

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_HTML = "text/html; charset=UTF-8"


def create_crm_app(crm: Crm) -> Starlette:
    """An ASGI app with one route, /webservice.php, to be mounted where the CRM shall live."""

    async def webservice(request: Request) -> Response:
        return await _answer(crm, request)

    return Starlette(routes=[Route("/webservice.php", webservice, methods=["GET", "POST"])])


async def _answer(crm: Crm, request: Request) -> Response:
    read = {"GET": read_pairs(request.url.query), "POST": await read_form(request)}
    everything = read["GET"] | read["POST"]
    name = everything.get("operation", "").lower()
    operation = _find_operation(crm, name)
    if operation is None:
        return Response(status_code=500, media_type=_HTML)
    if everything.get("format", "json").lower() != "json":
        return Response(status_code=500, media_type=_JSON)
    try:
        result = await _result(crm, operation, params=read[operation.verb], everything=everything)
    except PhpFatal:
        return Response(status_code=500, media_type=_HTML)
    except RestrictedFile as page:
        return Response(page.text, media_type=_HTML)
    except Refusal as refusal:
        error = {"message": refusal.message, "code": refusal.code}
        return _json({"success": False, "error": error})
    return _json({"success": True, "result": result})


def _find_operation(crm: Crm, name: str) -> Operation | PreLogin | None:
    """The add-on's are there while it is installed, and has them."""
    if name == WOOSYNC and crm.addon is None:
        return None
    found = BEFORE_LOGIN.get(name) or OPERATIONS.get(name)
    if isinstance(found, Operation) and found.ability:
        has_it = crm.addon is not None and found.ability in crm.addon.abilities
        return found if has_it else None
    return found


async def _result(
    crm: Crm, operation: Operation | PreLogin, *, params: Params, everything: Params
) -> Any:
    if isinstance(operation, PreLogin):
        return operation.run(crm, params)
    session = crm.sessions.open(everything.get("sessionName", ""))
    if operation.shares_session:
        return await operation.run(crm, session, params)
    async with session.lock:
        return await operation.run(crm, session, params)


async def read_form(request: Request) -> dict[str, str]:
    """The form of a POST; a JSON body is not read (recording 10-err-login-json-body)."""
    body = await request.body()
    is_form = request.headers.get("content-type", "").startswith(_FORM)
    return read_pairs(body.decode(errors="replace")) if is_form else {}


def read_pairs(encoded: str) -> dict[str, str]:
    return dict(parse_qsl(encoded, keep_blank_values=True, errors="replace"))


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json.dumps(content), media_type=_JSON)
