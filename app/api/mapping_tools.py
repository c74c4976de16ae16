"""GET …/fields and POST …/preview: what a row may map, and what a sync of one record would do.

Both read records of the two systems at this moment with the service's own keys, whether they are
synced or not, so they need a token of scope `admin`.
"""

from typing import Any, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.deps import Guard, RuntimeDep, only_known
from app.api.errors import Problem, documented, not_found
from app.api.examples import example
from app.api.mapping_examples import FIELDS, PREVIEW
from app.api.mapping_shapes import RowFault
from app.api.mappings import told
from app.errors import System, Waiting
from app.inputs import Text
from app.mapping.lenses import OFFERED
from app.policies.mapping_rows import MappingRow
from app.policies.tokens import Scope
from app.records import Module
from app.sync.mapping_fields import OfferedField, offer_fields
from app.sync.mappings import mapping_of
from app.sync.preview import FieldAct, Preview, Trial, preview

router = APIRouter(
    prefix="/mappings",
    tags=["Mappings"],
    dependencies=[Depends(Guard(Scope.ADMIN)), Depends(only_known)],
    responses=documented(401, 403, 404, 422, 502),
)


class FieldOut(BaseModel):
    """A field of one system, as a row names it."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    label: str
    type: str
    writable: bool
    mandatory: bool
    reserved: str = Field(description="why no row may have it; empty: one may")
    choices: list[str] = Field(description="what a picklist offers")
    example: str = Field(description="what a recent record of the shop holds")
    written_by: str = Field(description="the row that writes it now")

    @classmethod
    def of(cls, offered: OfferedField) -> Self:
        return cls.model_validate(offered)


class TransformOut(BaseModel):
    """A transform that a row may name."""

    name: str
    meaning: str


class FieldsOut(BaseModel):
    """Both systems' fields, and the transforms between them."""

    woocommerce: list[FieldOut]
    vtiger: list[FieldOut]
    transforms: list[TransformOut]


class PreviewIn(BaseModel):
    """A record, and perhaps rows that are only proposed."""

    model_config = ConfigDict(extra="forbid")

    system: System
    record_id: Text = Field(min_length=1, description="its id in that system")
    row: MappingRow | None = Field(None, description="one row to try beside those in force")
    rows: list[MappingRow] | None = Field(
        None,
        max_length=500,
        fail_fast=True,
        description="all rows to try instead of those in force",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.row is not None and self.rows is not None:
            raise ValueError("row and rows exclude each other: put the row among the rows")
        return self


class FieldPreviewOut(BaseModel):
    """One row: both values in plain form, and what a sync would do."""

    model_config = ConfigDict(from_attributes=True)

    row: str
    woocommerce: str | None = Field(validation_alias="woo")
    vtiger: str | None
    act: FieldAct
    reason: str = Field(description="reason code, if the value cannot go over as it is")
    message: str


class PreviewOut(BaseModel):
    """What a sync would do with the record; nothing was written."""

    label: str
    woocommerce_id: str | None
    vtiger_id: str | None
    reason: str | None = Field(description="why nothing would be done, if so")
    message: str
    fields: list[FieldPreviewOut]
    to_woocommerce: dict[str, Any] = Field(description="the request's body, {} for none")
    to_vtiger: dict[str, Any] = Field(description="the fields sent, but for an order's money")
    problems: list[RowFault] = Field(description="of proposed rows, which are left out then")

    @classmethod
    def of(cls, found: Preview) -> Self:
        return cls(
            label=found.label,
            woocommerce_id=found.woo_id,
            vtiger_id=found.vtiger_id,
            reason=found.skip.reason if found.skip else None,
            message=found.skip.message if found.skip else "",
            fields=[FieldPreviewOut.model_validate(each) for each in found.fields],
            to_woocommerce=dict(found.bodies.get(System.WOOCOMMERCE, {})),
            to_vtiger=dict(found.bodies.get(System.VTIGER, {})),
            problems=[
                RowFault(field=f"{fault.row}.{fault.field}".strip("."), message=fault.message)
                for fault in found.faults
            ],
        )


@router.get("/{store}/{module}/fields", responses=example(FIELDS))
async def get_mappable_fields(runtime: RuntimeDep, store: str, module: Module) -> FieldsOut:
    """What a row may name: the shop's fields, its attributes and meta as recent records have
    them, and Vtiger's fields as it describes them at this moment."""
    if store not in runtime.stores:
        raise not_found(f"store {store}")
    async with told():
        offer = await offer_fields(runtime, store, module)
    transforms = [TransformOut(name=name, meaning=text) for name, text in OFFERED.items()]
    return FieldsOut(
        woocommerce=[FieldOut.of(each) for each in offer.woo],
        vtiger=[FieldOut.of(each) for each in offer.vtiger],
        transforms=transforms,
    )


@router.post("/{store}/{module}/preview", responses=example(PREVIEW) | documented(409))
async def preview_mapping(
    runtime: RuntimeDep, store: str, module: Module, wanted: PreviewIn
) -> PreviewOut:
    """A dry run on one record, with the mapping in force or a proposed one. Writes nothing."""
    if store not in runtime.stores:
        raise not_found(f"store {store}")
    rows = wanted.rows
    if rows is None and wanted.row is not None:
        now = (await mapping_of(runtime, store, module)).rows
        rows = [row for row in now if row.id != wanted.row.id] + [wanted.row]
    trial = Trial(store, module, wanted.system, wanted.record_id, rows)
    try:
        async with told():
            return PreviewOut.of(await preview(runtime, trial))
    except Waiting as waiting:
        raise Problem(409, waiting.reason, str(waiting)) from None
