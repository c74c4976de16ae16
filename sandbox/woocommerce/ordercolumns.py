"""The columns of the order tables: what fits into them, and what they make of other types.

Contract page readback, "orders billing".
"""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.woocommerce.errors import FatalError, RestError
from sandbox.woocommerce.orders import Order
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.wordpress import is_email, sanitize_email

_TEXT_BYTES: Final = 65535
_PHONE: Final = 100


def stored_text(value: Any) -> str:
    """What a text column makes of a value that is no text."""
    return "Array" if isinstance(value, (list, dict)) else scalar_text(value)


def fitting_text(text: str, before: str) -> str:
    """A text that is too long for its column is not stored at all."""
    return text if len(text.encode()) <= _TEXT_BYTES else before


def write_note(order: Order, note: Any) -> None:
    if note is None:
        return
    if isinstance(note, (list, dict)):
        raise FatalError
    cut = scalar_text(note).encode()[:_TEXT_BYTES]
    order.texts["customer_note"] = cut.decode(errors="ignore")


def write_address(address: dict[str, str], values: Any, names: list[str]) -> None:
    """One row of a table: a value that does not fit keeps the whole address as it was."""
    if not isinstance(values, Mapping):
        return
    # WooCommerce declares no type for the phone of a shipping address.
    unchecked = () if "email" in address else ("phone",)
    for name in names:
        if isinstance(values.get(name), (list, dict)) and name not in unchecked:
            raise FatalError
    written = {name: _address_text(name, values[name]) for name in names if name in values}
    if all(_fits(name, text) for name, text in written.items()):
        address.update(written)


def _address_text(name: str, value: Any) -> str:
    text = stored_text(value)
    if name != "email":
        return text
    if text and not is_email(text):
        message = "Invalid billing email address"
        raise RestError("order_invalid_billing_email", message, 400)
    return sanitize_email(text)


def _fits(name: str, text: str) -> bool:
    return len(text) <= _PHONE if name == "phone" else len(text.encode()) <= _TEXT_BYTES
