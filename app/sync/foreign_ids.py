"""Where a record carries the other system's id, and whether what is there can be one."""

from app.errors import System
from app.mapping.contacts import FOREIGN_ID_LABEL
from app.sync.sides import Skip
from app.vtiger.schemas import VtigerModule


def foreign_id_field(shape: VtigerModule, store: str, *, only_store: bool) -> str | None:
    """Our id field by its label: one for the only shop, or one named after each of several."""
    labels = [label_of(store, only_store=False)]
    labels += [label_of(store, only_store=True)] if only_store else []
    found = (shape.field_labelled(label) for label in labels)
    return next((field.name for field in found if field is not None), None)


def label_of(store: str, *, only_store: bool) -> str:
    """The label that an admin is to give the field."""
    return FOREIGN_ID_LABEL if only_store else of_store(FOREIGN_ID_LABEL, store)


def of_store(label: str, store: str) -> str:
    """The label of a field that is one store's among several."""
    return f"{label} ({store})"


def foreign_id_fields(shape: VtigerModule | None) -> frozenset[str]:
    """The id fields of all shops."""
    label = FOREIGN_ID_LABEL.casefold()
    fields = shape.fields if shape else ()
    return frozenset(field.name for field in fields if field.label.casefold().startswith(label))


def is_plausible(system: System, text: str) -> bool:
    """Whether a text is of the form that the system's ids have."""
    number = text if system is System.WOOCOMMERCE else text.partition("x")[2]
    return number.isascii() and number.isdigit()


GONE = (
    "It names {system} {id}, which was deleted there or is in the trash: restore it, or clear that "
    "id here to have a new one made."
)


def deleted_twin(system: System, record_id: str) -> Skip:
    """Why nothing is made of a record that carries the id of one that is gone: it had a pair."""
    return Skip("delete_ignored", GONE.format(system=system.label, id=record_id))
