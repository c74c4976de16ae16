"""What a shop does with its products and variations, whoever asks: REST, wp-admin or an order.

Each change is one synchronous step that fires the events of contract page WooCommerce §1.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.woocommerce.catalog import Catalog, Row, is_variation
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.metadata import load_meta, render_meta, write_meta
from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.phpnumber import whole_number
from sandbox.woocommerce.productrows import new_product, new_variation, touch
from sandbox.woocommerce.productwrites import (
    attribute_of,
    chosen_option,
    settle,
    sync_parent,
    write_fields,
    write_texts,
)
from sandbox.woocommerce.site import Sequence, Site
from sandbox.woocommerce.slugs import slug_of
from sandbox.woocommerce.wordpress import sanitize_text_field

Emit = Callable[[str, int], None]
Params = Mapping[str, Any]

_SLUGLESS: Final = ("draft", "pending", "auto-draft")
_TRASH_STATUS: Final = "_wp_trash_meta_status"
_TRASH_TIME: Final = "_wp_trash_meta_time"
_TRASH_SLUG: Final = "_wp_desired_post_slug"


class ProductBook:
    """The product operations of one shop; `gone` hears of ids about to be gone."""

    def __init__(
        self,
        site: Site,
        catalog: Catalog,
        *,
        tax_classes: Callable[[], list[str]],
        gone: Callable[[int], None],
        emit: Emit,
    ) -> None:
        self._site = site
        self._catalog = catalog
        self._tax_classes = tax_classes
        self._gone = gone
        self._emit = emit
        self.meta_ids = Sequence()
        # The attributes of the shop: id -> name and slug.
        self.attributes: dict[int, tuple[str, str]] = {}

    def get(self, product_id: int) -> Row:
        """The product or variation; raises woocommerce_rest_product_invalid_id (404)."""
        return self._catalog.variations.find(product_id) or self._catalog.products.get(product_id)

    def create(self, params: Params) -> Row:
        """A new product: product.created only."""
        row = new_product(0, scalar_text(params.get("type")) or "simple", self._site)
        write_texts(row, params, is_new=True)
        self._write(row, params)
        self._refuse_trashed_sku(row)
        row["id"] = self._catalog.products.new_id()
        self._catalog.products.load([row])
        return self._added(row)

    def create_variation(self, parent_id: int, params: Params) -> Row:
        """A new variation: product.created with its own id, none for the parent."""
        parent = self._catalog.products.get(parent_id)
        row = new_variation(0, parent_id, self._site)
        write_texts(row, params, is_new=True)
        self._write_options(row, params, parent)
        self._write(row, params)
        self._refuse_trashed_sku(row)
        row["id"] = self._catalog.variations.new_id()
        self._catalog.variations.load([row])
        self._sync(parent_id)
        return self._added(row)

    def _added(self, row: Row) -> Row:
        self._emit("product.created", row["id"])
        return self._catalog.find(row["id"]) or row

    def update(self, product_id: int, params: Params) -> Row:
        """Any write bumps date_modified and fires product.updated, an empty one too."""
        row = self.get(product_id)
        draft = dict(row)
        write_texts(draft, params, is_new=False)
        if is_variation(row):
            self._write_options(draft, params, self._catalog.parent(row))
        self._write(draft, params)
        if row["status"] == "trash" != draft["status"]:
            self._reclaim_slug(draft)
        row |= draft
        self.save(row)
        return row

    def save(self, row: Row) -> None:
        """Store a changed product: its dates, its parent and product.updated follow."""
        settle(row)
        touch(row, self._site.now(), self._site)
        if is_variation(row):
            self._sync(row["parent_id"])
        self._emit("product.updated", row["id"])

    def _write(self, row: Row, params: Params) -> None:
        write_fields(row, params, tax_classes=self._tax_classes())
        if params.get("sku") is not None:
            self._write_sku(row, sanitize_text_field(scalar_text(params["sku"])))
        if params.get("type") is not None and not is_variation(row):
            row["type"] = scalar_text(params["type"])
        if params.get("attributes") is not None and not is_variation(row):
            entries = map(attribute_of, params["attributes"])
            row["attributes"] = [self._named(attribute) for attribute in entries]
        meta = load_meta(row["meta_data"])
        write_meta(meta, params.get("meta_data"), self.meta_ids)
        row["meta_data"] = render_meta(meta)
        self._write_slug(row, scalar_text(params.get("slug")))
        settle(row)

    def _named(self, attribute: dict[str, Any]) -> dict[str, Any]:
        """An attribute of the shop has a name of its own, and its terms are sorted."""
        known = self.attributes.get(attribute["id"])
        if known is None:
            return attribute
        options = sorted(attribute["options"], key=str.casefold)
        return {**attribute, "name": known[0], "slug": known[1], "options": options}

    def _write_options(self, row: Row, params: Params, parent: Row) -> None:
        if params.get("attributes") is None:
            return
        chosen = (chosen_option(entry, parent) for entry in params["attributes"])
        row["attributes"] = [option for option in chosen if option is not None]
        row["name"] = ", ".join(option["option"] for option in row["attributes"])

    def _write_sku(self, row: Row, sku: str) -> None:
        holder = self._catalog.find_by_sku(sku) if sku else None
        if holder is not None and holder["id"] != row["id"]:
            raise RestError(
                "product_invalid_sku",
                "Invalid or duplicated SKU.",
                400,
                resource_id=holder["id"],
                unique_sku=self._free_sku(sku),
            )
        row["sku"] = sku

    def _free_sku(self, sku: str) -> str:
        candidates = (f"{sku}-{number}" for number in itertools.count(1))
        return next(name for name in candidates if self._catalog.find_by_sku(name) is None)

    def _refuse_trashed_sku(self, row: Row) -> None:
        if row["sku"] and self._catalog.find_trashed_by_sku(row["sku"]):
            message = (
                f"The product with SKU ({row['sku']}) you are trying to insert "
                "is already present in the lookup table"
            )
            raise RestError("woocommerce_rest_product_not_created", message, 400)

    def _write_slug(self, row: Row, wanted: str) -> None:
        if is_variation(row) or (row["slug"] and not wanted):
            return
        if wanted or row["status"] not in _SLUGLESS:
            row["slug"] = self._free_slug(slug_of(wanted or row["name"]), row["id"])

    def _free_slug(self, slug: str, product_id: int) -> str:
        taken = {row["slug"] for row in self._catalog.products if row["id"] != product_id}
        candidates = itertools.chain([slug], (f"{slug}-{n}" for n in itertools.count(2)))
        return next(name for name in candidates if name not in taken)

    def _sync(self, parent_id: int) -> None:
        parent = self._catalog.products.find(parent_id)
        if parent is not None:
            sync_parent(parent, self._catalog.children(parent_id))
            touch(parent, self._site.now(), self._site)

    def trash(self, product_id: int) -> Row:
        """Into the trash: product.deleted. Raises woocommerce_rest_already_trashed (410)."""
        row = self.get(product_id)
        if row["status"] == "trash":
            message = "The product has already been deleted."
            raise RestError("woocommerce_rest_already_trashed", message, 410)
        now = self._site.now()
        time = str(int(now.timestamp()))
        self._set_meta(row, {_TRASH_STATUS: row["status"], _TRASH_TIME: time})
        if not is_variation(row):
            self._set_meta(row, {_TRASH_SLUG: row["slug"]})
            row["slug"] = self._free_slug(f"{row['slug']}__trashed", row["id"])
        row["status"] = "trash"
        touch(row, now, self._site)
        self._emit("product.deleted", product_id)
        return row

    def restore(self, product_id: int) -> Row:
        """wp-admin's Restore: product.updated, then product.restored."""
        row = self.get(product_id)
        meta = {entry["key"]: entry["value"] for entry in row["meta_data"]}
        row["status"] = meta.get(_TRASH_STATUS) or "draft"
        self._reclaim_slug(row)
        self._set_meta(row, dict.fromkeys((_TRASH_STATUS, _TRASH_TIME)))
        self.save(row)
        self._emit("product.restored", product_id)
        return row

    def _reclaim_slug(self, row: Row) -> None:
        meta = {entry["key"]: entry["value"] for entry in row["meta_data"]}
        if meta.get(_TRASH_SLUG):
            row["slug"] = meta[_TRASH_SLUG]
            self._set_meta(row, {_TRASH_SLUG: None})

    def _set_meta(self, row: Row, values: Mapping[str, Any]) -> None:
        meta = load_meta(row["meta_data"])
        entries = [{"key": key, "value": value} for key, value in values.items()]
        write_meta(meta, entries, self.meta_ids)
        row["meta_data"] = render_meta(meta)

    def delete(self, product_id: int) -> Row:
        """Gone for good: no product event, only the action topics of the hooks."""
        row = self.get(product_id)
        kind = "product_variation" if is_variation(row) else "product"
        self._emit(f"action.woocommerce_before_delete_{kind}", product_id)
        for child in self._catalog.children(product_id):
            self._remove(child)
        self._remove(row)
        if is_variation(row):
            self._sync(row["parent_id"])
        self._emit(f"action.woocommerce_delete_{kind}", product_id)
        return row

    def _remove(self, row: Row) -> None:
        self._gone(row["id"])
        table = self._catalog.variations if is_variation(row) else self._catalog.products
        table.remove(row["id"])

    def take_over(self) -> None:
        """Learn the ids and the attributes of the shop from a loaded catalogue."""
        for row in self._catalog:
            for entry in row["meta_data"]:
                self.meta_ids.skip(whole_number(entry["id"]))
            for attribute in row["attributes"]:
                if attribute["id"]:
                    self.attributes[attribute["id"]] = attribute["name"], attribute["slug"]
