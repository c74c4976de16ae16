"""Field rules: which WooCommerce path and which Vtiger field carry the same value, and how."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from app.errors import System
from app.mapping.lenses import PLAIN, LensOptions, lens_of
from app.mapping.paths import META
from app.mapping.places import Places, shipped_places
from app.mapping.tabled_transforms import Constant
from app.mapping.transforms import PLACED, Text
from app.mapping.values import Value
from app.mapping.woo_fields import WooField
from app.records import Direction, WriteCondition


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One row of a mapping table.

    `woo` are the paths that the transform reads and writes, `vtiger` the field. `required` are
    the systems that refuse a record without the value. `given` is the name of the rule whose
    value the transform needs to understand this one (a state needs its country). `size` is the
    number of characters the Vtiger field keeps, where `limits` does not know it.

    `custom` rules are the users'; `shop` is the WooCommerce field of one, where it has a type.
    `mark` is empty for a rule as it comes; a rule that maps something else under the same name
    has another mark, and no base with the old one. `places` are the countries and states by
    which one of those transforms goes.
    """

    name: str
    woo: tuple[str, ...]
    vtiger: str
    direction: Direction = Direction.BOTH
    transform: str = "text"
    write: WriteCondition = WriteCondition.ALWAYS
    required: frozenset[System] = frozenset()
    given: str = ""
    size: int | None = None
    options: LensOptions = PLAIN
    shop: WooField | None = None
    custom: bool = False
    mark: str = ""
    places: Places = field(default_factory=shipped_places, compare=False, repr=False)

    @property
    def lens(self) -> Text:
        """The transform as this row has it."""
        placed = PLACED.get(self.transform)
        return placed(self.places) if placed else lens_of(self.transform, self.options)

    @property
    def is_place(self) -> bool:
        """Whether it goes by the shop's countries and states."""
        return self.transform in PLACED

    @property
    def is_meta(self) -> bool:
        return any(path.startswith(META) for path in self.woo)

    def constant(self, system: System) -> Value:
        """What this side always says, if it is the row's constant."""
        lens, has_field = self.lens, self.woo if system is System.WOOCOMMERCE else self.vtiger
        return lens.value if isinstance(lens, Constant) and not has_field else None

    def canonical(self, value: str | None) -> str | None:
        """`value` in the form in which it is compared; None stays None."""
        return None if value is None else self.lens.canonical(value)

    def same(self, left: str | None, right: str | None) -> bool:
        """Whether two neutral values are no difference; absent is not the same as empty."""
        return self.canonical(left) == self.canonical(right)


def effective_rules(
    defaults: Sequence[FieldRule], custom: Sequence[FieldRule]
) -> tuple[FieldRule, ...]:
    """The defaults, each replaced by the custom row of its name, then the other custom rows.

    A default is switched off by a custom row with direction `off`; it stays in the table, for a
    state may still need to read its country.
    """
    rows = {rule.name: rule for rule in defaults} | {rule.name: rule for rule in custom}
    return tuple(rows.values())


def givers_first(rules: Sequence[FieldRule]) -> list[FieldRule]:
    """The rules in an order in which a state finds its country read."""
    return sorted(rules, key=lambda rule: bool(rule.given))


def rules_at(rules: Sequence[FieldRule], places: Places) -> tuple[FieldRule, ...]:
    """The rules, by the countries and states of one shop."""
    return tuple(replace(rule, places=places) if rule.is_place else rule for rule in rules)
