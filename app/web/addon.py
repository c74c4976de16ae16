"""The add-on for Vtiger Community Edition, saved from the status page by an administrator."""

import asyncio

from fastapi import APIRouter, Response

from app.vtiger.addon_package import build_package
from app.web.faults import PageFault
from app.web.forms import Reader
from app.web.pages import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/ui/vtiger-addon.zip")
async def save_vtiger_addon(visitor: Reader) -> Response:
    if not visitor.is_admin:
        detail = "This needs a token of scope admin. Sign in with one to save the add-on."
        raise PageFault(403, "Your token may only look", detail)
    package = await asyncio.to_thread(build_package)
    name = {"Content-Disposition": f'attachment; filename="{package.name}"'}
    return Response(package.content, media_type="application/zip", headers=name)
