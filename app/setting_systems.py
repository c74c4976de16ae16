"""The settings of the two systems: where each shop and the CRM are, and how to be let in."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.setting_types import Filled, Secret, WebAddress


class Group(BaseModel):
    """Settings that share a prefix; an unknown name inside is a typing error, so it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StoreSettings(Group):
    """One WooCommerce shop. The part `main` of the names is the store's key, of your choice."""

    url: WebAddress = Field(description="address of the shop, as in https://shop.example.com")
    consumer_key: Secret = Field(
        description="consumer key of a REST API key with read/write permission"
        " (WooCommerce > Settings > Advanced > REST API)"
    )
    consumer_secret: Secret = Field(description="consumer secret of the same REST API key")
    webhook_secret: Secret = Field(
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


class VtigerSettings(Group):
    """The Vtiger CRM."""

    url: WebAddress = Field(description="address of Vtiger, as in https://crm.example.com")
    username: Filled = Field(description="name of a user that only this service uses")
    access_key: Secret = Field(
        description="access key of that user (Vtiger > My Preferences > Access Key)"
    )
    api: Literal["webservice", "rest"] = Field(
        "webservice",
        description="`webservice` is the API of Community Edition, `rest` that of Vtiger Cloud",
    )
    callback_secret: Secret = Field(
        description="token that Vtiger sends with its callbacks: a long random text"
        " (`openssl rand -hex 32`)"
    )
