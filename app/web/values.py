"""Values and messages as people read them: what was sold in lines, settings as code."""

import json
import re
from typing import Any

from markupsafe import Markup, escape

from app.mapping.order_lines import Sold, SoldLine
from app.records import Direction
from app.web.setting_fields import SETTINGS
from app.web.words import DIRECTIONS

_CODE = re.compile(r"`([^`]+)`")
_WAY = re.compile(rf"\b({Direction.WOO_TO_VTIGER}|{Direction.VTIGER_TO_WOO})\b")
_FORM_LABELS = {"given": "Row of its country"}


def prose(text: str, store: str = "", module: str | None = "") -> Markup:
    """A sentence whose `parts in backticks` are shown as code; everything in it is escaped.

    Settings and their values are said as the settings page says them, and lead there: to that of
    a store and module, where these are given.
    """
    place = f"/ui/settings/{store}/{module}" if store and module else "/ui/settings"
    marked, setting = [], ""
    for n, part in enumerate(_CODE.split(text)):
        if not n % 2:
            marked.append(escape(_WAY.sub(lambda way: f"“{DIRECTIONS[way[1]]}”", part)))
        elif part in SETTINGS:
            setting = part
            marked.append(Markup('<a href="%s">%s</a>') % (place, SETTINGS[part].label))
        elif setting and (said := SETTINGS[setting].name_of(part)):
            marked.append(escape(f"“{said}”"))
        elif part in _FORM_LABELS:
            marked.append(escape(f"“{_FORM_LABELS[part]}”"))
        else:
            marked.append(Markup("<code>%s</code>") % part)
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
