"""Calls on the shop's REST API as its plugins and its staff's tools make them, signed by a key."""

import secrets
import time
from collections.abc import Generator, Mapping
from typing import Any

import httpx

from sandbox.woocommerce.auth import signature
from sandbox.woocommerce.credentials import ApiKey

Fields = Mapping[str, Any]


class CallRefused(Exception):
    """The shop did not answer 2xx to a call that it should take."""


class _Signed(httpx.Auth):
    """One-legged OAuth 1.0a in the query (recording auth_oauth1_post_plain_http)."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        oauth = {
            "oauth_consumer_key": self._key.consumer_key,
            "oauth_nonce": secrets.token_hex(16),
            "oauth_signature_method": "HMAC-SHA256",
            "oauth_timestamp": str(int(time.time())),
        }
        url = str(request.url.copy_with(query=None))
        params = {**request.url.params, **oauth}
        signed = {"oauth_signature": signature(self._key, request.method, url, params=params)}
        request.url = request.url.copy_merge_params(oauth | signed)
        yield request


class ShopCalls:
    """One shop's wc/v3, by its address. An async context manager.

    `transport` stands in for the network. Every method raises CallRefused for any answer but 2xx.
    """

    def __init__(
        self, shop_url: str, key: ApiKey, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"{shop_url}/wp-json/wc/v3/",
            auth=_Signed(key),
            transport=transport,
            trust_env=False,
            timeout=30,
        )

    async def __aenter__(self) -> "ShopCalls":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def post(self, path: str, body: Fields) -> dict[str, Any]:
        return await self._call("POST", path, json=body)

    async def put(self, path: str, body: Fields) -> dict[str, Any]:
        return await self._call("PUT", path, json=body)

    async def delete(self, path: str, *, force: bool) -> dict[str, Any]:
        """Without `force` into the trash, from where things come back."""
        return await self._call("DELETE", path, params={"force": str(force).lower()})

    async def _call(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        answer = await self._client.request(method, path, **sent)
        if not answer.is_success:
            raise CallRefused(f"{method} {path}: {answer.status_code} {answer.text}")
        found: dict[str, Any] = answer.json()
        return found
