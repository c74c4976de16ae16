"""How a customer write lands in the users table: WC_Customer's setters and data store, in order.

The rules are those of the contract page readback, "customers ...": first the stored names are
filtered again, then the changed fields are written, each through update_user_meta().
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.php import array_value, scalar_text, stored_text
from sandbox.woocommerce.users import BILLING_FIELDS, SHIPPING_FIELDS, Meta, User, UserTable
from sandbox.woocommerce.wordpress import (
    is_email,
    sanitize_email,
    sanitize_text_field,
    sanitize_user,
    saved_user_name,
    user_name_from_email,
)

_MAX_EMAIL = 100
_MAX_USERNAME = 60
_NAMES = ("first_name", "last_name")
_INTERNAL_KEYS = frozenset(
    {
        "nickname",
        "first_name",
        "last_name",
        "description",
        "rich_editing",
        "syntax_highlighting",
        "comment_shortcuts",
        "admin_color",
        "use_ssl",
        "show_admin_bar_front",
        "locale",
        "wp_capabilities",
        "wp_user_level",
        "last_update",
        "paying_customer",
        "dismissed_wp_pointers",
        "show_welcome_panel",
        "session_tokens",
    }
)


def clean_name(value: Any) -> Any:
    """wc_clean(): text is sanitised, lists and objects item by item."""
    if isinstance(value, list):
        return [clean_name(item) for item in value]
    if isinstance(value, dict):
        return {key: clean_name(item) for key, item in value.items()}
    return sanitize_text_field(scalar_text(value))


def checked_changes(params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The address and name fields that a request sets (null is not set), before anything is saved.

    Raises customer_invalid_billing_email as WC_Customer::set_billing_email() does.
    """
    changes = {
        "names": {n: clean_name(params[n]) for n in _NAMES if params.get(n) is not None},
        "billing": _given(params.get("billing"), BILLING_FIELDS),
        "shipping": _given(params.get("shipping"), SHIPPING_FIELDS),
    }
    email = changes["billing"].get("email")
    if email is not None:
        changes["billing"]["email"] = _billing_email(scalar_text(email))
    return changes


def _given(value: Any, names: list[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    return {name: value[name] for name in names if value.get(name) is not None}


def _billing_email(email: str) -> str:
    if email and not is_email(email):
        raise RestError("customer_invalid_billing_email", "Invalid billing email address", 400)
    return sanitize_email(email)


def apply_changes(user: User, changes: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Save a user: the stored names pass the filters again, then the changed values are written.

    A field counts as changed only if its new value differs from the one shown.
    """
    before = {name: getattr(user, name) for name in _NAMES}
    resave_names(user)
    for name, value in changes["names"].items():
        if value != before[name]:
            setattr(user, name, stored_text(value))
    _write_address(user.billing, changes["billing"])
    _write_address(user.shipping, changes["shipping"])
    user.modified_at = now


def resave_names(user: User) -> None:
    user.first_name = saved_user_name(user.first_name)
    user.last_name = saved_user_name(user.last_name)


def _write_address(address: dict[str, str], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value != address[name]:
            address[name] = stored_text(value)


def write_email(table: UserTable, user: User, email: str) -> None:
    """Store an address the way it is read afterwards.

    One with `&` is stored encoded, is no address when read, and shows as ""; one that does not
    fit the column is not stored at all.
    """
    if len(email) > _MAX_EMAIL:
        return
    table.set_email(user, "" if "&" in email else email)


def write_meta(table: UserTable, user: User, entries: Any) -> None:
    """Apply `meta_data`: protected and internal keys are dropped, null deletes, else in place."""
    for entry in entries if isinstance(entries, list) else ():
        key = scalar_text(entry.get("key")) if isinstance(entry, dict) else ""
        if key and not is_hidden_key(key):
            _write_entry(table, user, key, entry)


def is_hidden_key(key: str) -> bool:
    return key in _INTERNAL_KEYS or key.startswith(("_", "billing_", "shipping_"))


def _write_entry(table: UserTable, user: User, key: str, entry: Mapping[str, Any]) -> None:
    value = entry.get("value")
    kept = _target(user, key, entry.get("id"))
    doomed = [m for m in user.meta if m is not kept and m.key == key and not entry.get("id")]
    user.meta = [m for m in user.meta if m not in doomed and not (m is kept and value is None)]
    if value is None:
        return
    stored = array_value(value) if isinstance(value, (list, dict)) else scalar_text(value)
    if kept is None:
        table.add_meta(user, key, stored)
    else:
        kept.key, kept.value = key, stored


def _target(user: User, key: str, meta_id: Any) -> Meta | None:
    if meta_id:
        return next((m for m in user.meta if m.id == meta_id), None)
    return next((m for m in user.meta if m.key == key), None)


def new_username(table: UserTable, email: str, wanted: str) -> str:
    """The user name of a new account; raises the registration error that fits a bad one."""
    if not wanted:
        return _fitting(table.free_username(user_name_from_email(email)))
    name = sanitize_user(wanted)
    if not name or name != wanted:
        message = "Please provide a valid account username."
        raise RestError("registration-error-invalid-username", message, 400)
    if table.has_username(name):
        message = "An account is already registered with that username. Please choose another."
        raise RestError("registration-error-username-exists", message, 400)
    return _fitting(name)


def _fitting(name: str) -> str:
    if len(name) > _MAX_USERNAME:
        message = f"Username may not be longer than {_MAX_USERNAME} characters."
        raise RestError("user_login_too_long", message, 400)
    return name


def check_new_email(table: UserTable, email: str) -> None:
    """Raises for an address that no new account may have; users of every role count."""
    if email and not is_email(email):
        raise RestError("customer_invalid_email", "Invalid email address", 400)
    if not email:
        message = "Please provide a valid email address."
        raise RestError("registration-error-invalid-email", message, 400)
    if table.find_by_email(email):
        message = (
            f"An account is already registered with {email}. "
            "Please log in or use a different email address."
        )
        raise RestError("registration-error-email-exists", message, 400)
    if len(email) > _MAX_EMAIL:
        message = "This resource cannot be created."
        raise RestError("woocommerce_rest_cannot_create", message, 400)
