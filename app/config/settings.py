"""All settings: their types and defaults, and one sentence for each thing that is set wrong.

Values come from the environment, then from `.env`; `__` nests: HTTP__READ_TIMEOUT=20."""

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

# What is wrong with a setting, in one sentence: which variable, what is wrong, what it is for.

Groups = Mapping[str, type[BaseModel]]


def fault_sentence(fault: ErrorDetails, groups: Groups) -> str:
    """`groups` are the settings' models by the prefix of their names."""
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
    """The environment's name of a setting: all in capitals but for the store's key."""
    key = 1 if where[0] == "stores" else None
    return "__".join(part if at == key else part.upper() for at, part in enumerate(where))


def _hint(where: list[str], groups: Groups) -> str:
    """What was probably meant, by the names of the same group."""
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


# Variables that look like settings and are none: a misspelt name must not be passed over.
#
# `.env` is ours, so whatever resembles a setting there is refused. The environment is shared with
# other programs: there a name is refused only where nobody else would use it, and else doubted.

ENCODING = "utf-8-sig"
"""UTF-8, with the mark that some editors put before it."""
STORES = "STORES"
STORE_WORDS = frozenset({"STORE", "SHOP", "SHOPS", "WOO", "WOOCOMMERCE"})
ALL = "docs/configuration.md lists them all."
ALIKE = 0.8
NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class Stray:
    """A variable and what it was meant to be, "" if that cannot be told; `certain` unless it may
    well be another program's."""

    name: str
    meant: str
    certain: bool

    @property
    def question(self) -> str:
        return f"did you mean {self.meant}?" if self.meant else ""


def settings_file_faults(file: Path, groups: Groups) -> list[str]:
    """A sentence for each line that cannot be read and each name that is no setting.

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
    """A sentence for each variable that is surely meant for us, and for each that may be."""
    strays = [stray for name in os.environ if (stray := find_stray(name, groups)) and stray.meant]
    told = {
        stray: f"{stray.name} in the environment is not a setting; {stray.question}"
        for stray in strays
    }
    certain = [sentence for stray, sentence in told.items() if stray.certain]
    return certain, [sentence for stray, sentence in told.items() if not stray.certain]


def find_stray(name: str, groups: Groups) -> Stray | None:
    """None for a setting, and for a name that resembles none.

    Names within a group (`HTTP__...`) are settings here: their model refuses what it lacks.
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
    """The key and the field in what follows STORES; "" for what is not there."""
    fields = sorted((field.upper() for field in groups["stores__main"].model_fields), key=len)
    flat = "_".join(parts)
    for field in reversed(fields):
        if flat.upper() == field or flat.upper().endswith(f"_{field}"):
            return flat[: -len(field)].strip("_").lower(), field
    key, _, rest = flat.partition("_")
    close = get_close_matches(rest.upper(), fields, n=1, cutoff=ALIKE)
    return (key.lower(), close[0]) if close else ("", "")


def _closest(flat: str, groups: Groups) -> tuple[str, float]:
    """The setting of another group than the stores' that a name with single underscores is most
    like, and how much; "" and 0 where none is near."""
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


# The kinds of values that settings take: a secret is never empty, nor a placeholder.

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
    """What opens the API must not be guessed; it is never typed by hand."""
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"has fewer than {SHORTEST_TOKEN} characters ({RANDOM})")
    return token


def _kept_by_shop(secret: SecretStr) -> SecretStr:
    """WooCommerce signs with wp_specialchars_decode() of the secret that it was given (contract
    page WooCommerce §1), so an HTML entity in it would make every signature another one."""
    if found := ENTITY.search(secret.get_secret_value()):
        raise ValueError(
            f"holds {found[0]}, which WooCommerce would decode before it signs ({RANDOM})"
        )
    return secret


def _web_address(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must start with http:// or https:// and a host")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must hold no user, question mark or hash")
    return text.strip().rstrip("/")


def _network(text: str) -> str:
    """An address or a network, as 10.0.0.0/8."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"holds {text}, which is no address or network (names are none)") from None
    if "/" in text and str(network) != text:
        raise ValueError(f"holds {text}, which is an address within {network}: name one of the two")
    if not network.prefixlen:
        raise ValueError(f"holds {text}, which would let everybody say who they are")
    return str(network)


def _host(text: str) -> str:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.netloc != text or ("@" in text) or _has_port(text):
        raise ValueError(f"holds {text}: name hosts alone, without http:// and port")
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


# Settings by which strangers could get in, or read along: short or shared secrets, plain http.
#
# These are rules about all settings together, looked at before they are read one by one, so that
# everything that is wrong is told at once. They hold where the service is configured; what it
# configures itself, such as its sandbox, has secrets that it drew.

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
    for name, field, secret in _given_secrets(given):
        if field in HOW_TO_LENGTHEN and len(secret) < SHORTEST_SECRET:
            yield (
                f"{name} has fewer than {SHORTEST_SECRET} characters, so that it could be guessed;"
                f" {HOW_TO_LENGTHEN[field]}."
            )


def _shared(given: Mapping[str, Any]) -> Iterator[str]:
    """A secret in two places opens both for whoever learns it in one. Only a shop that is set
    under two keys has the same consumer secret twice, with its consumer key."""
    holders: dict[str, list[str]] = defaultdict(list)
    for name, field, secret in _given_secrets(given):
        if field == "consumer_secret" and any("CONSUMER_SECRET" in one for one in holders[secret]):
            continue
        holders[secret].append(name)
    for first, *others in holders.values():
        for other in others:
            if other == first:
                yield f"{other} holds one token twice; take one of them away, or draw another."
            else:
                yield f"{other} is the same as {first}; give each a secret of its own ({RANDOM})."


def _given_secrets(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
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


# The settings of the two systems: where they are, how to be let in, how calls are made.

MIB = 1024 * 1024


class Group(BaseModel):
    """Settings that share a prefix; an unknown name inside is a typing error, so it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class RemoteSettings(Group):
    """What one system may get, where it is other than for all."""

    max_connections: int | None = Field(
        None, ge=1, description="instead of HTTP__MAX_CONNECTIONS for this system"
    )
    calls_per_second: float | None = Field(
        None, gt=0, description="instead of HTTP__CALLS_PER_SECOND for this system"
    )


class StoreSettings(RemoteSettings):
    """One WooCommerce shop. The part `main` of the names is the store's key, of your choice."""

    url: WebAddress = Field(description="address of the shop, as in https://shop.example.com")
    consumer_key: Secret = Field(
        description="consumer key of a REST API key with read/write permission"
        " (WooCommerce > Settings > Advanced > REST API)"
    )
    consumer_secret: Secret = Field(description="consumer secret of the same REST API key")
    webhook_secret: WebhookSecret = Field(
        description="secret that the shop signs its webhooks with: a long random text"
        " (`openssl rand -hex 32`)"
    )
    webhook_secret_previous: Secret | None = Field(
        None, description="former webhook secret, accepted too while you change it"
    )
    compare_hours: float = Field(
        0, ge=0, description="hours between two full comparisons by itself; 0: none"
    )
    compare_repairs: bool = Field(
        False, description="whether such a comparison also syncs what differs, or only reports it"
    )


class VtigerSettings(RemoteSettings):
    """The Vtiger CRM."""

    url: WebAddress = Field(description="address of Vtiger, as in https://crm.example.com")
    username: Filled = Field(description="name of a user that only this service uses")
    access_key: Secret = Field(
        description="access key of that user (Vtiger > My Preferences > User Advanced Options)"
    )
    api: Literal["webservice", "rest"] = Field(
        "webservice",
        description="`webservice` is the API of Community Edition, `rest` that of Vtiger Cloud",
    )
    callback_secret: Secret = Field(
        description="what callbacks carry, and what the add-on signs with: a long random text"
        " (`openssl rand -hex 32`)"
    )


class HttpSettings(Group):
    """Calls to the two systems."""

    connect_timeout: Seconds = Field(5, description="seconds to wait for a connection")
    read_timeout: Seconds = Field(30, description="seconds to wait for more of an answer")
    write_timeout: Seconds = Field(30, description="seconds to wait while sending")
    pool_timeout: Seconds = Field(10, description="seconds to wait for a free connection")
    total_timeout: Seconds = Field(120, description="seconds that one call may take in all")
    max_connections: int = Field(
        8, ge=1, description="calls to each system at a time, by each process"
    )
    calls_per_second: float = Field(
        100, gt=0, description="calls a second to each system, by all processes together"
    )
    recovery_seconds: Seconds = Field(
        300, description="seconds in which calls that a system asked to be fewer grow back"
    )
    breaker_failures: int = Field(
        5, ge=1, description="failed calls in a row after which a system is left alone"
    )
    breaker_probe_seconds: Seconds = Field(
        5, description="seconds to the first probe of a system that is left alone; then doubled"
    )
    breaker_probe_max_seconds: Seconds = Field(60, description="seconds between two probes at most")
    max_response_bytes: int = Field(32 * MIB, ge=1, description="largest answer that is read")


DAY = 86_400

log = logging.getLogger(__name__)


class ReceiverSettings(Group):
    """Webhooks and callbacks that come in."""

    max_body_bytes: int = Field(
        5 * MIB,
        ge=1,
        description="larger bodies are not kept: a webhook is taken as a hint without one, "
        "callbacks are answered 413",
    )
    max_hint_bytes: int = Field(
        64 * MIB, ge=1, description="larger webhooks are not read to their end: answered 413"
    )


class SyncSettings(Group):
    """How records are brought into agreement."""

    poll_interval: Seconds = Field(300, description="seconds between two looks for missed changes")
    full_pass_interval: Seconds = Field(
        DAY, description="seconds between two looks at all records, for what was deleted for good"
    )
    fresh_body_seconds: float = Field(
        300, ge=0, description="age up to which a webhook's body stands in for reading the record"
    )
    retry_budget: Seconds = Field(
        3 * DAY, description="seconds until a failing delivery is given up (a dead letter)"
    )
    retry_base_delay: Seconds = Field(5, description="seconds to the second attempt; then doubled")
    retry_max_delay: Seconds = Field(3600, description="seconds between two attempts at most")
    ambiguous_wait_seconds: float = Field(
        10, ge=0, description="seconds before a create whose answer was lost may be repeated"
    )
    delete_brake_percent: int = Field(
        10, ge=0, le=100, description="share of a module's pairs that an hour may delete at most"
    )


class WorkerSettings(Group):
    """The workers, inside the API process or apart."""

    concurrency: int = Field(4, ge=1, description="records that one worker handles at a time")
    dispatch_interval: Seconds = Field(1, description="seconds between two looks for due work")
    lease_seconds: Seconds = Field(8, description="seconds a pair stays reserved without a sign")
    heartbeat: Seconds = Field(2, description="seconds between two signs of life")
    stalled_after: Seconds = Field(8, description="seconds of silence that mean death")
    shutdown_grace: Seconds = Field(30, description="seconds that running work gets at shutdown")

    @model_validator(mode="after")
    def _signs_in_time(self) -> Self:
        if self.heartbeat * 2 > min(self.lease_seconds, self.stalled_after):
            raise ValueError(
                "WORKER__HEARTBEAT must be at most half of WORKER__LEASE_SECONDS"
                " and of WORKER__STALLED_AFTER"
            )
        return self


class RetentionSettings(Group):
    """How long what is done is kept; 0 days keep it for ever."""

    payloads_days: int = Field(
        30, ge=0, description="days that bodies of settled deliveries are kept"
    )
    deliveries_days: int = Field(90, ge=0, description="days that settled deliveries are kept")
    sync_log_days: int = Field(
        730, ge=0, description="days that Sync Log entries and runs are kept"
    )
    incidents_days: int = Field(730, ge=0, description="days that incidents are kept when mended")


class Settings(BaseSettings):
    """The service itself."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: OptionalSecret = Field(
        None,
        description="PostgreSQL server, as in postgresql://user:password@host/database;"
        " without it an embedded one runs in DATA_DIR",
    )
    data_dir: Path = Field(Path("data"), description="folder of the embedded PostgreSQL")
    auto_migrate: bool = Field(True, description="bring the database up to date at start")
    host: Filled = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    public_url: OptionalAddress = Field(
        None, description="address under which the two systems reach this service"
    )
    api_tokens: Annotated[Tokens, NoDecode] = Field(
        (),
        description="admin tokens for the API, of 32 characters or more, with commas between them"
        " (`openssl rand -hex 32`)",
    )
    trusted_proxies: Annotated[Networks, NoDecode] = Field(
        (),
        description="addresses or networks, as in 127.0.0.1,10.0.0.0/8, of the proxies in front of"
        " this service, with commas between them: only what they say in X-Forwarded-For and"
        " X-Forwarded-Proto is believed",
    )
    plain_http_hosts: Annotated[Hosts, NoDecode] = Field(
        (),
        description="hosts, with commas between them, that may have an address with http:// though"
        " they are not this machine, as in a network of containers",
    )
    api_docs: bool = Field(
        True,
        description="describe the API at /docs and /openapi.json, to everybody who reaches them",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severity that is logged"
    )
    log_json: bool | None = Field(
        None, description="log lines as JSON; by default unless a person watches (a terminal)"
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
        description="port on which a worker alone tells its metrics, at /metrics on HOST;"
        " the API tells its own at its own port",
    )
    build_commit: OptionalText = Field(
        None, description="commit that the running build was made of; the image sets it"
    )
    build_date: OptionalText = Field(
        None, description="when the running build was made, UTC; the image sets it"
    )
    stores: Mapping[StoreKey, StoreSettings] = Field({}, description="the shops, by key")
    vtiger: VtigerSettings | None = Field(None, description="the CRM")
    http: HttpSettings = Field(HttpSettings(), description="calls to the two systems")
    receiver: ReceiverSettings = Field(ReceiverSettings(), description="what comes in")
    sync: SyncSettings = Field(SyncSettings(), description="how records are synced")
    worker: WorkerSettings = Field(WorkerSettings(), description="the workers")
    retention: RetentionSettings = Field(RetentionSettings(), description="what is kept")

    @property
    def is_configured(self) -> bool:
        """True with real systems to serve; otherwise the sandbox stands in."""
        return bool(self.stores) and self.vtiger is not None

    def secret_values(self) -> frozenset[str]:
        """What no log line may hold."""
        return frozenset(_secrets(self))

    def webhook_url(self, store: str) -> str | None:
        """Where a shop's webhooks are to go; None while PUBLIC_URL is not set."""
        return self.public_url and f"{self.public_url}/webhooks/woocommerce/{store}"

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if self.stores and self.vtiger is None:
            raise ValueError("a store is set but no Vtiger: set VTIGER__URL and its companions")
        if self.vtiger and not self.stores:
            raise ValueError("Vtiger is set but no store: set STORES__main__URL and its companions")
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
    """Read the environment and `env_file`; ConfigError has one sentence for each fault.

    A name that is nearly that of a setting is a fault too: left out in silence, it would leave the
    service on its sandbox. One that may be another program's is only logged.
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
    """What environment and file say, not checked yet, nested as the settings are."""
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
