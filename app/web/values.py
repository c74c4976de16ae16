"""Values and messages as people read them: what was sold in lines, settings as code."""

import json
import re
from typing import Any

from markupsafe import Markup, escape

from app.mapping.order_lines import Sold, SoldLine

_CODE = re.compile(r"`([^`]+)`")


def prose(text: str) -> Markup:
    """A sentence whose `parts in backticks` are shown as code; everything in it is escaped."""
    parts = _CODE.split(text)
    marked = [
        Markup("<code>%s</code>") % part if n % 2 else escape(part) for n, part in enumerate(parts)
    ]
    return Markup("").join(marked)


def shown(value: Any) -> list[str]:
    """The lines of a value; none for an empty one."""
    if value is None or value == "":
        return []
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, indent=1).splitlines()
    return _sold(value) or value.splitlines()


def _sold(text: str) -> list[str]:
    """What an order's composite value holds; nothing if this is none."""
    if not text.startswith("{"):
        return []
    try:
        sold = Sold.from_text(text)
    except (ValueError, KeyError, TypeError):
        return []
    shipping = [f"Shipping {sold.shipping}"] if sold.shipping not in ("", "0") else []
    return [*map(_line, sold.lines), *shipping, f"Total {sold.total}"]


def _line(line: SoldLine) -> str:
    text = f"{line.quantity} × {line.text}" if line.quantity else line.text
    discounted = f" (before discount {line.subtotal})" if line.subtotal != line.total else ""
    return f"{text}: {line.total}{discounted}"
