"""The form of one mapping row: what it says, as a row, and a row's faults at its fields."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from app.errors import InvalidInput
from app.mapping.rule_checks import RuleFault
from app.mapping.rules import FieldRule
from app.policies.mapping_rows import MappingRow
from app.web.forms import Posted
from app.web.wording import say_faults

TEXTS = ("vtiger", "transform", "direction", "write", "given", "size", "value", "notation")
MORE_TEXTS = ("separator", "comment")
NO_PAIR = "Write each line as: WooCommerce's value = Vtiger's value."
MADE_OF = {"id": "Begin with a small letter; go on with small letters, digits and _."}
UNNAMED = "unnamed"
"""The id of a new row that is only tried out."""


@dataclass(frozen=True, slots=True)
class RowForm:
    """A row as its form holds it, and what is wrong where; "" is the row as a whole."""

    id: str = ""
    woo: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    pairs: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    @property
    def paths(self) -> list[str]:
        """The inputs for WooCommerce fields: those that are filled, and one more, two at least."""
        return [*self.woo, *[""] * max(1, 2 - len(self.woo))][:4]


def form_of(row: MappingRow | None, rule: FieldRule | None = None) -> RowForm:
    """A row as the form shows it; for a default row that nobody changed, as it works."""
    if row is None:
        shown = {"direction": rule.direction, "transform": rule.transform} if rule else {}
        shown |= {"write": rule.write} if rule else {}
        return RowForm(rule.name if rule else "", texts={"separator": ",", **shown})
    said = {name: getattr(row, name) for name in (*TEXTS, *MORE_TEXTS)}
    texts = {name: "" if value is None else str(value) for name, value in said.items()}
    pairs = "\n".join(f"{woo} = {vtiger}" for woo, vtiger in row.pairs)
    return RowForm(row.id, row.woo, texts, pairs)


def read_form(posted: Posted, row_id: str) -> RowForm:
    """What was sent, as it was sent."""
    texts = {name: posted.text(name) for name in (*TEXTS, *MORE_TEXTS)}
    return RowForm(row_id, posted.texts("woo"), texts, posted.text("pairs"))


def row_of(form: RowForm, row_id: str) -> MappingRow:
    """The row that the form says. InvalidInput names the field that cannot be as it is."""
    said: dict[str, object] = {name: text for name, text in form.texts.items() if text}
    said["separator"] = form.text("separator")
    said |= {"id": row_id, "woo": list(form.woo), "pairs": _pairs(form.pairs)}
    try:
        return MappingRow.model_validate(said)
    except ValidationError as error:
        name, told = next(iter(say_faults(error, MADE_OF).items()))
        raise InvalidInput(told, name) from None


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        woo, equals, vtiger = line.partition(" = ") if " = " in line else line.partition("=")
        if not equals:
            raise InvalidInput(NO_PAIR, "pairs")
        found.append((woo.strip(), vtiger.strip()))
    return found


def with_faults(form: RowForm, faults: Iterable[RuleFault], row_id: str) -> RowForm:
    """The form again, each fault at its field; those of other rows at the row as a whole."""
    errors: dict[str, str] = {}
    for fault in faults:
        own = fault.row == row_id
        told = fault.message if own else f"{fault.row}: {fault.message}"
        name = fault.field if own else ""
        errors[name] = f"{errors[name]} {told}" if name in errors else told
    return RowForm(form.id, form.woo, form.texts, form.pairs, errors)


def with_error(form: RowForm, error: InvalidInput) -> RowForm:
    errors = {error.field: str(error)}
    return RowForm(form.id, form.woo, form.texts, form.pairs, errors)
