"""A browser without a screen: keeps its cookie, and posts forms with the token of their page."""

import re
from dataclasses import dataclass

import httpx

from app.db.session import transaction
from app.domain import Scope
from app.policies.access import create_token
from app.runtime import Runtime

TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


@dataclass(slots=True)
class Browser:
    """`get` and `post` do not follow redirects, so that tests see them."""

    client: httpx.AsyncClient

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def text(self, path: str) -> str:
        """A page that is there."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text

    async def sign_in(self, token: str, way: str = "/sign-in") -> httpx.Response:
        return await self.post("/sign-in", on=way, token=token)

    async def post(self, path: str, *, on: str, **fields: str) -> httpx.Response:
        """The form of the page `on`."""
        [token, *_] = TOKEN.findall(await self.text(on))
        return await self.client.post(path, data={"form_token": token, **fields})


async def new_token(runtime: Runtime, scope: Scope, name: str = "dashboard") -> tuple[int, str]:
    async with transaction(runtime.sessions) as session:
        row, secret = await create_token(session, name, scope=scope)
    return row.id, secret
