"""Where two JSON values differ, leaf by leaf, but for what no two shops could share."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

# Random, or counted in tables that the recordings do not show.
VOLATILE = re.compile(
    r"\.related_ids|\.order_key|\.payment_url|\.avatar_url|\.cart_hash|\.customer_user_agent"
    r"|meta_data\[\d+\]\.id$"
)
DATE = re.compile(r"\.date_\w+$")
CLOCKS_APART_S = 2.0

Difference = tuple[str, Any, Any]


def differences(ours: Any, recorded: Any, path: str = "") -> Iterator[Difference]:
    """(path, ours, recorded) of every leaf that is not the same."""
    if isinstance(ours, dict) and isinstance(recorded, dict):
        for key in dict.fromkeys([*ours, *recorded]):
            yield from differences(
                ours.get(key, "<none>"), recorded.get(key, "<none>"), f"{path}.{key}"
            )
    elif isinstance(ours, list) and isinstance(recorded, list) and len(ours) == len(recorded):
        for index, (one, other) in enumerate(zip(ours, recorded, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif (
        not _is_same(ours, recorded)
        and not VOLATILE.search(path)
        and not _is_close(ours, recorded, path)
    ):
        yield path, ours, recorded


def _is_same(ours: Any, recorded: Any) -> bool:
    if isinstance(ours, bool) or isinstance(recorded, bool):
        return ours is recorded
    return bool(ours == recorded)


def _is_close(ours: Any, recorded: Any, path: str) -> bool:
    """Two clocks need not show the same second."""
    if not DATE.search(path) or not isinstance(ours, str) or not isinstance(recorded, str):
        return False
    apart = datetime.fromisoformat(ours) - datetime.fromisoformat(recorded)
    return abs(apart.total_seconds()) <= CLOCKS_APART_S
