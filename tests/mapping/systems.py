"""Both systems reduced to what they do to a contact's text, by the rules of the readback page."""

import re
from typing import Any

from app.mapping.rules import ACCOUNT_NAME_SIZE, CONTACT_SIZES
from app.mapping.values import Mapped, Patch, decode_entities
from app.modules.contacts.mapping import COMPANY, CONTACT_RULES, vtiger_contact, woo_contact
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

_SCRIPT = re.compile(r"script.*/script", re.IGNORECASE)
_NAMES = ("first_name", "last_name")
_ADDRESS = ("company", "address_1", "address_2", "city", "postcode", "state", "country", "phone")


def woo_stores(path: str, text: str) -> str:
    """What a customer's field holds after `text` was written and any other field after it."""
    if path.startswith("meta:"):
        return text
    text = re.sub(r"\\(.)|\\$", r"\1", text, flags=re.DOTALL)
    if path not in _NAMES:
        return text
    text = re.sub(r"[\r\n\t ]+", " ", text).strip(" ")
    text = re.sub("&#?[0-9A-Za-z]*;?", _encoded_ampersand, text).replace(">", "&gt;")
    text = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text)
    return "" if text == "0" else text


def _encoded_ampersand(match: re.Match[str]) -> str:
    known = decode_entities(match[0]) != match[0]
    return match[0] if known else "&amp;" + match[0][1:]


def vtiger_stores(text: str, size: int | None, *, revise: bool) -> str:
    """What a text field of `size` characters holds after `text` was written."""
    if revise:
        text = decode_entities(text)
    if _SCRIPT.search(text):
        text = text.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return re.sub("[\U00010000-\U0010ffff]", "????", text)[:size]


class WooShop:
    """One customer, written by REST patches and by people."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {
            "id": 1,
            "email": "anna@shop.example",
            "first_name": "",
            "last_name": "",
            "billing": dict.fromkeys((*_ADDRESS, *_NAMES), ""),
            "shipping": dict.fromkeys((*_ADDRESS, *_NAMES), ""),
            "meta_data": [],
        }

    @property
    def record(self) -> WooRecord:
        return WooRecord(self.data)

    @property
    def mapped(self) -> Mapped:
        return woo_contact(self.record, CONTACT_RULES)

    def put(self, body: dict[str, Any]) -> None:
        blocks = {key: value for key, value in body.items() if isinstance(value, dict)}
        for block, fields in blocks.items():
            stored = {key: woo_stores(f"{block}.{key}", text) for key, text in fields.items()}
            self.data[block] = self.data[block] | stored
        tops = {key: value for key, value in body.items() if key not in blocks}
        self.data = self.data | {key: woo_stores(key, text) for key, text in tops.items()}


class VtigerCrm:
    """One contact and the name of its account, written by revise and by people."""

    def __init__(self) -> None:
        fields = [rule.vtiger for rule in CONTACT_RULES if rule.name != COMPANY]
        self.data: dict[str, Any] = {"id": "12x1", **dict.fromkeys(fields, "")}
        self.account = ""

    @property
    def record(self) -> VtigerRecord:
        return VtigerRecord("12x1", "Contacts", self.data)

    @property
    def mapped(self) -> Mapped:
        return vtiger_contact(self.record, CONTACT_RULES, account_name=self.account)

    def revise(self, fields: dict[str, str]) -> None:
        stored = {
            name: vtiger_stores(text, CONTACT_SIZES[name], revise=True)
            for name, text in fields.items()
        }
        self.data = self.data | stored

    def apply(self, patch: Patch) -> None:
        self.revise(patch.body)
        if COMPANY in patch.apart:
            self.account = vtiger_stores(patch.apart[COMPANY], ACCOUNT_NAME_SIZE, revise=True)
