"""Every transform by its name, made for one row."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.mapping.tabled_transforms import Constant, MultiPicklist, Pairs, Picklist
from app.mapping.transforms import TRANSFORMS, Text
from app.mapping.typed_transforms import Amount, Day, Moment, Whole, YesNo


@dataclass(frozen=True, slots=True)
class LensOptions:
    """What a row says of its transform: a picklist's pairs, a constant's value, how WooCommerce
    writes yes and no, what stands between the words of a list."""

    pairs: Pairs = ()
    value: str = ""
    notation: str = "yes/no"
    separator: str = ","


PLAIN = LensOptions()

OFFERED: Mapping[str, str] = {
    "text": "Text as it is.",
    "email": "An e-mail address; case does not count.",
    "phone": "A phone number, as it is.",
    "street": "Address lines 1 and 2 (two WooCommerce fields) and one Vtiger text.",
    "country": "WooCommerce's country code, Vtiger's English name.",
    "state": "The shop's own state code, Vtiger's name; `given` names the country's row.",
    "decimal": "A number; 0 counts as empty.",
    "integer": "A whole number; 0 counts as empty.",
    "boolean": "Yes or no: yes/no, true/false, 1/0 in WooCommerce, a checkbox in Vtiger.",
    "date": "A day.",
    "datetime": "A moment, UTC in both.",
    "picklist": "A value by the table `pairs`: WooCommerce's value, Vtiger's value.",
    "multi_picklist": "Several values: a list or text in WooCommerce; `pairs` is optional.",
    "constant": "Always `value`, for the side that has a field in this row.",
}
"""What users may choose, in one sentence each."""


@lru_cache(maxsize=512)
def lens_of(name: str, options: LensOptions) -> Text:
    """KeyError if there is no transform of that name."""
    match name:
        case "picklist":
            return Picklist(options.pairs)
        case "multi_picklist":
            return MultiPicklist(options.pairs, options.separator)
        case "constant":
            return Constant(options.value)
        case "boolean":
            return YesNo(options.notation)
    return _PLAIN[name]


_PLAIN: Mapping[str, Text] = {
    **TRANSFORMS,
    "decimal": Amount(),
    "integer": Whole(),
    "date": Day(),
    "datetime": Moment(),
}
