"""Authentication of a REST call: Basic or query-string keys over TLS, OAuth 1.0a anywhere.

Contract page WooCommerce §2 (Auth); recordings auth_*.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.errors import RestError

_OAUTH_NAMES = (
    "oauth_consumer_key",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
)
_HASHES = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
_WINDOW_SECONDS = 15 * 60
_HEADER_PAIR = re.compile(r'(oauth_\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """What authentication looks at: `url` is the full address without its query."""

    method: str
    url: str
    query: Mapping[str, Any]
    authorization: str
    is_tls: bool


def _refused(message: str, code: str = "woocommerce_rest_authentication_error") -> RestError:
    return RestError(code, message, 401)


class Authenticator:
    """Finds the key behind a call; None for an anonymous one, RestError for a failed one.

    What the key may do is the caller's next question: `check_permission`.
    """

    def __init__(self, keys: Iterable[ApiKey], clock: Callable[[], datetime]) -> None:
        self._keys = {key.consumer_key: key for key in keys}
        self._clock = clock
        self._nonces: dict[str, dict[int, str]] = {}

    def authenticate(self, call: Call) -> ApiKey | None:
        key = self._by_secret(call) if call.is_tls else None
        return key or self._by_signature(call)

    def _by_secret(self, call: Call) -> ApiKey | None:
        name, secret = _query_pair(call.query) or _basic_pair(call.authorization)
        key = self._keys.get(name)
        if not key or not secret:
            return None
        if not hmac.compare_digest(key.consumer_secret.encode(), secret.encode()):
            raise _refused("Consumer secret is invalid.")
        return key

    def _by_signature(self, call: Call) -> ApiKey | None:
        params = _oauth_params(call)
        if params is None:
            return None
        key = self._keys.get(params["oauth_consumer_key"])
        if key is None:
            raise _refused("Consumer key is invalid.")
        _check_signature(key, call, params)
        self._check_freshness(key, params)
        return key

    def _check_freshness(self, key: ApiKey, params: Mapping[str, Any]) -> None:
        now = self._clock().timestamp()
        timestamp = int(params["oauth_timestamp"]) if params["oauth_timestamp"].isdigit() else 0
        if abs(now - timestamp) > _WINDOW_SECONDS:
            raise _refused("Invalid timestamp.")
        used = self._nonces.setdefault(key.consumer_key, {})
        if params["oauth_nonce"] in used.values():
            raise _refused("Invalid nonce - nonce has already been used.")
        # WooCommerce keys its memory by timestamp: of one second it remembers the last nonce only.
        used[timestamp] = params["oauth_nonce"]
        for old in [stamp for stamp in used if stamp < now - _WINDOW_SECONDS]:
            del used[old]


def check_permission(key: ApiKey, method: str) -> None:
    """Raises for a read-only key that writes (recording auth_readonly_key_post)."""
    wanted = "read" if method in ("GET", "HEAD", "OPTIONS") else "write"
    if wanted not in key.permissions:
        raise _refused(f"The API key provided does not have {wanted} permissions.")


def _query_pair(query: Mapping[str, Any]) -> tuple[str, str] | None:
    name, secret = query.get("consumer_key"), query.get("consumer_secret")
    return (str(name), str(secret)) if name and secret else None


def _basic_pair(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret


def _oauth_params(call: Call) -> dict[str, Any] | None:
    params = dict(call.query)
    if call.authorization.lower().startswith("oauth"):
        params.update((k, unquote(v)) for k, v in _HEADER_PAIR.findall(call.authorization))
    missing = [name for name in _OAUTH_NAMES if not params.get(name)]
    if len(missing) == len(_OAUTH_NAMES):
        return None
    if missing:
        noun = "parameter" if len(missing) == 1 else "parameters"
        message = f"Missing OAuth {noun} {', '.join(missing)}"
        raise _refused(message, "woocommerce_rest_authentication_missing_parameter")
    return params


def _check_signature(key: ApiKey, call: Call, params: dict[str, Any]) -> None:
    if params["oauth_signature_method"] not in _HASHES:
        raise _refused("Invalid signature - signature method is invalid.")
    given = params.pop("oauth_signature").replace(" ", "+")
    expected = signature(key, call.method, call.url, params=params)
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise _refused("Invalid signature - provided signature does not match.")


def signature(key: ApiKey, method: str, url: str, *, params: Mapping[str, Any]) -> str:
    """What a call is signed with: `params` are its query and the oauth_ values but this one."""
    text = "&".join((method, _encoded(url), _encoded(_normalized(params))))
    digest = _HASHES[params["oauth_signature_method"]]
    mac = hmac.new(f"{key.consumer_secret}&".encode(), text.encode(), digest)
    return base64.b64encode(mac.digest()).decode()


def _normalized(params: Mapping[str, Any]) -> str:
    pairs = sorted((_encoded(k), _encoded(v)) for k, v in _flat(params))
    return "&".join(f"{name}={value}" for name, value in pairs)


def _flat(params: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        full = f"{prefix}[{name}]" if prefix else str(name)
        if isinstance(value, list):
            pairs += _flat({str(index): item for index, item in enumerate(value)}, full)
        elif isinstance(value, dict):
            pairs += _flat(value, full)
        else:
            pairs.append((full, str(value)))
    return pairs


def _encoded(text: str) -> str:
    return quote(text, safe="~")
