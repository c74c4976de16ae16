"""Lists of post-like objects (products, orders, coupons): their filters and their order.

Contract page WooCommerce §2 (modified_after, with the trap of `Z` and dates_are_gmt together).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sandbox.woocommerce.paging import page_params
from sandbox.woocommerce.schema import Param, parse_date
from sandbox.woocommerce.site import Site

_DATE: Final = {"type": "string", "format": "date-time"}
_INTEGERS: Final = {"type": "array", "items": {"type": "integer"}}
_HIDDEN_STATUSES: Final = ("trash", "auto-draft")

Row = Mapping[str, Any]

POST_PARAMS: Final = {
    **page_params(
        orderby=["date", "id", "include", "title", "slug", "modified"], default="date", order="desc"
    ),
    "after": Param(_DATE),
    "before": Param(_DATE),
    "modified_after": Param(_DATE),
    "modified_before": Param(_DATE),
    "dates_are_gmt": Param({"type": "boolean"}, default=False),
    "parent": Param(_INTEGERS),
    "status": Param({"type": "array", "items": {"type": "string"}}, default=["any"]),
}


class PostQuery:
    """One list request's filters over rows, answered in its order."""

    def __init__(self, params: Mapping[str, Any], site: Site) -> None:
        self._params = params
        self._site = site

    def run(self, rows: Iterable[Row], *more: Callable[[Row], bool]) -> list[Row]:
        tests = (self._has_status, self._is_included, self._is_in_time, self._matches, *more)
        found = [row for row in rows if all(test(row) for test in tests)]
        found.sort(key=lambda row: row["id"])
        self._sort(found)
        return found

    def _has_status(self, row: Row) -> bool:
        wanted, status = self._params["status"], row.get("status")
        return status in wanted or ("any" in wanted and status not in _HIDDEN_STATUSES)

    def _is_included(self, row: Row) -> bool:
        included, excluded = self._params.get("include"), self._params.get("exclude") or []
        return (not included or row["id"] in included) and row["id"] not in excluded

    def _matches(self, row: Row) -> bool:
        text = (self._params.get("search") or "").casefold()
        names = ("name", "sku", "code", "number", "addresses")
        titles = [row.get(name) for name in names]
        return not text or any(text in str(title).casefold() for title in titles if title)

    def _is_in_time(self, row: Row) -> bool:
        return (
            self._after(row, "date_created", "after")
            and self._before(row, "date_created", "before")
            and self._after(row, "date_modified", "modified_after")
            and self._before(row, "date_modified", "modified_before")
        )

    def _after(self, row: Row, column: str, param: str) -> bool:
        bound = self._bound(param)
        return bound is None or self._moment(row, column) > bound

    def _before(self, row: Row, column: str, param: str) -> bool:
        bound = self._bound(param)
        return bound is None or self._moment(row, column) < bound

    def _bound(self, param: str) -> datetime | None:
        """The limit as WP_Date_Query reads it: a zone is turned into site time, even when the
        column to compare with is the GMT one."""
        text = self._params.get(param)
        moment = parse_date(text) if text else None
        if moment is None or moment.tzinfo is None:
            return moment
        return moment.astimezone(self._site.timezone).replace(tzinfo=None)

    def _moment(self, row: Row, column: str) -> datetime:
        name = f"{column}_gmt" if self._params["dates_are_gmt"] else column
        return parse_date(row.get(name) or "") or datetime.min  # noqa: DTZ901 - the column is naive

    def _sort(self, rows: list[Row]) -> None:
        orderby, included = self._params["orderby"], self._params.get("include") or []
        if orderby == "include":
            rows.sort(key=lambda row: included.index(row["id"]) if row["id"] in included else 0)
            return
        keys: dict[str, Callable[[Row], Any]] = {
            "date": lambda row: (row.get("date_created") or "", row["id"]),
            "modified": lambda row: row.get("date_modified") or "",
            "title": lambda row: str(row.get("name") or row.get("code") or "").casefold(),
            "slug": lambda row: row.get("slug") or "",
            "id": lambda row: row["id"],
        }
        rows.sort(key=keys[orderby], reverse=self._params["order"] == "desc")
