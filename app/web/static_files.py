"""Static files whose addresses change with their content."""

from fastapi import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

KEPT = "public, max-age=31536000, immutable"


class KeptFiles(StaticFiles):
    """Their addresses change with them, so browsers need not ask again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = KEPT
        return response
