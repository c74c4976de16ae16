"""The adapter of taxes: it reads tax rates and Vtiger's taxes, finds their twins, and makes the few
writes that are safe."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.domain import (
    Duplicate,
    InvalidInput,
    Module,
    NotFound,
    Rejected,
    System,
    TaxScope,
    after_create,
)
from app.mapping.rules import FieldRule
from app.mapping.values import FieldNote, Patch, PatchOptions, Value, base_from_json
from app.modules.context import TAX, Context, ReferenceData
from app.modules.ports import Side, Skip, Written
from app.modules.taxes.mapping import (
    TAX_RULES,
    label_forms,
    match_rate,
    match_tax,
    tax_labels,
    tax_leaders,
    vtiger_tax,
    vtiger_tax_patch,
    woo_tax,
    woo_tax_patch,
)
from app.policies.repository import SyncPolicy
from app.vtiger.client import UNSAFE, VtigerClient
from app.vtiger.schemas import VtigerRecord, VtigerTax, fold
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooTaxRate

# Tax rates and Vtiger's taxes as sides.


def rate_side(rate: WooTaxRate, label: str) -> Side:
    """The side of a rate, with the label that identifies it among the shop's rates."""
    return Side(
        system=System.WOOCOMMERCE,
        id=rate.id,
        values=woo_tax(rate, label=label),
        modified_at=None,
        created_at=None,
        label=label,
        foreign_id=None,
        raw=rate,
    )


@dataclass(frozen=True, slots=True)
class SharingRate(WooTaxRate):
    """A rate without a Vtiger tax of its own: it shares that of the rate `leader`."""

    leader: str = ""


def tax_side(tax: VtigerRecord) -> Side:
    """The side of a Vtiger tax."""
    return Side(
        system=System.VTIGER,
        id=tax.id,
        values=vtiger_tax(tax),
        modified_at=None,
        created_at=None,
        label=tax.get("taxlabel"),
        foreign_id=None,
        raw=tax,
    )


def rate_of(side: Side) -> WooTaxRate:
    """The rate behind a side of the shop."""
    if not isinstance(side.raw, WooTaxRate):
        raise TypeError(f"{side.system} {side.id} is no rate of a shop")
    return side.raw


def matching_taxes(
    label: Value, percentage: Value, taxes: Iterable[VtigerRecord]
) -> list[VtigerRecord]:
    """Vtiger's taxes with a label and percentage; several if it has the label more than once."""
    match = match_tax(label or "", percentage, taxes=taxes)
    return [match.tax] if match.tax else list(match.ambiguous)


def is_among(rate: WooTaxRate, rates: Iterable[WooTaxRate]) -> bool:
    """Whether the rates contain this one unchanged; a list may show its `_links` differently."""
    return any(_without_links(each) == _without_links(rate) for each in rates)


def _without_links(rate: WooTaxRate) -> dict[str, Any]:
    return {name: value for name, value in rate.data.items() if name != "_links"}


def tax_record(tax: VtigerTax) -> VtigerRecord:
    """The response to a write of a tax in the form of a query."""
    percentage = "" if tax.percentage is None else str(tax.percentage)
    fields = {"taxname": tax.name, "taxlabel": tax.label, "percentage": percentage}
    return VtigerRecord.parse({"id": tax.id, **fields}, TAX)


UNUSED = Skip(
    "filtered",
    "No order or product uses this rate yet. It becomes a Vtiger tax when one does, or at once "
    "with the setting `tax_scope` on `all`.",
)
NO_COUNTRY = Skip(
    "missing_required_field",
    "A rate of the shop needs a country: set `tax_country` (such as FR) in the settings of module "
    "taxes, and new Vtiger taxes are created as rates of that country.",
)
UNDELETABLE = Skip(
    UNSAFE,
    "Vtiger's taxes are not deleted through its API, as old orders refer to them: delete it there "
    "by hand, under Settings, Tax Management.",
)
SHARED = (
    "It differs from rate {leader} only in postcodes or cities: both are one tax in Vtiger, with "
    "that rate's label."
)
RENAMED = "Vtiger has a tax with that label and another percentage: this one got a longer label."


@dataclass(frozen=True, slots=True)
class TaxAdapter:
    """Tax rates and Vtiger's taxes (mapping table "Taxes"). `is_needed`: a product or an order
    depends on the rate.

    Neither system has modification times of taxes, and Vtiger reports no changes of them.
    """

    woo: WooClient
    vtiger: VtigerClient
    reference_data: ReferenceData
    policy: SyncPolicy
    is_needed: bool
    module: Module = Module.TAXES
    rules: tuple[FieldRule, ...] = TAX_RULES

    async def find(self, system: System, record_id: str) -> Side | None:
        """The rate or tax by id, not from the cache; None if it is gone (tax_get, 70-tax-query)."""
        if system is System.VTIGER:
            self.reference_data.forget_taxes()
            taxes = (await self.reference_data.crm()).taxes
            return next((tax_side(tax.checked()) for tax in taxes if tax.id == record_id), None)
        try:
            return await self._rate_side((await self.woo.get_tax_rate(record_id)).checked())
        except NotFound:
            self.reference_data.forget_shop()
            return None

    async def _rate_side(self, rate: WooTaxRate) -> Side:
        rates = (await self.reference_data.shop()).rates
        if not is_among(rate, rates):
            self.reference_data.forget_shop()
            rates = (await self.reference_data.shop()).rates
        return (await self.rate_sides([*(each for each in rates if each.id != rate.id), rate]))[-1]

    async def rate_sides(self, rates: Sequence[WooTaxRate]) -> list[Side]:
        """The sides of rates; `rates` must be all that the shop has, so that labels are unique."""
        kept = await self._kept_labels()
        labels, leaders = tax_labels(rates, kept=kept), tax_leaders(rates, paired=kept)
        return [rate_side(_sharing(rate, leaders[rate.id]), labels[rate.id]) for rate in rates]

    async def _kept_labels(self) -> dict[str, str]:
        """Vtiger's label for each rate with a pair, by rate id: it cannot be changed there."""
        bases = {
            rate_id: base_from_json(link.base)
            for rate_id, link in (await self.reference_data.tax_links()).items()
        }
        return {
            rate_id: base["label"].vtiger or ""
            for rate_id, base in bases.items()
            if "label" in base
        }

    async def read_body(self, body: Mapping[str, object]) -> Side:
        """Always InvalidInput: an action has only the rate's id (hook_action_tax_rate_added)."""
        raise InvalidInput(f"no rate can be read from {sorted(body)}")

    def natural_keys(self, side: Side) -> tuple[str, ...]:
        return (f"{self.module}:label:{fold(side.values.get('label') or '')}",)

    def objection(self, side: Side) -> Skip | None:
        """A rate that shares another's tax is not synced itself."""
        if isinstance(side.raw, SharingRate):
            return Skip("filtered", SHARED.format(leader=side.raw.leader))
        return None

    def creation_objection(self, side: Side) -> Skip | None:
        """Rates that no order or product uses are not created in Vtiger, unless the setting
        `tax_scope` is `all`: a shop may have hundreds of them."""
        if side.system is System.VTIGER:
            return None if self.policy.tax_country else NO_COUNTRY
        wanted = self.is_needed or self.policy.tax_scope is TaxScope.ALL
        return None if wanted else UNUSED

    def converted_names(self, woo: Side, vtiger: Side) -> frozenset[str]:
        """The label, if Vtiger's is any of the labels that the rate may have."""
        forms = {fold(form) for form in label_forms(rate_of(woo))}
        known = fold(vtiger.values.get("label") or "") in forms
        return frozenset({"label"}) if known else frozenset()

    async def search_twins(self, side: Side) -> list[Side]:
        """By label and percentage; also by the plain name, if only one rate matches that."""
        if side.system is System.WOOCOMMERCE:
            return await self._search_taxes(side)
        rates = await self.rate_sides((await self.reference_data.shop()).rates)
        sides = [each for each in rates if self.objection(each) is None]
        labels = {each.id: each.values.get("label") or "" for each in sides}
        for each in sides:
            if labels[each.id] == side.values.get("label"):
                rate_of(each).checked()  # one that cannot be read is not another rate
        found = match_rate(side.values, [rate_of(each) for each in sides], labels=labels)
        return [each for each in sides if each.id in found]

    async def _search_taxes(self, side: Side) -> list[Side]:
        taxes = (await self.reference_data.crm()).taxes
        exact = matching_taxes(side.values.get("label"), side.values.get("percentage"), taxes)
        if exact:
            return [tax_side(tax) for tax in exact]
        name = label_forms(rate_of(side))[0]
        named = matching_taxes(name, side.values.get("percentage"), taxes)
        sides = [tax_side(tax) for tax in named]
        return [each for each in sides if await self._is_only_twin(each, side)]

    async def _is_only_twin(self, tax: Side, rate: Side) -> bool:
        return [twin.id for twin in await self.search_twins(tax)] == [rate.id]

    async def search_rivals(self, side: Side) -> list[Side]:
        """Other Vtiger taxes with the label, which is not unique there (70-tax-create-dup-label);
        the labels of rates are."""
        if side.system is System.WOOCOMMERCE:
            return []
        taxes = (await self.reference_data.crm()).taxes
        same = matching_taxes(side.values.get("label"), side.values.get("percentage"), taxes)
        return [tax_side(tax) for tax in same if tax.id != side.id]

    async def create(
        self,
        target: System,
        source: Side,
        key: str = "",  # noqa: ARG002 - neither system takes one for a tax
    ) -> Written | Side | Skip:
        """Create a tax with a unique label, or a rate of the configured country."""
        if target is System.VTIGER:
            return await self._create_tax(source)
        patch = woo_tax_patch(source.values.values, current=None, country=self.policy.tax_country)
        created = await self.woo.create_tax_rate(patch.body)
        self.reference_data.forget_shop()
        with after_create():
            side = await self._rate_side(created)
        return Written(side, patch.notes, patch.unwritten)

    async def _create_tax(self, source: Side) -> Written | Skip:
        """Recording 70-tax-create. Two taxes with the same label would share a column."""
        label = await self._free_label(source)
        values = {**source.values.values, "label": label}
        patch = vtiger_tax_patch(values, current=None, options=self._options)
        notes = patch.notes
        if label != source.values.get("label"):
            notes += (FieldNote("label", UNSAFE, RENAMED, source.values.get("label") or ""),)
        if "percentage" not in patch.body:
            return Skip(notes[0].reason, notes[0].message)
        percentage = Decimal(patch.body["percentage"])
        self.reference_data.forget_taxes()
        try:
            created = await self.vtiger.create_tax(patch.body["taxlabel"], percentage)
        except Duplicate as error:
            return Skip(error.reason, f"{error}: give the rate another name in WooCommerce.")
        return Written(tax_side(tax_record(created)), notes, patch.unwritten)

    async def _free_label(self, source: Side) -> str:
        taken = {fold(tax.get("taxlabel")) for tax in (await self.reference_data.crm()).taxes}
        own = source.values.get("label") or ""
        forms = label_forms(rate_of(source))
        longer = forms[forms.index(own) :] if own in forms else [own, *forms]
        return next((form for form in longer if fold(form) not in taken), own)

    @property
    def _options(self) -> PatchOptions:
        return PatchOptions(too_long=self.policy.too_long.value)

    async def update(
        self,
        current: Side,
        changes: Mapping[str, Value],
        source: Side,  # noqa: ARG002 - only orders need the source
    ) -> Written:
        """Write the percentage, and in the shop the name (70-tax-revise-percentage-only,
        tax_update)."""
        if isinstance(current.raw, VtigerRecord):
            patch = vtiger_tax_patch(changes, current=current.raw, options=self._options)
            return await self._revise(current, patch)
        known = rate_of(current)
        patch = woo_tax_patch(changes, current=known, country=self.policy.tax_country)
        if not patch.body:
            return Written(current, patch.notes, patch.unwritten, sent=False)
        updated = await self.woo.update_tax_rate(current.id, patch.body)
        self.reference_data.forget_shop()
        return Written(await self._rate_side(updated), patch.notes, patch.unwritten)

    async def _revise(self, current: Side, patch: Patch) -> Written:
        if not patch.body:
            return Written(current, patch.notes, patch.unwritten, sent=False)
        percentage = Decimal(patch.body["percentage"])
        self.reference_data.forget_taxes()
        try:
            revised = await self.vtiger.revise_tax(current.id, percentage)
        except Rejected as error:
            if error.code != UNSAFE:
                raise
            note = FieldNote("percentage", UNSAFE, str(error), str(percentage))
            names = patch.unwritten | {"percentage"}
            return Written(current, (*patch.notes, note), names, sent=False)
        return Written(tax_side(tax_record(revised)), patch.notes, patch.unwritten)

    async def write_external_id(self, current: Side, foreign_id: str) -> Side:  # noqa: ARG002 - no room for it
        return current

    async def delete(self, system: System, record_id: str) -> Skip | None:
        """Delete a rate permanently (tax_delete); a Vtiger tax is never deleted."""
        if system is System.VTIGER:
            return UNDELETABLE
        with contextlib.suppress(NotFound):
            await self.woo.delete_tax_rate(record_id)
        self.reference_data.forget_shop()
        return None

    async def dependents(self, side: Side) -> Sequence[Side]:  # noqa: ARG002 - products have the rates
        return ()


def _sharing(rate: WooTaxRate, leader: str) -> WooTaxRate:
    if leader == rate.id:
        return rate
    return SharingRate(rate.data, rate.faults, rate.dropped, leader=leader)


async def open_taxes(context: Context) -> TaxAdapter:
    return TaxAdapter(
        woo=context.runtime.stores[context.store],
        vtiger=context.runtime.vtiger,
        reference_data=context.reference_data,
        policy=context.policy,
        is_needed=context.is_needed,
    )
