"""What can be set, its default, and one sentence for each thing that is set wrong.

Values come from the environment, then from `.env`; `__` nests: HTTP__READ_TIMEOUT=20.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    SettingsConfigDict,
    SettingsError,
)

from app.errors import ConfigError
from app.setting_access import access_faults
from app.setting_faults import fault_sentence
from app.setting_strays import ENCODING, environment_faults, settings_file_faults
from app.setting_systems import MIB, Group, HttpSettings, StoreSettings, VtigerSettings
from app.setting_types import (
    Filled,
    Hosts,
    Networks,
    OptionalAddress,
    OptionalSecret,
    OptionalText,
    Seconds,
    StoreKey,
    Tokens,
)

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
