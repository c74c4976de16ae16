"""Meta data of products, orders and order lines: free keys, written in place.

Contract page WooCommerce §2 (Meta for foreign ids). Customers have rules of their own.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from sandbox.woocommerce.kses import kses_post
from sandbox.woocommerce.php import array_value, scalar_text
from sandbox.woocommerce.site import Sequence
from sandbox.woocommerce.users import Meta
from sandbox.woocommerce.wordpress import sanitize_text_field


def write_meta(meta: list[Meta], entries: Any, ids: Sequence) -> None:
    """Apply `meta_data` of a request: null deletes, a known key is written where it is."""
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping) and entry.get("key"):
            _write_entry(meta, entry, ids)


def _write_entry(meta: list[Meta], entry: Mapping[str, Any], ids: Sequence) -> None:
    key, value, meta_id = scalar_text(entry["key"]), entry.get("value"), entry.get("id")
    fitting = [m for m in meta if (m.id == meta_id if meta_id else m.key == key)]
    stored = array_value(value) if isinstance(value, (list, dict)) else scalar_text(value)
    kept = fitting[0] if fitting and value is not None else None
    meta[:] = [m for m in meta if m is kept or m not in fitting]
    if kept is not None:
        kept.key, kept.value = key, stored
    elif value is not None:
        meta.append(Meta(ids.next(), key, stored))


def set_meta(meta: list[Meta], key: str, value: Any, ids: Sequence) -> None:
    """Write one key, as WooCommerce does for its own purposes; None removes it."""
    write_meta(meta, [{"key": key, "value": value}], ids)


def meta_value(meta: list[Meta], key: str) -> Any:
    """The first value of a key, "" where there is none."""
    return next((m.value for m in meta if m.key == key), "")


def render_meta(meta: list[Meta]) -> list[dict[str, Any]]:
    return [{"id": m.id, "key": m.key, "value": m.value} for m in meta]


def render_line_meta(meta: list[Meta], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """With what the admin screens show: attributes by their name, texts without markup."""
    return [_with_display(m, labels) for m in meta]


def _with_display(meta: Meta, labels: Mapping[str, str]) -> dict[str, Any]:
    shown = meta.value
    if isinstance(shown, str):
        shown = labels.get(f"{meta.key}={shown}") or sanitize_text_field(kses_post(unquote(shown)))
    return {
        "id": meta.id,
        "key": meta.key,
        "value": meta.value,
        "display_key": labels.get(meta.key) or sanitize_text_field(meta.key),
        "display_value": shown,
    }


def load_meta(entries: Any) -> list[Meta]:
    """Meta of a loaded REST object."""
    return [Meta(int(m["id"]), str(m["key"]), m["value"]) for m in entries or []]
