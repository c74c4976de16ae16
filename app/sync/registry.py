"""The modules that are synced, with all that the sync has to know of each.

To add one: its facts (`app/module_facts.py`), its mapping (`app/mapping/registry.py`), and a
`ModuleSpec` of its own here.
"""

from collections.abc import Mapping
from typing import Any

from app.records import Module
from app.sync import contact_spec, order_opening, product_spec, tax_spec
from app.sync.module_spec import ModuleSpec

SPECS: Mapping[Module, ModuleSpec[Any]] = {
    Module.TAXES: tax_spec.SPEC,
    Module.CONTACTS: contact_spec.SPEC,
    Module.PRODUCTS: product_spec.SPEC,
    Module.SALES_ORDERS: order_opening.SPEC,
}

IN_BULK = frozenset(module for module, spec in SPECS.items() if spec.begin_bulk)
"""The modules of which a run creates many records together."""
