"""The calls about taxes and currencies, which are settings of the CRM more than records."""

import logging
from collections.abc import Sequence
from decimal import Decimal

from app.errors import Duplicate, NotFound, RecordUnreadable, Rejected, WrongRecord
from app.vtiger.answers import VTIGER
from app.vtiger.element import render_element
from app.vtiger.query import Query, fold
from app.vtiger.records import RecordCalls
from app.vtiger.schemas import VtigerCurrency, VtigerTax

log = logging.getLogger(__name__)

UNSAFE = "unsafe_in_vtiger"
"""The code of a Rejected that we decide on, because Vtiger would do damage."""


class TaxCalls(RecordCalls):
    """Tax and Currency.

    Vtiger finds the column that a tax has on products and lines by the tax's label, on every
    write. So two taxes of one label would take each other's column (70-tax-revise,
    70-tax-query-after), and a new label would leave none (70-tax-update-rename-label-CORRUPTS).
    """

    async def search_taxes(self) -> list[VtigerTax]:
        """All taxes that are not deleted, at most 100 (70-tax-query, -after-delete)."""
        return [VtigerTax.parse(row) for row in await self._rows(Query("Tax"))]

    async def create_tax(self, label: str, percentage: Decimal) -> VtigerTax:
        """A new tax with a column of its own; three decimals are kept (70-tax-create).

        Duplicate, with the holder's id, if a tax has the label, which Vtiger would allow
        (70-tax-create-dup-label).
        """
        holder = _find_labelled(await self.search_taxes(), label)
        if holder is not None:
            message = f"Vtiger has a tax with the label {holder.label!r} already"
            raise Duplicate(VTIGER, message, holder_id=holder.id)
        element = render_element({"taxlabel": label, "percentage": percentage})
        params = {"elementType": "Tax", "element": element}
        return VtigerTax.parse(await self._api.write("create", params))

    async def revise_tax(self, tax_id: str, percentage: Decimal) -> VtigerTax:
        """Change the percentage, all that can be changed safely (70-tax-revise-percentage-only).

        NotFound if there is no such tax, or it is deleted. Rejected with the code UNSAFE, and
        nothing written, while another tax has its label; with that code also if Vtiger moved
        the tax to another column all the same (a deleted tax, which is not seen, had the label).
        """
        taxes = await self.search_taxes()
        tax = _get_tax(taxes, tax_id)
        others = [one for one in taxes if one.id != tax_id]
        if _find_labelled(others, tax.label) is not None:
            raise _refuse(tax, "several taxes have this label; give each its own in Vtiger first")
        element = render_element({"id": tax_id, "percentage": percentage})
        changed = VtigerTax.parse(await self._api.write("revise", {"element": element}))
        if changed.id != tax_id:
            raise WrongRecord(VTIGER, "Tax", asked=tax_id, given=changed.id)
        taken = {"", *(one.name for one in others)}
        moved = changed.name != tax.name and tax.name not in taken
        if moved or changed.name in taken:
            raise _refuse(changed, f"it has moved from column {tax.name!r} to {changed.name!r}")
        return changed

    async def search_currencies(self) -> list[VtigerCurrency]:
        """All currencies, active or not, at most 100 (72-currency-query-after). One without a
        rate is passed over, for the log of the service to tell: nothing can be written in it."""
        found = []
        for row in await self._rows(Query("Currency")):
            try:
                found.append(VtigerCurrency.parse(row))
            except RecordUnreadable as error:
                log.warning("a currency is passed over: %s", error)
        return found


def _get_tax(taxes: Sequence[VtigerTax], tax_id: str) -> VtigerTax:
    for tax in taxes:
        if tax.id == tax_id:
            return tax
    raise NotFound(VTIGER, f"there is no tax {tax_id}")


def _find_labelled(taxes: Sequence[VtigerTax], label: str) -> VtigerTax | None:
    wanted = fold(label)
    return next((tax for tax in taxes if fold(tax.label) == wanted), None)


def _refuse(tax: VtigerTax, why: str) -> Rejected:
    return Rejected(VTIGER, f"the tax {tax.label!r} ({tax.id}): {why}", code=UNSAFE)
