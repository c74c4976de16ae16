"""Countries as settings name them: two capital letters, as WooCommerce and ISO 3166 have them."""

import pycountry
from pydantic_core import PydanticCustomError

_MORE = frozenset({"XK"})
"""Kosovo, which WooCommerce has and ISO has not."""
_MISTAKEN = {"UK": "GB", "EN": "GB", "EL": "GR"}

UNKNOWN = "There is no country “{given}”: give its two letters, such as {hint}."


def is_country(code: str) -> bool:
    """Whether this is a country's code, in capital letters."""
    known = len(code) == 2 and pycountry.countries.get(alpha_2=code) is not None
    return (known and code.isupper()) or code in _MORE


def read_country(text: str) -> str:
    """The code, in capital letters however it was typed; "" for none. PydanticCustomError says
    what is wrong."""
    code = text.strip().upper()
    if not code or is_country(code):
        return code
    raise PydanticCustomError("country", UNKNOWN, {"given": text.strip()[:40], "hint": _hint(code)})


def _hint(code: str) -> str:
    try:
        found = pycountry.countries.lookup(code)
    except LookupError:
        return _MISTAKEN.get(code, "FR")
    return str(found.alpha_2)
