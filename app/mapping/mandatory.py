"""Fields without which a system takes no record: some row has to bring each of them."""

from collections.abc import Iterator

from app.errors import System
from app.mapping.rule_checks import RuleFault, Scene, writes

SUPPLIED = frozenset({"assigned_user_id", "invoicestatus", "productid"})
"""Mandatory fields that the sync fills without any row."""


def lacking_sources(scene: Scene, *, writes_woo: bool, writes_vtiger: bool) -> list[RuleFault]:
    """Fields without which a system takes no record, and that no row brings."""
    return [
        *(_lacking_vtiger(scene) if writes_vtiger else ()),
        *(_lacking_woo(scene) if writes_woo else ()),
    ]


def _lacking_vtiger(scene: Scene) -> Iterator[RuleFault]:
    brought = {rule.vtiger for rule in scene.rules if writes(rule, System.VTIGER)}
    for field in scene.shape.fields if scene.shape else ():
        if field.mandatory and field.name not in brought | SUPPLIED:
            default = next((r.name for r in scene.rules if r.vtiger == field.name), "")
            mend = f"let row {default} write it" if default else "map it, or give it a constant"
            told = f"Vtiger takes no record without {field.label} ({field.name}): {mend}."
            yield RuleFault(default, "direction" if default else "", told)


def _lacking_woo(scene: Scene) -> Iterator[RuleFault]:
    for rule in scene.rules:
        demanded = System.WOOCOMMERCE in rule.required and not rule.custom
        if demanded and not any(
            writes(other, System.WOOCOMMERCE) and rule.woo[0] in other.woo for other in scene.rules
        ):
            told = (
                f"WooCommerce takes no record without {rule.woo[0]}: let row {rule.name} write it."
            )
            yield RuleFault(rule.name, "direction", told)
