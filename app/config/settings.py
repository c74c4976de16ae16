"""All settings: their types, defaults and descriptions, and a sentence for each error in them.

Values come from the environment, then from `.env`; `__` separates levels: HTTP__READ_TIMEOUT=20."""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv.parser import Binding, parse_stream
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    SettingsConfigDict,
    SettingsError,
)

from app.domain import ConfigError

# Errors of settings: a sentence with the variable, its error and its meaning

Groups = Mapping[str, type[BaseModel]]


def fault_sentence(fault: ErrorDetails, groups: Groups) -> str:
    """The sentence for an error. `groups` are the models of the settings by their prefix."""
    where = [part for part in fault["loc"] if isinstance(part, str) and part != "[key]"]
    message = fault["msg"].removeprefix("Value error, ")
    match fault["type"]:
        case "extra_forbidden":
            return f"{_name(where)} is not a setting; {_hint(where, groups)}"
        case "string_pattern_mismatch":
            return f"{_name(where)}: a store's key has 1 to 32 characters, each of a-z, 0-9 or -."
        case "value_error" if not where or where[-1] in groups:
            return f"{message}."
        case "missing":
            problem = "is not set"
        case "value_error":
            problem = message
        case _:
            problem = f"is wrong ({message[:1].lower()}{message[1:]})"
    meaning = _meaning(where, groups)
    return f"{_name(where)} {problem}; set it in the environment or in .env: {meaning}."


def _name(where: list[str]) -> str:
    """The name of a setting in the environment: in capitals, except the key of a store."""
    key = 1 if where[0] == "stores" else None
    return "__".join(part if at == key else part.upper() for at, part in enumerate(where))


def _hint(where: list[str], groups: Groups) -> str:
    """The most similar name of the same group, as a question."""
    known = _group(where, groups).model_fields
    near = get_close_matches(where[-1], list(known), n=1)
    if near:
        return f"did you mean {_name([*where[:-1], near[0]])}?"
    return "docs/configuration.md lists them all."


def _group(where: list[str], groups: Groups) -> type[BaseModel]:
    return groups["stores__main" if where[0] == "stores" else "".join(where[:-1])]


def _meaning(where: list[str], groups: Groups) -> str:
    field = _group(where, groups).model_fields.get(where[-1])
    return (field.description if field else None) or "see docs/configuration.md"


# Unknown variables that resemble settings, such as misspelt names
#
# `.env` belongs to the service, so any such name is refused there. The environment is shared with
# other programs, so that a name is only refused if it is unlikely to be of another one; others are
# logged.

ENCODING = "utf-8-sig"
"""UTF-8, with the byte order mark that some editors write."""
STORES = "STORES"
STORE_WORDS = frozenset({"STORE", "SHOP", "SHOPS", "WOO", "WOOCOMMERCE"})
ALL = "docs/configuration.md lists them all."
ALIKE = 0.8
NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class Stray:
    """An unknown variable and the most similar setting, "" if there is none; not `certain` if it
    may belong to another program."""

    name: str
    meant: str
    certain: bool

    @property
    def question(self) -> str:
        return f"did you mean {self.meant}?" if self.meant else ""


def settings_file_faults(file: Path, groups: Groups) -> list[str]:
    """A sentence for each line that cannot be read and each name that is not a setting.

    Raises ConfigError if the file cannot be read at all.
    """
    if not file.is_file():
        return []
    try:
        with file.open(encoding=ENCODING) as lines:
            found = list(parse_stream(lines))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}.") from None
    return [sentence for line in found for sentence in _line_faults(line, file, groups)]


def _line_faults(line: Binding, file: Path, groups: Groups) -> Iterator[str]:
    if line.error:
        yield f"Line {line.original.line} of {file} cannot be read; write it as NAME=value."
    elif line.key is not None and (stray := find_stray(line.key, groups)):
        yield f"{stray.name} in {file} is not a setting; {stray.question or ALL}"


def environment_faults(groups: Groups) -> tuple[list[str], list[str]]:
    """A sentence for each unknown variable that is certainly meant as a setting, and for each that
    may be."""
    strays = [stray for name in os.environ if (stray := find_stray(name, groups)) and stray.meant]
    sentences = {
        stray: f"{stray.name} in the environment is not a setting; {stray.question}"
        for stray in strays
    }
    certain = [sentence for stray, sentence in sentences.items() if stray.certain]
    return certain, [sentence for stray, sentence in sentences.items() if not stray.certain]


def find_stray(name: str, groups: Groups) -> Stray | None:
    """The unknown variable, or None for a setting and for a name that resembles none.

    Names within a group (`HTTP__...`) count as settings, because their model refuses unknown ones.
    """
    upper = name.upper()
    head, nested, _ = upper.partition("__")
    if upper in (field.upper() for field in groups[""].model_fields):
        return None
    if nested and head in _heads(groups):
        return None
    return _resembling(name, groups)


def _resembling(name: str, groups: Groups) -> Stray | None:
    parts = [part for part in re.split(r"_+", name) if part]
    if not parts:
        return None
    nested, first = "__" in name.strip("_"), parts[0].upper()
    if first in STORE_WORDS or _alike(first, STORES) >= ALIKE:
        key, field = _store_field(parts[1:], groups)
        if field or nested:
            meant = f"{STORES}__{key or 'main'}__{field or '...'}"
            return Stray(name, meant, certain=nested or (bool(key) and bool(field)))
    meant, likeness = _closest("_".join(parts).upper(), groups)
    if meant:
        is_ours = nested or likeness == 1.0 or (first == "VTIGER" and likeness >= NEARLY)
        return Stray(name, meant, certain=is_ours)
    if nested and (near := get_close_matches(first, _heads(groups), n=1, cutoff=ALIKE)):
        return Stray(name, f"{near[0]}__...", certain=True)
    return Stray(name, "", certain=False) if nested or first == "VTIGER" else None


def _store_field(parts: list[str], groups: Groups) -> tuple[str, str]:
    """The key and the field of a name after STORES; "" for a missing part."""
    fields = sorted((field.upper() for field in groups["stores__main"].model_fields), key=len)
    flat = "_".join(parts)
    for field in reversed(fields):
        if flat.upper() == field or flat.upper().endswith(f"_{field}"):
            return flat[: -len(field)].strip("_").lower(), field
    key, _, rest = flat.partition("_")
    close = get_close_matches(rest.upper(), fields, n=1, cutoff=ALIKE)
    return (key.lower(), close[0]) if close else ("", "")


def _closest(flat: str, groups: Groups) -> tuple[str, float]:
    """The setting, except those of stores, that is most similar to a name with single underscores,
    and the similarity; "" and 0 if there is none."""
    known = {re.sub("_+", "_", name): name for name in _names(groups)}
    near = get_close_matches(flat, known, n=1, cutoff=ALIKE)
    return (known[near[0]], _alike(flat, near[0])) if near else ("", 0.0)


def _heads(groups: Groups) -> list[str]:
    return [prefix.partition("__")[0].upper() for prefix in groups if prefix]


def _names(groups: Groups) -> Iterator[str]:
    heads = _heads(groups)
    for prefix, group in groups.items():
        if prefix != "stores__main":
            own = (field for field in group.model_fields if field.upper() not in heads)
            yield from ("__".join(filter(None, (prefix, field))).upper() for field in own)


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


# Types of values; a secret is neither empty nor a placeholder

PLACEHOLDER = re.compile(
    r"<.*>|\.{2,}|(ck_|cs_|whsec_)?[x*.…]*|your[-_ ].*"
    r"|(ck_|cs_)?(change|replace|fill)[-_ ]?(me|this|in|it)?.*"
    r"|secrets?|passwords?|todo|tbd|none|null|placeholder|example|dummy|insert.*",
    re.IGNORECASE,
)


def _real(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value().strip()
    if not text:
        raise ValueError("is empty")
    if PLACEHOLDER.fullmatch(text):
        raise ValueError("still holds a placeholder")
    return SecretStr(text)


SHORTEST_TOKEN = 32
ENTITY = re.compile(r"&(?:[a-z][a-z0-9]*|#[0-9]+|#x[0-9a-f]+);", re.IGNORECASE)
RANDOM = "`openssl rand -hex 32` makes a good one"


def _long(token: SecretStr) -> SecretStr:
    """Check the length of a token, which must not be guessable and is never typed by hand."""
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"has fewer than {SHORTEST_TOKEN} characters ({RANDOM})")
    return token


def _kept_by_shop(secret: SecretStr) -> SecretStr:
    """Check a webhook secret for HTML entities: WooCommerce signs with wp_specialchars_decode() of
    the secret (contract page WooCommerce §1), so that no signature would match."""
    if found := ENTITY.search(secret.get_secret_value()):
        raise ValueError(
            f"contains {found[0]}, which WooCommerce would decode before it signs ({RANDOM})"
        )
    return secret


def _web_address(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must start with http:// or https:// and a host")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must not contain a user, question mark or hash")
    return text.strip().rstrip("/")


def _network(text: str) -> str:
    """An address or a network, such as 10.0.0.0/8."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"contains {text}, which is not an address or a network (host names are not accepted)"
        ) from None
    if "/" in text and str(network) != text:
        raise ValueError(
            f"contains {text}, which is an address within {network}: enter one of the two"
        )
    if not network.prefixlen:
        raise ValueError(f"contains {text}, with which every client could forge its address")
    return str(network)


def _host(text: str) -> str:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.netloc != text or ("@" in text) or _has_port(text):
        raise ValueError(f"contains {text}: enter host names without http:// and port")
    return parts.hostname


def _has_port(text: str) -> bool:
    return text.rpartition(":")[2].isdecimal() and text.count(":") == 1


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Secret = Annotated[SecretStr, AfterValidator(_real)]
WebhookSecret = Annotated[Secret, AfterValidator(_kept_by_shop)]
Token = Annotated[Secret, AfterValidator(_long)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
StoreKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_empty_is_none)]
OptionalAddress = Annotated[WebAddress | None, BeforeValidator(_empty_is_none)]
OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
Tokens = Annotated[tuple[Token, ...], BeforeValidator(_split)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_split)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], BeforeValidator(_split)]
Seconds = Annotated[float, Field(gt=0)]


# Insecure settings: short or shared secrets, unencrypted http
#
# These rules about all settings together are checked before the settings are validated one by one,
# so that all errors are reported at once. They apply to configured settings; those that the service
# generates, such as its sandbox's, have random secrets.

SHORTEST_SECRET = 16
"""In characters. Access keys of Vtiger have 16, consumer secrets of WooCommerce 43."""
HOW_TO_LENGTHEN = {
    "consumer_secret": "copy it completely, or create another REST API key in the shop",
    "access_key": "copy it completely from Vtiger > My Preferences > User Advanced Options",
    "webhook_secret": f"{RANDOM}, and `woo-vtiger webhooks install` sends it to the shop",
    "webhook_secret_previous": "remove it: polls find changes that the shop still signs with it",
    "callback_secret": f"{RANDOM}, and callbacks and the add-on in Vtiger need the same one",
}
COLLECTORS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def access_faults(given: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """A sentence for each violation in unvalidated settings, which are nested like the models;
    `environment` has the settings of the tracing library."""
    return [
        *_short(given),
        *_shared(given),
        *_plain_http(given, environment),
    ]


def _short(given: Mapping[str, Any]) -> Iterator[str]:
    for name, field, secret in _given_secrets(given):
        if field in HOW_TO_LENGTHEN and len(secret) < SHORTEST_SECRET:
            yield (
                f"{name} has fewer than {SHORTEST_SECRET} characters and could be guessed;"
                f" {HOW_TO_LENGTHEN[field]}."
            )


def _shared(given: Mapping[str, Any]) -> Iterator[str]:
    """Secrets that are used twice, of which a leak in one place opens the other too. Only a shop
    that is configured under two keys has the same consumer key and secret twice."""
    holders: dict[str, list[str]] = defaultdict(list)
    for name, field, secret in _given_secrets(given):
        if field == "consumer_secret" and any("CONSUMER_SECRET" in one for one in holders[secret]):
            continue
        holders[secret].append(name)
    for first, *others in holders.values():
        for other in others:
            if other == first:
                yield f"{other} contains a token twice; remove one of them, or generate another."
            else:
                yield f"{other} is the same as {first}; use a different secret for each ({RANDOM})."


def _given_secrets(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The variable, the field and the text of each secret that is set."""
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
                f"{name} has http://, so that the connection to {host} is not encrypted;"
                f" use https://, or, in a private network, set PLAIN_HTTP_HOSTS={host}."
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


# The settings of the two systems: addresses, credentials and calls

MIB = 1024 * 1024


class Group(BaseModel):
    """Settings with a common prefix. Unknown names are refused as typing errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class RemoteSettings(Group):
    """Limits of one system that differ from those of both."""

    max_connections: int | None = Field(
        None, ge=1, description="instead of HTTP__MAX_CONNECTIONS for this system"
    )
    calls_per_second: float | None = Field(
        None, gt=0, description="instead of HTTP__CALLS_PER_SECOND for this system"
    )


class StoreSettings(RemoteSettings):
    """One WooCommerce shop. The part `main` of the names is the key of the store (any name)."""

    url: WebAddress = Field(description="address of the shop, such as https://shop.example.com")
    consumer_key: Secret = Field(
        description="consumer key of a REST API key with read/write permission"
        " (WooCommerce > Settings > Advanced > REST API)"
    )
    consumer_secret: Secret = Field(description="consumer secret of the same REST API key")
    webhook_secret: WebhookSecret = Field(
        description="secret with which the shop signs its webhooks: a long random text"
        " (`openssl rand -hex 32`)"
    )
    webhook_secret_previous: Secret | None = Field(
        None, description="previous webhook secret, which is also accepted while you change it"
    )
    compare_hours: float = Field(
        0, ge=0, description="hours between two scheduled full comparisons; 0: none"
    )
    compare_repairs: bool = Field(
        False,
        description="whether such a comparison also syncs the differences, or only reports them",
    )


class VtigerSettings(RemoteSettings):
    """The Vtiger CRM."""

    url: WebAddress = Field(description="address of Vtiger, such as https://crm.example.com")
    username: Filled = Field(description="name of a user that only this service uses")
    access_key: Secret = Field(
        description="access key of that user (Vtiger > My Preferences > User Advanced Options)"
    )
    api: Literal["webservice", "rest"] = Field(
        "webservice",
        description="`webservice`: the API of Community Edition; `rest`: that of Vtiger Cloud",
    )
    callback_secret: Secret = Field(
        description="secret in callbacks, with which the add-on also signs: a long random text"
        " (`openssl rand -hex 32`)"
    )


class HttpSettings(Group):
    """Calls to the two systems."""

    connect_timeout: Seconds = Field(5, description="seconds to wait for a connection")
    read_timeout: Seconds = Field(30, description="seconds to wait for the next part of an answer")
    write_timeout: Seconds = Field(30, description="seconds to wait while sending")
    pool_timeout: Seconds = Field(10, description="seconds to wait for a free connection")
    total_timeout: Seconds = Field(120, description="maximum seconds of a call in total")
    max_connections: int = Field(
        8, ge=1, description="concurrent calls to each system, by each process"
    )
    calls_per_second: float = Field(
        100, gt=0, description="calls per second to each system, by all processes together"
    )
    recovery_seconds: Seconds = Field(
        300, description="seconds in which a rate that a system asked to reduce grows back"
    )
    breaker_failures: int = Field(
        5, ge=1, description="consecutive failed calls after which calls to a system are paused"
    )
    breaker_probe_seconds: Seconds = Field(
        5, description="seconds to the first probe of a paused system; then doubled"
    )
    breaker_probe_max_seconds: Seconds = Field(60, description="maximum seconds between two probes")
    max_response_bytes: int = Field(32 * MIB, ge=1, description="largest answer that is read")


DAY = 86_400

log = logging.getLogger(__name__)


class ReceiverSettings(Group):
    """Incoming webhooks and callbacks."""

    max_body_bytes: int = Field(
        5 * MIB,
        ge=1,
        description="larger bodies are not stored: a webhook is accepted as a hint without one, "
        "callbacks are answered 413",
    )
    max_hint_bytes: int = Field(64 * MIB, ge=1, description="larger webhooks are answered 413")


class SyncSettings(Group):
    """The sync of records."""

    poll_interval: Seconds = Field(300, description="seconds between two polls for missed changes")
    full_pass_interval: Seconds = Field(
        DAY, description="seconds between two scans of all records for permanent deletions"
    )
    fresh_body_seconds: float = Field(
        300,
        ge=0,
        description="age in seconds up to which a webhook's body replaces a read of the record",
    )
    retry_budget: Seconds = Field(
        3 * DAY, description="seconds until a failing delivery becomes a dead letter"
    )
    retry_base_delay: Seconds = Field(5, description="seconds to the second attempt; then doubled")
    retry_max_delay: Seconds = Field(3600, description="maximum seconds between two attempts")
    ambiguous_wait_seconds: float = Field(
        10, ge=0, description="seconds until a create without an answer may be repeated"
    )
    delete_brake_percent: int = Field(
        10,
        ge=0,
        le=100,
        description="maximum share of a module's pairs that may be deleted within an hour",
    )


class WorkerSettings(Group):
    """The workers, in the API process or in separate ones."""

    concurrency: int = Field(4, ge=1, description="records that a worker processes concurrently")
    dispatch_interval: Seconds = Field(1, description="seconds between two checks for due work")
    lease_seconds: Seconds = Field(
        8, description="seconds until the lease of a pair expires unless it is renewed"
    )
    heartbeat: Seconds = Field(2, description="seconds between two heartbeats")
    stalled_after: Seconds = Field(
        8, description="seconds without a heartbeat after which a worker counts as stopped"
    )
    shutdown_grace: Seconds = Field(
        30, description="seconds that running work may take at shutdown"
    )

    @model_validator(mode="after")
    def _signs_in_time(self) -> Self:
        if self.heartbeat * 2 > min(self.lease_seconds, self.stalled_after):
            raise ValueError(
                "WORKER__HEARTBEAT must be at most half of WORKER__LEASE_SECONDS"
                " and of WORKER__STALLED_AFTER"
            )
        return self


class RetentionSettings(Group):
    """How long completed data is stored; 0 days: without limit."""

    payloads_days: int = Field(
        30, ge=0, description="days for which bodies of settled deliveries are stored"
    )
    deliveries_days: int = Field(
        90, ge=0, description="days for which settled deliveries are stored"
    )
    sync_log_days: int = Field(
        730, ge=0, description="days for which Sync Log entries and runs are stored"
    )
    incidents_days: int = Field(
        730, ge=0, description="days for which resolved incidents are stored"
    )


class Settings(BaseSettings):
    """The service itself."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: OptionalSecret = Field(
        None,
        description="PostgreSQL server, such as postgresql://user:password@host/database;"
        " without it an embedded one runs in DATA_DIR",
    )
    data_dir: Path = Field(Path("data"), description="folder of the embedded PostgreSQL")
    auto_migrate: bool = Field(True, description="migrate the database at start")
    host: Filled = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    public_url: OptionalAddress = Field(
        None, description="address at which the two systems reach this service"
    )
    api_tokens: Annotated[Tokens, NoDecode] = Field(
        (),
        description="admin tokens for the API, of 32 characters or more, separated by commas"
        " (`openssl rand -hex 32`)",
    )
    trusted_proxies: Annotated[Networks, NoDecode] = Field(
        (),
        description="addresses or networks, such as 127.0.0.1,10.0.0.0/8, of the proxies before"
        " this service, separated by commas: X-Forwarded-For and X-Forwarded-Proto are only"
        " accepted from them",
    )
    plain_http_hosts: Annotated[Hosts, NoDecode] = Field(
        (),
        description="hosts other than this machine, separated by commas, that may be called by"
        " http://, such as those in a network of containers",
    )
    api_docs: bool = Field(
        True,
        description="serve the description of the API at /docs and /openapi.json, without a token",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="lowest severity that is logged"
    )
    log_json: bool | None = Field(
        None, description="log lines as JSON; by default unless the output is a terminal"
    )
    tracing: bool = Field(
        False,
        description="send OpenTelemetry spans to the collector that OTEL_EXPORTER_OTLP_ENDPOINT"
        " names; needs the extra `tracing`",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port on which a separate worker serves its metrics, at /metrics on HOST;"
        " the API serves its own on its own port",
    )
    build_commit: OptionalText = Field(
        None, description="commit of the running build; set in the image"
    )
    build_date: OptionalText = Field(
        None, description="time of the running build, UTC; set in the image"
    )
    stores: Mapping[StoreKey, StoreSettings] = Field({}, description="the shops, by key")
    vtiger: VtigerSettings | None = Field(None, description="the CRM")
    http: HttpSettings = Field(HttpSettings(), description="calls to the two systems")
    receiver: ReceiverSettings = Field(ReceiverSettings(), description="webhooks and callbacks")
    sync: SyncSettings = Field(SyncSettings(), description="how records are synced")
    worker: WorkerSettings = Field(WorkerSettings(), description="the workers")
    retention: RetentionSettings = Field(RetentionSettings(), description="retention of data")

    @property
    def is_configured(self) -> bool:
        """Whether real systems are configured; otherwise the sandbox is used."""
        return bool(self.stores) and self.vtiger is not None

    def secret_values(self) -> frozenset[str]:
        """All secrets, which must not appear in logs."""
        return frozenset(_secrets(self))

    def webhook_url(self, store: str) -> str | None:
        """The address for the webhooks of a shop; None if PUBLIC_URL is not set."""
        return self.public_url and f"{self.public_url}/webhooks/woocommerce/{store}"

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if self.stores and self.vtiger is None:
            raise ValueError(
                "a store is configured but no Vtiger: set VTIGER__URL and its other settings"
            )
        if self.vtiger and not self.stores:
            raise ValueError(
                "Vtiger is configured but no store: set STORES__main__URL and its other settings"
            )
        return self


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from _secrets([part for _, part in value])
    elif isinstance(value, Mapping):
        yield from _secrets(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _secrets(part)


GROUPS: Mapping[str, type[BaseModel]] = {
    "": Settings,
    "stores__main": StoreSettings,
    "vtiger": VtigerSettings,
    "http": HttpSettings,
    "receiver": ReceiverSettings,
    "sync": SyncSettings,
    "worker": WorkerSettings,
    "retention": RetentionSettings,
}


def load_settings(env_file: str | Path | None = ".env") -> Settings:
    """Read the environment and `env_file`. ConfigError has one sentence for each error.

    A name that resembles a setting is an error too: if it were ignored, the service might run on
    its sandbox. One that may belong to another program is only logged.
    """
    file = Path(env_file) if env_file is not None else None
    faults = settings_file_faults(file, GROUPS) if file else []
    certain, possible = environment_faults(GROUPS)
    faults += certain
    settings = None
    try:
        faults += access_faults(_given(file), os.environ)
        settings = Settings(_env_file=file, _env_file_encoding=ENCODING)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)
        faults += [fault_sentence(fault, GROUPS) for fault in wrong]
    except SettingsError as error:
        name = str(error).split('"')[1].upper()
        faults.append(f"{name} cannot be read; set its parts: {name}__...")
    if settings is None or faults:
        raise ConfigError("\n".join(faults))
    for sentence in possible:
        log.warning(sentence)
    return settings


def _given(file: Path | None) -> dict[str, Any]:
    """The unvalidated values of the environment and the file, nested like the settings."""
    sources = (
        DotEnvSettingsSource(Settings, env_file=file, env_file_encoding=ENCODING),
        EnvSettingsSource(Settings),
    )
    given: dict[str, Any] = {}
    for source in sources:
        _merge(given, source())
    return given


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
