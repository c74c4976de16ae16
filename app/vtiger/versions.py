"""What is known of the versions of Vtiger Community Edition."""

import re

_DAMAGING = re.compile(r"8\.[34](\..*)?")


def damages_orders(version: str) -> bool:
    """Whether this version of Community Edition refuses orders with lines, ruins them on a revise
    with lines and cannot delete them (page Vtiger add-on writes, F2 and F3)."""
    return _DAMAGING.fullmatch(version) is not None
