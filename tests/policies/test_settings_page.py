"""The page on settings names every setting of every module, with its values and its default."""

import json
import re
from enum import Enum
from pathlib import Path

from app.domain import Module
from app.policies.repository import SyncPolicy, defaults_of, find_inapplicable, settings_of
from app.woocommerce.client import MAILS

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \|(.+)\|$", re.MULTILINE)


def rows() -> dict[str, str]:
    return {name: told for name, told in ROW.findall(PAGE) if name in SyncPolicy.model_fields}


def test_every_setting_is_on_the_page_with_its_values() -> None:
    told = rows()
    assert set(told) == set(SyncPolicy.model_fields)
    for name, text in told.items():
        default = getattr(SyncPolicy(), name)
        for choice in type(default) if isinstance(default, Enum) else ():
            assert f"`{choice}`" in text, (name, choice)


def test_every_default_is_told() -> None:
    for module in Module:
        for name in settings_of(module):
            default = defaults_of(module).model_dump(mode="json")[name]
            shown = default if isinstance(default, str) and default else json.dumps(default)
            last = rows()[name].rpartition("|")[2]
            assert f"`{shown}`" in last, (module, name)


def test_a_value_that_means_nothing_for_a_module_is_told_as_of_others() -> None:
    assert find_inapplicable(Module.CONTACTS, {"delete_policy": "deactivate"})
    assert "products and orders also `deactivate`" in rows()["delete_policy"]


def test_the_page_tells_what_is_mailed() -> None:
    assert "account has been created" in PAGE
    assert len(MAILS) == 7  # another one needs its row in the table of writes
