"""What a shop does with its customers, whoever asks: REST, wp-admin or the demo.

Each change is one synchronous step, so concurrent requests cannot interleave inside it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.mailbox import EMAIL_CHANGED, NEW_ACCOUNT, PASSWORD_CHANGED, Mailbox
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.site import Site
from sandbox.woocommerce.users import User, UserTable
from sandbox.woocommerce.userwrites import (
    apply_changes,
    check_new_email,
    checked_changes,
    new_username,
    resave_names,
    write_email,
    write_meta,
)
from sandbox.woocommerce.wordpress import sanitize_email

Emit = Callable[[str, int], None]


class Customers:
    """The customer operations over the users table; `emit` takes a topic and an id."""

    def __init__(self, site: Site, users: UserTable, emit: Emit, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._site = site
        self._users = users
        self._emit = emit

    def find(self, user_id: int) -> User | None:
        return self._users.find(user_id)

    def get(self, user_id: int) -> User:
        """The user of any role; raises wc_user_invalid_id (404)."""
        user = self._users.find(user_id)
        if user is None:
            raise RestError("wc_user_invalid_id", "Invalid user ID.", 404)
        return user

    def create(self, params: Mapping[str, Any]) -> User:
        """A new customer; customer.created and customer.updated fire (contract page WooCommerce
        §1)."""
        email = scalar_text(params.get("email"))
        changes = checked_changes(params)
        check_new_email(self._users, email)
        username = new_username(self._users, email, scalar_text(params.get("username")))
        user = self._added(email, username, "customer")
        if not params.get("password"):
            self._users.add_meta(user, "default_password_nag", "1")
        apply_changes(user, changes, self._site.now())
        resave_names(user)
        write_meta(self._users, user, params.get("meta_data"))
        self._emit("customer.created", user.id)
        self._emit("customer.updated", user.id)
        self.welcome(user)
        return user

    def welcome(self, user: User) -> None:
        """A new account of a customer's own, or made over REST, is mailed to its owner."""
        self._mailbox.send(NEW_ACCOUNT, user.email, f"customer {user.id}")

    def register(self, email: str, *, role: str, username: str = "") -> User:
        """A user of any role made in wp-admin: customer.created only, never modified yet."""
        check_new_email(self._users, email)
        user = self._added(email, new_username(self._users, email, username), role)
        self._emit("customer.created", user.id)
        return user

    def _added(self, email: str, username: str, role: str) -> User:
        now = self._site.now()
        user = User(self._users.ids.next(), "", username, role, created_at=now)
        self._users.add(user)
        write_email(self._users, user, sanitize_email(email))
        return user

    def update(self, user_id: int, params: Mapping[str, Any]) -> User:
        """Any write bumps date_modified and fires customer.updated, a no-op too."""
        user = self.get(user_id)
        self._check_identity(user, params)
        changes = checked_changes(params)
        before = user.email
        if params.get("email") is not None:
            write_email(self._users, user, sanitize_email(scalar_text(params["email"])))
        if user.email != before:
            self._mailbox.send(EMAIL_CHANGED, before, f"customer {user.id}")
        if params.get("password"):
            self._mailbox.send(PASSWORD_CHANGED, user.email, f"customer {user.id}")
        apply_changes(user, changes, self._site.now())
        write_meta(self._users, user, params.get("meta_data"))
        self._emit("customer.updated", user.id)
        return user

    def _check_identity(self, user: User, params: Mapping[str, Any]) -> None:
        email = scalar_text(params.get("email"))
        if email != user.email and self._users.find_by_email(email):
            message = "Email address is invalid."
            raise RestError("woocommerce_rest_customer_invalid_email", message, 400)
        username = scalar_text(params.get("username"))
        if username and username != user.username:
            message = "Username isn't editable."
            raise RestError("woocommerce_rest_customer_invalid_argument", message, 400)

    def mark_as_paying(self, user_id: int) -> None:
        """The first paid order makes a paying customer: customer.updated, once."""
        self._set_paying(user_id, paying=True)

    def unmark_as_paying(self, user_id: int) -> None:
        """The last paid order was deleted for good: customer.updated."""
        self._set_paying(user_id, paying=False)

    def _set_paying(self, user_id: int, *, paying: bool) -> None:
        user = self._users.find(user_id)
        if user is not None and user.is_paying_customer is not paying:
            user.is_paying_customer = paying
            user.modified_at = self._site.now()
            resave_names(user)
            self._emit("customer.updated", user_id)

    def delete(self, user_id: int) -> User:
        """Gone for good; customer.deleted fires for the role customer only."""
        user = self.get(user_id)
        self._users.remove(user)
        if user.role == "customer":
            self._emit("customer.deleted", user.id)
        return user
