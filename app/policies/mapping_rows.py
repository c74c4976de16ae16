"""A row that a user gave to a mapping: a field of their own, or a change of a default row."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.records import Direction, WriteCondition

RowId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]*$"
Path = Annotated[str, StringConstraints(min_length=1, max_length=260, pattern=_LINE)]
Word = Annotated[str, StringConstraints(max_length=200, pattern=_LINE)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _paired(value: Any) -> Any:
    """Pairs may come as an object, as people write them in YAML."""
    return list(value.items()) if isinstance(value, Mapping) else value


class RowChoices(BaseModel):
    """What is left out has its default; a change of a default row has neither field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    woo: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = Field(
        (),
        max_length=4,
        fail_fast=True,
        description="WooCommerce fields: billing.phone, meta:KEY, attribute:NAME; mostly one",
    )
    vtiger: str = Field(
        "", max_length=100, pattern=_LINE, description="Vtiger field, such as cf_853"
    )
    direction: Direction | None = Field(None, description="which way values go")
    transform: str | None = Field(None, max_length=50, description="name of the transform")
    write: WriteCondition | None = Field(None, description="when a changed value is written")
    given: str = Field("", max_length=64, description="state: id of its country's row")
    size: int | None = Field(
        None, ge=1, le=65535, description="characters that the Vtiger field keeps"
    )
    pairs: Annotated[tuple[tuple[Word, Word], ...], BeforeValidator(_paired)] = Field(
        (),
        max_length=500,
        fail_fast=True,
        description="picklists: WooCommerce's value and Vtiger's for it",
    )
    value: Word = Field("", description="constant: what is always written")
    notation: Literal["yes/no", "true/false", "1/0"] = Field(
        "yes/no", description="boolean: how the shop writes it where it holds nothing yet"
    )
    separator: Annotated[str, StringConstraints(max_length=5, pattern=_LINE)] = Field(
        ",", description="multi_picklist: between values in WooCommerce; empty: a list"
    )
    comment: str = Field("", max_length=500, pattern=_LINE, description="for people")


class MappingRow(RowChoices):
    """A row by its id, which is a default row's if it changes that one."""

    id: RowId = Field(description="name of the row; that of a default row changes that row")

    def stored(self) -> dict[str, Any]:
        """As JSON, without what has its default."""
        return self.model_dump(mode="json", exclude_defaults=True)
