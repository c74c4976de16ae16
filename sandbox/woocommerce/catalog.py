"""Products and variations together: by id, by SKU, and what an order wants to know of them."""

from collections.abc import Iterator
from typing import Any, Final

from sandbox.woocommerce.objects import ObjectTable
from sandbox.woocommerce.phpnumber import number, whole_number

Row = dict[str, Any]

PARENT_CLASS: Final = "parent"


class Catalog:
    """The two tables of one shop; rows are REST objects with texts as context=edit shows them."""

    def __init__(self, products: ObjectTable, variations: ObjectTable) -> None:
        self.products = products
        self.variations = variations

    def __iter__(self) -> Iterator[Row]:
        yield from self.products
        yield from self.variations

    def find(self, object_id: int) -> Row | None:
        """The product or variation of an id, trashed ones too."""
        return self.products.find(object_id) or self.variations.find(object_id)

    def find_by_sku(self, sku: str) -> Row | None:
        """Whoever holds the SKU and is not in the trash; case does not count."""
        wanted = sku.lower()
        for row in self:
            if row["sku"].lower() == wanted and row["status"] != "trash":
                return row
        return None

    def find_trashed_by_sku(self, sku: str) -> Row | None:
        wanted = sku.lower()
        return next(
            (r for r in self if r["sku"].lower() == wanted and r["status"] == "trash"), None
        )

    def children(self, product_id: int) -> list[Row]:
        return [row for row in self.variations if row["parent_id"] == product_id]

    def parent(self, row: Row) -> Row:
        """The parent of a variation, the product itself otherwise."""
        return self.products.find(row["parent_id"]) or row if is_variation(row) else row

    def title(self, row: Row) -> str:
        """The full name, "T-shirt - Rouge, S" for a variation."""
        if not is_variation(row):
            return str(row["name"])
        parent = self.parent(row)
        options = ", ".join(item["option"] for item in row["attributes"])
        return f"{parent['name']} - {options}" if options else str(parent["name"])

    def shown_sku(self, row: Row) -> str:
        """A variation without a SKU shows its parent's."""
        return str(row["sku"] or self.parent(row)["sku"])

    def shown_stock(self, row: Row) -> Row:
        """What a variation shows of a stock that its parent manages."""
        holder = self.stock_holder(row)
        if holder is None or holder is row:
            return {}
        return {"manage_stock": "parent", "stock_quantity": holder["stock_quantity"]}

    def tax_class(self, row: Row) -> str:
        own = str(row["tax_class"])
        return str(self.parent(row)["tax_class"]) if own == PARENT_CLASS else own

    def stock_holder(self, row: Row) -> Row | None:
        """The row whose stock a sale takes from; None where stock is not managed."""
        if row["manage_stock"] is True:
            return row
        parent = self.parent(row)
        return parent if parent is not row and parent["manage_stock"] is True else None


def is_variation(row: Row) -> bool:
    """Plug-ins name theirs after what they sell, such as `subscription_variation`."""
    return str(row["type"]).endswith("variation")


def is_variable(row: Row) -> bool:
    return str(row["type"]).startswith("variable")


def is_taxable(row: Row | None) -> bool:
    """A line without a product is taxable too."""
    return row is None or bool(row["tax_status"] == "taxable")


def unit_price(row: Row) -> float | None:
    """The price in force; None for a product that has none and is not for sale."""
    return number(row["price"]) if row["price"] != "" else None


def stock_of(row: Row) -> int:
    return whole_number(row["stock_quantity"] or 0)
