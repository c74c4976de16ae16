"""Settings by which strangers could get in, or read along: short or shared secrets, plain http.

These are rules about all settings together, looked at before they are read one by one, so that
everything that is wrong is told at once. They hold where the service is configured; what it
configures itself, such as its sandbox, has secrets that it drew.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from app.setting_types import PLACEHOLDER, RANDOM

SHORTEST_SECRET = 16
"""Characters. Vtiger's access keys have 16, WooCommerce's consumer secrets 43."""
HOW_TO_LENGTHEN = {
    "consumer_secret": "copy it whole, or make another REST API key in the shop",
    "access_key": "copy it whole from Vtiger > My Preferences > User Advanced Options",
    "webhook_secret": f"{RANDOM}, and `woo-vtiger webhooks install` tells the shop",
    "webhook_secret_previous": "take it away: polls find what the shop still signs with it",
    "callback_secret": f"{RANDOM}, and callbacks and the add-on in Vtiger need the same one",
}
COLLECTORS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def access_faults(given: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """A sentence for each breach in settings as they were given, nested as the models are;
    `environment` is where the tracing library looks for its own."""
    return [
        *_short(given),
        *_shared(given),
        *_plain_http(given, environment),
    ]


def _short(given: Mapping[str, Any]) -> Iterator[str]:
    for name, field, secret in _secrets(given):
        if field in HOW_TO_LENGTHEN and len(secret) < SHORTEST_SECRET:
            yield (
                f"{name} has fewer than {SHORTEST_SECRET} characters, so that it could be guessed;"
                f" {HOW_TO_LENGTHEN[field]}."
            )


def _shared(given: Mapping[str, Any]) -> Iterator[str]:
    """A secret in two places opens both for whoever learns it in one. Only a shop that is set
    under two keys has the same consumer secret twice, with its consumer key."""
    holders: dict[str, list[str]] = defaultdict(list)
    for name, field, secret in _secrets(given):
        if field == "consumer_secret" and any("CONSUMER_SECRET" in one for one in holders[secret]):
            continue
        holders[secret].append(name)
    for first, *others in holders.values():
        for other in others:
            if other == first:
                yield f"{other} holds one token twice; take one of them away, or draw another."
            else:
                yield f"{other} is the same as {first}; give each a secret of its own ({RANDOM})."


def _secrets(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The variable, the field and the text of each secret that is set at all."""
    for prefix, group in _remotes(given):
        for field in HOW_TO_LENGTHEN:
            text = str(group.get(field) or "").strip()
            if text and not PLACEHOLDER.fullmatch(text):
                yield f"{prefix}__{field.upper()}", field, text
    tokens = given.get("api_tokens") or ()
    listed = tokens.split(",") if isinstance(tokens, str) else map(str, tokens)
    for token in listed:
        if (text := token.strip()) and not PLACEHOLDER.fullmatch(text):
            yield "API_TOKENS", "api_tokens", text


def _plain_http(given: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    allowed = given.get("plain_http_hosts") or ""
    listed = allowed.split(",") if isinstance(allowed, str) else map(str, allowed)
    hosts = {host.strip().strip("[]").casefold() for host in listed}
    for name, address in _addresses(given, environment):
        host = _host_of(address)
        if host and host not in hosts and not _is_this_machine(host):
            yield (
                f"{name} has http://, so that everybody on the way to {host} can read along;"
                f" write https://, or, in a network of your own, set PLAIN_HTTP_HOSTS={host}."
            )


def _addresses(
    given: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for prefix, group in _remotes(given):
        yield f"{prefix}__URL", str(group.get("url") or "")
    yield "PUBLIC_URL", str(given.get("public_url") or "")
    if str(given.get("tracing", "")).casefold() in {"1", "true", "yes", "on", "t", "y"}:
        yield from ((name, environment.get(name, "")) for name in COLLECTORS)


def _host_of(address: str) -> str:
    """The host of an address with http://; "" for any other one."""
    try:
        parts = urlsplit(address.strip())
        return (parts.hostname or "") if parts.scheme == "http" else ""
    except ValueError:
        return ""


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _remotes(given: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    stores = given.get("stores")
    for key, store in stores.items() if isinstance(stores, Mapping) else ():
        if isinstance(store, Mapping):
            yield f"STORES__{key}", store
    if isinstance(vtiger := given.get("vtiger"), Mapping):
        yield "VTIGER", vtiger
