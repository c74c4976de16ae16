"""What WooCommerce would mangle in a product's text: such text is not sent. Contract page readback.

The rules of products differ from those of customers: backslashes fade with every later change of
a text, and markup is cleaned by WordPress's kses.
"""

import re

from app.errors import System
from app.mapping.hazards import Fitted, unsafe_reason
from app.mapping.limits import WOO_TEXT_BYTES
from app.mapping.text import collapse, decode_entities

_SURROGATE = re.compile("[\ud800-\udfff]")
_PERCENT_HEX = re.compile("%[0-9A-Fa-f]{2}")
_KEPT_TAG = re.compile(r"</?(?:b|i|u|s|p|em|strong|small|sub|sup|code|br)>", re.IGNORECASE)
_MARKUP = re.compile(r"<\s*[a-zA-Z/!?]")
_UNSAFE = unsafe_reason(System.WOOCOMMERCE)


def fit_product_text(text: str, path: str) -> Fitted:
    """`text` for a product's `path` ("name", "sku", "meta:...")."""
    if hazard := _hazard(text, path):
        return Fitted(None, _UNSAFE, hazard)
    if len(text.encode()) > WOO_TEXT_BYTES:
        message = f"WooCommerce keeps the old text if there are more than {WOO_TEXT_BYTES} bytes."
        return Fitted(None, "value_too_long", message)
    return Fitted(collapse(text) if path == "sku" else text)


def _hazard(text: str, path: str) -> str:
    if _SURROGATE.search(text):
        return "It is not valid Unicode: WooCommerce refuses the whole record."
    if decode_entities(text) != text:
        return "It contains a doubly encoded HTML entity, which would lose a level on the way back."
    if path.startswith("meta:"):
        return ""
    if path == "short_description" and text in ("", "0"):
        return "WooCommerce cannot empty a short description once it has one."
    if "\\" in text and path != "sku":
        return "WooCommerce removes a product's backslashes, more with every change."
    if _MARKUP.search(text if path == "sku" else _KEPT_TAG.sub("", text)):
        return "WooCommerce removes markup that could be active."
    if path == "sku" and ("&#" in text or _PERCENT_HEX.search(text)):
        return "WooCommerce removes entities and percent codes from a SKU."
    return 'WooCommerce takes the name "0" for none.' if (path, text) == ("name", "0") else ""
