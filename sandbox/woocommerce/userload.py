"""Customers of a file into the users table, each field checked as it is taken over."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.woocommerce.schema import parse_date
from sandbox.woocommerce.shopdata import ShopDataError
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.users import BILLING_FIELDS, SHIPPING_FIELDS, Meta, User
from sandbox.woocommerce.wordpress import user_name_from_email


def load_user(row: Mapping[str, Any], place: str, site: Site) -> User:
    """A user from a REST customer; raises ShopDataError that begins with `place`."""
    return User(
        id=row["id"],
        email=row["email"],
        username=_text(row, "username", place) or user_name_from_email(row["email"]),
        role=_text(row, "role", place) or "customer",
        created_at=_moment(row, "date_created", place, site) or site.now(),
        modified_at=_moment(row, "date_modified", place, site),
        first_name=_text(row, "first_name", place),
        last_name=_text(row, "last_name", place),
        billing=_address(row, "billing", place, BILLING_FIELDS),
        shipping=_address(row, "shipping", place, SHIPPING_FIELDS),
        is_paying_customer=bool(row.get("is_paying_customer", False)),
        meta=_meta(row, place),
    )


def _text(row: Mapping[str, Any], name: str, place: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, str):
        raise ShopDataError(f"{place}: {name!r} must be text")
    return value


def _address(row: Mapping[str, Any], name: str, place: str, fields: list[str]) -> dict[str, str]:
    value = row.get(name) or {}
    if not isinstance(value, dict):
        raise ShopDataError(f"{place}: {name!r} must be an object")
    return {key: _text(value, key, f"{place}: {name}") for key in fields}


def _moment(row: Mapping[str, Any], name: str, place: str, site: Site) -> datetime | None:
    """From the GMT field, else from the site-local one; None where both are null or absent."""
    gmt, local = row.get(f"{name}_gmt"), row.get(name)
    zone = UTC if gmt else site.timezone
    text = gmt or local
    if text is None:
        return None
    moment = parse_date(text) if isinstance(text, str) else None
    if moment is None:
        raise ShopDataError(f"{place}: {name!r} is not a date: {text!r}")
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _meta(row: Mapping[str, Any], place: str) -> list[Meta]:
    entries = row.get("meta_data") or []
    try:
        return [Meta(int(item["id"]), str(item["key"]), item["value"]) for item in entries]
    except (TypeError, KeyError, ValueError) as error:
        message = f"{place}: 'meta_data' must be a list of objects with id, key and value"
        raise ShopDataError(message) from error
