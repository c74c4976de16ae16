"""How a request proves who sends it: Basic over TLS, OAuth 1.0a where the wire is open.

WooCommerce takes Basic only if it believes the request came by https (contract page
WooCommerce §2, recordings auth_basic_plain_http and auth_oauth1_plain_http).
"""

import hashlib
import hmac
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Generator

import httpx
from authlib.oauth1.rfc5849.signature import construct_base_string
from authlib.oauth1.rfc5849.util import escape


def choose_auth(url: httpx.URL, consumer_key: str, consumer_secret: str) -> httpx.Auth:
    """Basic for https, OAuth 1.0a for http (recordings auth_basic_https, auth_oauth1_*)."""
    if url.scheme == "https":
        return httpx.BasicAuth(consumer_key, consumer_secret)
    return OAuth1QueryAuth(consumer_key, consumer_secret)


class OAuth1QueryAuth(httpx.Auth):
    """One-legged OAuth 1.0a (HMAC-SHA256) in the query; the JSON body is not signed.

    Recordings auth_oauth1_plain_http, auth_oauth1_post_plain_http. Every attempt gets its own
    nonce: a used one is refused (auth_oauth1_nonce_replay). authlib gives the base string; its
    own client refuses plain http, knows SHA-1 only and drops JSON bodies.
    """

    def __init__(
        self,
        consumer_key: str,
        consumer_secret: str,
        *,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = secrets.token_hex,
    ) -> None:
        self._key = consumer_key
        self._signing_key = f"{escape(consumer_secret)}&".encode()
        self._clock = clock
        self._nonce = nonce

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        oauth = {
            "oauth_consumer_key": self._key,
            "oauth_nonce": self._nonce(),
            "oauth_signature_method": "HMAC-SHA256",
            "oauth_timestamp": str(int(self._clock())),
        }
        signature = self._sign(request, oauth)
        request.url = request.url.copy_merge_params(oauth | {"oauth_signature": signature})
        yield request

    def _sign(self, request: httpx.Request, oauth: dict[str, str]) -> str:
        address = str(request.url.copy_with(query=None))
        params = [*request.url.params.multi_items(), *oauth.items()]
        base = construct_base_string(request.method, address, params)
        return b64encode(hmac.digest(self._signing_key, base.encode(), hashlib.sha256)).decode()
