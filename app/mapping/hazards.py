"""What a target would mangle, erase or refuse: each text is sent as it is, altered, or not at all.

Contract page readback: the rules of both systems, "Lossy" and "Worst of all".
"""

import re
from dataclasses import dataclass

from app.errors import System
from app.mapping.limits import WOO_TEXT_BYTES
from app.mapping.paths import META
from app.mapping.text import collapse, cut_at_word, decode_entities, replace_astral
from app.mapping.values import PatchOptions

_SURROGATE = re.compile("[\ud800-\udfff]")
_SCRIPT = re.compile(r"script.*/script", re.IGNORECASE)
_SERIALISED = re.compile(r"\s*(?:N;|[aOsCE]:[0-9]+:|[bid]:[0-9.E+-]+;)")
_PERCENT_HEX = re.compile("%[0-9A-Fa-f]{2}")
_NAME_MARKUP = re.compile("<|&#|%[0-9A-Fa-f]{2}")
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%'*+/=?^_`{|}~.-]+")
_DOMAIN_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")

_SANITISED_NAMES = frozenset({"first_name", "last_name"})
_EMAIL_PATHS = frozenset({"email", "billing.email"})
_EMAIL_SIZE = 100


@dataclass(frozen=True, slots=True)
class Fitted:
    """A text made fit for its target; None is not to be sent. A reason tells what was done."""

    text: str | None
    reason: str = ""
    message: str = ""


def unsafe_reason(target: System) -> str:
    """The reason code of a value that `target` would not give back as it was sent."""
    return f"unsafe_in_{target}"


def fit_vtiger(text: str, size: int | None, *, options: PatchOptions) -> Fitted:
    """`text` for a Vtiger field that keeps `size` characters.

    Four-byte characters become U+FFFD, for Vtiger would make `????` of them. Text that is still
    entity-encoded after decoding is not sent: revise would decode it, create would not.
    """
    if hazard := _vtiger_hazard(text):
        return Fitted(None, unsafe_reason(System.VTIGER), hazard)
    storable = replace_astral(text)
    if size is not None and len(storable) > size:
        return _too_long(cut_at_word(storable, size), f"{size} characters", options)
    if storable != text:
        message = "Vtiger cannot store four-byte characters: each was replaced by U+FFFD."
        return Fitted(storable, unsafe_reason(System.VTIGER), message)
    return Fitted(text)


def _vtiger_hazard(text: str) -> str:
    if _SURROGATE.search(text):
        return "It is not valid Unicode: Vtiger refuses the whole record."
    if decode_entities(text) != text:
        return "It contains a doubly encoded HTML entity, which Vtiger decodes on some writes only."
    if _SCRIPT.search(text):
        return "Vtiger encodes every value that looks like a script."
    return ""


def fit_woo(text: str, path: str, *, options: PatchOptions) -> Fitted:
    """`text` for a customer's `path`. Names lose their runs of blanks, as WooCommerce would do."""
    if path in _EMAIL_PATHS:
        return _fit_email(text)
    name = path in _SANITISED_NAMES
    text = collapse(text) if name else text
    if hazard := _woo_hazard(text, path) or (_name_hazard(text) if name else ""):
        return Fitted(None, unsafe_reason(System.WOOCOMMERCE), hazard)
    encoded = text.encode()
    if len(encoded) > WOO_TEXT_BYTES:
        cut = encoded[:WOO_TEXT_BYTES].decode(errors="ignore")
        return _too_long(cut, f"{WOO_TEXT_BYTES} bytes", options)
    return Fitted(text)


def _woo_hazard(text: str, path: str) -> str:
    if _SURROGATE.search(text):
        return "It is not valid Unicode: WooCommerce refuses the whole record."
    if decode_entities(text) != text:
        return "It contains a doubly encoded HTML entity, which would lose a level on the way back."
    if path.startswith(META):
        return ""
    if "\\" in text:
        return "WooCommerce removes backslashes."
    return "WooCommerce would store it as PHP data." if _SERIALISED.match(text) else ""


def _name_hazard(text: str) -> str:
    if text == "0":
        return 'WooCommerce empties the name "0".'
    if _NAME_MARKUP.search(text):
        return "WooCommerce removes tags, entities and percent codes from names."
    return ""


def _fit_email(text: str) -> Fitted:
    hazard = email_hazard(text)
    return Fitted(None, unsafe_reason(System.WOOCOMMERCE), hazard) if hazard else Fitted(text)


def email_hazard(text: str) -> str:
    """Why WooCommerce would refuse or erase this address; "" if it takes it as it is.

    Contract page readback, "customers email": WordPress's is_email, `&` erases, 100 characters.
    """
    if "&" in text:
        return "WooCommerce would erase an address with an ampersand."
    if len(text) > _EMAIL_SIZE:
        return f"WooCommerce takes at most {_EMAIL_SIZE} characters of address."
    if _PERCENT_HEX.search(text):
        return "WooCommerce removes percent codes from addresses."
    return "" if _is_email(text) else "WooCommerce does not take this for an e-mail address."


def _is_email(text: str) -> bool:
    local, _, domain = text.partition("@")
    labels = domain.split(".")
    return (
        len(text) >= 6
        and _LOCAL_PART.fullmatch(local) is not None
        and len(labels) >= 2
        and all(_DOMAIN_PART.fullmatch(label) for label in labels)
    )


def _too_long(cut: str, room: str, options: PatchOptions) -> Fitted:
    kept = options.too_long == "cut"
    message = f"It is longer than the {room} that the field keeps: "
    message += "cut at a word." if kept else "left as it was."
    return Fitted(cut if kept else None, "value_too_long", message)
