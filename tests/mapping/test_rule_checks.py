"""Which rows of users can work, against what Vtiger's modules really describe."""

import pytest

from app.domain import Module
from app.mapping.rules import FieldRule
from app.modules.context import rules_with
from app.modules.default_mappings import DEFAULT_RULES
from app.modules.mapping_checks import Scene, check_rule, check_table, lacking_sources
from app.policies.repository import MappingRow
from app.vtiger.schemas import VtigerModule
from tests.mapping.records import recorded

NAMES = {
    Module.CONTACTS: "Contacts",
    Module.PRODUCTS: "Products",
    Module.SALES_ORDERS: "SalesOrder",
}


def shape(module: Module) -> VtigerModule:
    answer = recorded(f"vtiger/03-describe-{NAMES[module]}.json")
    return VtigerModule.parse(answer["result"])


def faults(module: Module, **row: object) -> list[str]:
    """The parts to mend of one row beside the defaults."""
    rules = rules_with(module, [MappingRow.model_validate({"id": "own", **row})])
    scene = Scene(module, rules, shape(module))
    own = next(rule for rule in rules if rule.name == "own")
    return [fault.field for fault in check_rule(own, scene)]


@pytest.mark.parametrize("module", NAMES)
def test_the_defaults_can_work_and_leave_nothing_out(module: Module) -> None:
    scene = Scene(module, DEFAULT_RULES[module], shape(module))
    assert check_table(scene) == []
    assert lacking_sources(scene, writes_woo=True, writes_vtiger=True) == []


@pytest.mark.parametrize(
    ("module", "row"),
    [
        (Module.CONTACTS, {"woo": "billing.phone", "vtiger": "homephone",
                           "direction": "woo_to_vtiger"}),
        (Module.CONTACTS, {"woo": "meta:birthday", "vtiger": "birthday", "transform": "date"}),
        (Module.CONTACTS, {"woo": "meta:optout", "vtiger": "emailoptout", "transform": "boolean"}),
        (Module.CONTACTS, {"woo": "role", "vtiger": "department"}),
        (Module.PRODUCTS, {"woo": "sale_price", "vtiger": "purchase_cost",
                           "transform": "decimal"}),
        (Module.PRODUCTS, {"woo": "low_stock_amount", "vtiger": "reorderlevel",
                           "transform": "integer"}),
        (Module.PRODUCTS, {"woo": "tags", "vtiger": "productsheet"}),
        (Module.PRODUCTS, {"woo": "meta:_brand", "vtiger": "manufacturer"}),
        (Module.SALES_ORDERS, {"woo": "coupon_lines", "vtiger": "pending"}),
        (Module.SALES_ORDERS, {"woo": "date_paid_gmt", "vtiger": "duedate", "transform": "date"}),
        (Module.SALES_ORDERS, {"vtiger": "carrier", "transform": "constant", "value": "DHL"}),
    ],
)  # fmt: skip
def test_rows_that_users_need_pass(module: Module, row: dict[str, object]) -> None:
    assert faults(module, **row) == []


@pytest.mark.parametrize(
    ("module", "vtiger"),
    [
        *((Module.PRODUCTS, name) for name in ("tax1", "currency1", "taxclass", "product_no")),
        *(
            (Module.SALES_ORDERS, name)
            for name in (
                "hdnGrandTotal", "txtAdjustment", "hdnTaxType", "tax2", "quantity", "listprice",
                "productid", "vtiger_purchaseorder", "invoicestatus", "conversion_rate",
                "shipping_&_handling", "currency_id", "account_id", "enable_recurring",
            )
        ),
    ],
)  # fmt: skip
def test_what_the_sync_keeps_itself_is_refused(module: Module, vtiger: str) -> None:
    for transform in ("text", "decimal", "boolean"):
        assert faults(module, woo="meta:own", vtiger=vtiger, transform=transform)


@pytest.mark.parametrize(
    ("module", "woo"),
    [
        (Module.PRODUCTS, "tax_class"),
        (Module.PRODUCTS, "manage_stock"),
        (Module.PRODUCTS, "attributes"),
        (Module.SALES_ORDERS, "line_items"),
        (Module.SALES_ORDERS, "attribute:Colour"),
        (Module.SALES_ORDERS, "date_modified_gmt"),
        (Module.CONTACTS, "password"),
    ],
)
def test_what_is_not_for_rows_in_the_shop_is_refused(module: Module, woo: str) -> None:
    assert faults(module, woo=woo, vtiger="description", direction="woo_to_vtiger")[0] == "woo"


@pytest.mark.parametrize(
    ("woo", "transform", "part"),
    [
        ("featured", "text", "transform"),
        ("menu_order", "decimal", "transform"),
        ("weight", "text", "transform"),
        ("attribute:Colour", "text", "direction"),
        ("permalink", "text", "direction"),
    ],
)
def test_a_transform_suits_the_type_it_writes(woo: str, transform: str, part: str) -> None:
    row = {"woo": woo, "vtiger": "serial_no", "transform": transform, "direction": "both"}
    assert faults(Module.PRODUCTS, **row) == [part]


def test_a_default_row_goes_no_way_that_is_not_known() -> None:
    rules = rules_with(
        Module.PRODUCTS,
        [
            MappingRow.model_validate({"id": "description", "direction": "both"}),
            MappingRow.model_validate({"id": "name", "transform": "integer"}),
        ],
    )
    found = check_table(Scene(Module.PRODUCTS, rules, shape(Module.PRODUCTS)))
    assert [(fault.row, fault.field) for fault in found] == [
        ("name", "transform"), ("description", "direction"),
    ]  # fmt: skip


def test_a_default_address_row_may_hold_codes() -> None:
    codes = MappingRow.model_validate({"id": "mailing_country", "transform": "text"})
    rules = rules_with(Module.CONTACTS, [codes])
    assert check_table(Scene(Module.CONTACTS, rules, shape(Module.CONTACTS))) == []
    country = next(rule for rule in rules if rule.name == "mailing_country")
    assert isinstance(country, FieldRule)
    assert (country.transform, country.mark == "") == ("text", False)


def test_a_default_row_comes_back_only_where_no_row_has_taken_its_field() -> None:
    own = MappingRow(id="own", woo=("meta:whatsapp",), vtiger="mobile")
    off = MappingRow.model_validate({"id": "mobile", "direction": "off"})
    described = shape(Module.CONTACTS)
    taken = Scene(Module.CONTACTS, rules_with(Module.CONTACTS, [own, off]), described)
    assert check_table(taken) == []
    [fault] = check_table(Scene(Module.CONTACTS, rules_with(Module.CONTACTS, [own]), described))
    assert (fault.row, "default row mobile" in fault.message) == ("own", True)
