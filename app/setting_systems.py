"""The settings of the two systems: where they are, how to be let in, how calls are made."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.setting_types import Filled, Seconds, Secret, WebAddress, WebhookSecret

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
