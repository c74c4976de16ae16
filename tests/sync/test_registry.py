"""Every module is in every registry, and what these say of it fits together."""

import pytest

from app.domain import Module
from app.module_facts import FACTS, IN_ORDER, OF_VTIGER
from app.modules.default_mappings import MAPPINGS
from app.modules.registry import SPECS
from app.policies.repository import SyncPolicy, settings_of


@pytest.mark.parametrize("module", Module)
def test_a_module_is_complete(module: Module) -> None:
    facts, spec = FACTS[module], SPECS[module]
    assert MAPPINGS[module].rules
    assert set(settings_of(module)) <= SyncPolicy.model_fields.keys()
    assert facts.setting_defaults.keys() | facts.meaningless.keys() <= set(settings_of(module))
    rows = (facts.takes_rows, facts.woo_collection is not None, spec.draft is not None)
    assert len(set(rows)) == 1, "rows of users need the shop's fields and a preview"


def test_names_are_of_one_module_each() -> None:
    assert len(OF_VTIGER) == len(Module)
    resources = [facts.woo_resource for facts in FACTS.values()]
    assert len(set(resources)) == len(resources)


def test_what_others_rest_on_comes_first() -> None:
    assert set(IN_ORDER) == set(Module)
    assert IN_ORDER[-1] is Module.SALES_ORDERS
    assert IN_ORDER.index(Module.TAXES) < IN_ORDER.index(Module.PRODUCTS)
