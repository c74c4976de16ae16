"""The default rows of all modules, and which transforms users may exchange in them."""

from collections.abc import Mapping

from app.mapping.registry import MAPPINGS
from app.mapping.rules import FieldRule
from app.records import Module

DEFAULT_RULES: Mapping[Module, tuple[FieldRule, ...]] = {
    module: mapping.rules for module, mapping in MAPPINGS.items()
}

TRANSFORMABLE = frozenset({"text", "phone", "country", "state"})
"""Default transforms that another may stand in for, but for the fixed rows of a module."""


def find_default(module: Module, name: str) -> FieldRule | None:
    return MAPPINGS[module].find_rule(name)
