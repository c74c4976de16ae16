"""What a CRM holds, told so that two of them can be compared: without ids and times."""

from collections.abc import Iterator, Mapping

from tests.acceptance.ledger import Row, number
from tests.world import World


def snapshot(world: World) -> dict[str, object]:
    """What the CRM holds, without the ids and times that another order of events changes."""
    crm = world.sandbox.crm
    names = {row["id"]: row["accountname"] for row in crm.records("Accounts")}
    people = {row["id"]: row["email"].casefold() for row in crm.records("Contacts")}
    goods = {row["id"]: _product_name(row) for row in crm.records("Products")}
    taxes = {row.values["taxname"]: row.values["percentage"] for row in crm.database.live("Tax")}
    return {
        "taxes": sorted(
            (row.values["taxlabel"], row.values["percentage"]) for row in crm.database.live("Tax")
        ),
        "contacts": {
            row["email"].casefold(): {
                "account": names.get(row["account_id"]),
                **_texts(row, "firstname", "lastname", "phone", "mobile", "mailing", "other"),
            }
            for row in crm.records("Contacts")
        },
        "products": {
            _product_name(row): {
                **_texts(row, "unit_price", "qtyinstock", "discontinued", "description"),
                "taxes": sorted(rate for name, rate in _carried(row, taxes)),
            }
            for row in crm.records("Products")
        },
        "orders": {
            row["vtiger_purchaseorder"]: {
                "account": names[row["account_id"]],
                "contact": people.get(row["contact_id"]),
                **_texts(row, "subject", "sostatus", "bill_", "ship_", "description", "hdn"),
                "lines": [_line(line, goods, taxes) for line in row["LineItems"]],
            }
            for row in crm.records("SalesOrder")
        },
    }


def _product_name(row: Row) -> str:
    return f"{row['productname']} {row['productcode']}"


def _texts(row: Row, *prefixes: str) -> dict[str, str]:
    return {name: value for name, value in row.items() if name.startswith(prefixes)}


def _carried(row: Row, taxes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((name, row[name]) for name in taxes if number(row.get(name)))


def _line(line: Row, goods: Mapping[str, str], taxes: Mapping[str, str]) -> tuple[object, ...]:
    shown = (line["quantity"], line["listprice"], line["discount_amount"], line["comment"])
    rates = sorted(rate for _, rate in _carried(line, taxes))
    return (goods.get(line["productid"], "service"), *shown, *rates)
