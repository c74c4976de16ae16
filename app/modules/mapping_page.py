"""docs/mapping.md, generated from the default tables.

python -m app.modules.mapping_page > docs/mapping.md"""

import sys

from app.domain import Direction, Module, WriteCondition
from app.mapping.rules import FieldRule
from app.modules.default_mappings import DEFAULT_RULES, HEAD, MAPPINGS, TAIL, TRANSFORM_NOTES
from app.modules.orders.statuses import DEFAULT

_ARROWS = {
    Direction.BOTH: "↔",
    Direction.WOO_TO_VTIGER: "→",
    Direction.VTIGER_TO_WOO: "←",
    Direction.OFF: "off",
}
_CONDITIONS = {
    WriteCondition.ALWAYS: "",
    WriteCondition.ON_CREATE: "on create",
    WriteCondition.IF_EMPTY: "if empty",
}
_TABLE = """| row | WooCommerce | | Vtiger (characters) | transform | written | notes |
|---|---|---|---|---|---|---|"""


def mapping_reference() -> str:
    """The whole page, as Markdown."""
    sections = [_section(module) for module in DEFAULT_RULES]
    return "\n\n".join([HEAD, *sections, _statuses(), _transforms(), TAIL]) + "\n"


def _section(module: Module) -> str:
    title = module.replace("_", " ").capitalize()
    rows = (_row(module, rule) for rule in DEFAULT_RULES[module])
    return "\n".join([f"## {title}", MAPPINGS[module].introduction, "", _TABLE, *rows])


def _row(module: Module, rule: FieldRule) -> str:
    size = rule.size or MAPPINGS[module].sizes.get(rule.vtiger)
    required = ", ".join(sorted(system.label for system in rule.required))
    written = [_CONDITIONS[rule.write], f"required by {required}" if required else ""]
    cells = (
        f"`{rule.name}`",
        ", ".join(f"`{path}`" for path in rule.woo),
        _ARROWS[rule.direction],
        f"`{rule.vtiger}`" + (f" ({size})" if size else ""),
        rule.transform,
        "; ".join(filter(None, written)),
        MAPPINGS[module].notes.get(rule.name, ""),
    )
    return f"| {' | '.join(cells)} |"


def _statuses() -> str:
    known = DEFAULT
    to_vtiger = (f"| `{woo}` | `{vtiger}` |" for woo, vtiger in known.to_vtiger.items())
    to_woo = (f"| `{vtiger}` | `{woo}` |" for vtiger, woo in known.to_woo.items())
    return "\n".join(
        [
            "### Order statuses",
            "The default table; a store can have [its own](order-statuses.md). A status that is "
            "not listed is not written to the other side. Vtiger's status is written to the shop "
            "only if the shop's own does not map to it already.",
            "",
            "| WooCommerce | → Vtiger |\n|---|---|",
            *to_vtiger,
            "",
            "| Vtiger | → WooCommerce |\n|---|---|",
            *to_woo,
        ]
    )


def _transforms() -> str:
    used = {rule.transform for rules in DEFAULT_RULES.values() for rule in rules}
    rows = (f"| {name} | {TRANSFORM_NOTES[name]} |" for name in sorted(used))
    return "\n".join(["## Transforms of these rows", "", "| name | does |\n|---|---|", *rows])


if __name__ == "__main__":
    sys.stdout.write(mapping_reference())
