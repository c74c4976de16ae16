"""The users of the shop: every role, because an e-mail address is unique across all of them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sandbox.woocommerce.links import item_links
from sandbox.woocommerce.site import Sequence, Site

BILLING_FIELDS: Final = [
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "city",
    "postcode",
    "country",
    "state",
    "email",
    "phone",
]
SHIPPING_FIELDS: Final = [name for name in BILLING_FIELDS if name != "email"]
ROLES: Final = [
    "administrator",
    "editor",
    "author",
    "contributor",
    "subscriber",
    "customer",
    "shop_manager",
]
DELETABLE_ROLES: Final = ("customer", "subscriber")
_READ_METHODS: Final = ("GET", "POST", "PUT", "PATCH")


@dataclass(slots=True)
class Meta:
    id: int
    key: str
    value: Any


@dataclass(slots=True)
class User:
    """One row of the users table with the meta that WooCommerce shows. Times are aware UTC."""

    id: int
    email: str
    username: str
    role: str
    created_at: datetime
    modified_at: datetime | None = None
    first_name: str = ""
    last_name: str = ""
    billing: dict[str, str] = field(default_factory=lambda: dict.fromkeys(BILLING_FIELDS, ""))
    shipping: dict[str, str] = field(default_factory=lambda: dict.fromkeys(SHIPPING_FIELDS, ""))
    is_paying_customer: bool = False
    meta: list[Meta] = field(default_factory=list)


class UserTable:
    """All users by id, with the lookups that keep e-mail addresses and user names unique."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._by_id: dict[int, User] = {}
        self._by_email: dict[str, int] = {}
        self._by_username: dict[str, int] = {}
        self.ids = Sequence()
        self.meta_ids = Sequence()

    def __iter__(self) -> Iterator[User]:
        return iter(self._by_id.values())

    def add(self, user: User) -> None:
        self._by_id[user.id] = user
        self._by_email[user.email.lower()] = user.id
        self._by_username[user.username.lower()] = user.id
        self.ids.skip(user.id)
        for meta in user.meta:
            self.meta_ids.skip(meta.id)

    def find(self, user_id: int) -> User | None:
        return self._by_id.get(user_id)

    def find_by_email(self, email: str) -> User | None:
        return self.find(self._by_email.get(email.lower(), 0)) if email else None

    def has_username(self, username: str) -> bool:
        return username.lower() in self._by_username

    def set_email(self, user: User, email: str) -> None:
        if self._by_email.get(user.email.lower()) == user.id:
            del self._by_email[user.email.lower()]
        user.email = email
        self._by_email[email.lower()] = user.id

    def remove(self, user: User) -> None:
        del self._by_id[user.id]
        self._by_email.pop(user.email.lower(), None)
        self._by_username.pop(user.username.lower(), None)

    def add_meta(self, user: User, key: str, value: Any) -> None:
        user.meta.append(Meta(self.meta_ids.next(), key, value))

    def free_username(self, wanted: str) -> str:
        """The name, or the name with the first numeric suffix that is free."""
        candidates = (f"{wanted}-{number:04}" for number in range(10000))
        return wanted if not self.has_username(wanted) else self._first_free(candidates)

    def _first_free(self, candidates: Iterator[str]) -> str:
        return next(name for name in candidates if not self.has_username(name))


def render_user(user: User, site: Site, *, by_admin: bool, deleted: bool = False) -> dict[str, Any]:
    """The REST object of a customer, keys in WooCommerce's order (recording customer_get)."""
    return {
        "id": user.id,
        **site.dates("date_created", user.created_at),
        **site.dates("date_modified", user.modified_at),
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "role": user.role,
        "username": user.username,
        "billing": dict(user.billing),
        "shipping": dict(user.shipping),
        "is_paying_customer": user.is_paying_customer,
        "avatar_url": _avatar_url(user.email),
        "meta_data": [{"id": m.id, "key": m.key, "value": m.value} for m in user.meta],
        "_links": item_links(
            site.rest_url(f"customers/{user.id}"),
            site.rest_url("customers"),
            None if deleted else _allowed_methods(user, by_admin=by_admin),
        ),
    }


def _allowed_methods(user: User, *, by_admin: bool) -> tuple[str, ...]:
    can_delete = by_admin and user.role in DELETABLE_ROLES
    return (*_READ_METHODS, "DELETE") if can_delete else _READ_METHODS


def _avatar_url(email: str) -> str:
    digest = hashlib.sha256(email.lower().strip().encode()).hexdigest() if email else ""
    return f"https://secure.gravatar.com/avatar/{digest}?s=96&d=mm&r=g"
