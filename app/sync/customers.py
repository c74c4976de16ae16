"""Writing a customer's fields, without the e-mail where the shop does not take it."""

from collections.abc import Sequence
from dataclasses import replace

from app.errors import Duplicate, Rejected
from app.mapping.contacts import WOO_META_KEY, woo_patch
from app.mapping.paths import with_meta
from app.mapping.rules import FieldRule
from app.mapping.values import FieldNote, Patch, PatchOptions
from app.sync.sides import Side
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooCustomer


def new_customer(source: Side, rules: Sequence[FieldRule], options: PatchOptions) -> Patch:
    """What makes a customer of a contact, whose id it carries (customer_create)."""
    patch = woo_patch(source.values.values, rules, current=None, options=options)
    return replace(patch, body=with_meta(patch.body, WOO_META_KEY, source.id))


async def change_customer(
    woo: WooClient, customer_id: str, patch: Patch
) -> tuple[WooCustomer | None, Patch]:
    """The customer as the shop answers, and the patch as it was sent; None if nothing is left.

    A refused e-mail is left out with a note, for it must not hold up the rest (recordings
    err_customer_update_duplicate_email, err_customer_bad_email).
    """
    if not patch.body:
        return None, patch
    try:
        return await woo.update_customer(customer_id, patch.body), patch
    except (Duplicate, Rejected) as error:
        if "email" not in patch.body:
            raise
        return await change_customer(woo, customer_id, _without_email(patch, error))


def _without_email(patch: Patch, error: Duplicate | Rejected) -> Patch:
    body = {name: value for name, value in patch.body.items() if name != "email"}
    note = FieldNote("email", error.reason, str(error), str(patch.body["email"]))
    return Patch(body, (*patch.notes, note), patch.unwritten | {"email"}, patch.apart)
