"""What a customer's values would be in a Vtiger contact, and the way back. Pure."""

from collections.abc import Sequence

from app.mapping.carriage import Carriage
from app.mapping.contacts import COMPANY, vtiger_contact, vtiger_patch, woo_contact, woo_patch
from app.mapping.rules import FieldRule
from app.mapping.values import Mapped, PatchOptions
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord


def contact_carriage(rules: Sequence[FieldRule], options: PatchOptions) -> Carriage:
    """Contacts carried over; contract page readback."""

    def to_vtiger(woo: Mapped) -> tuple[Mapped, frozenset[str]]:
        patch = vtiger_patch(woo.values, rules, current=None, options=options)
        record = VtigerRecord("", "", patch.body)
        company = patch.apart.get(COMPANY, "")
        return vtiger_contact(record, rules, account_name=company), patch.unwritten

    def to_woo(vtiger: Mapped) -> tuple[Mapped, frozenset[str]]:
        patch = woo_patch(vtiger.values, rules, current=None, options=options)
        return woo_contact(WooRecord(patch.body), rules), patch.unwritten

    return Carriage(rules, to_vtiger, to_woo)


def is_explained(
    name: str, woo: Mapped, vtiger: Mapped, *, rules: Sequence[FieldRule], options: PatchOptions
) -> bool:
    """Whether the field differs only by what the target does to it, or refuses of it."""
    return contact_carriage(rules, options).is_explained(name, woo, vtiger)


def carried_names(
    woo: Mapped, vtiger: Mapped, *, rules: Sequence[FieldRule], options: PatchOptions
) -> frozenset[str]:
    """Fields of which one side holds just what the other's value becomes there."""
    return contact_carriage(rules, options).carried_names(woo, vtiger)
