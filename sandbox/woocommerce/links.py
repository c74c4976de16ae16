"""The `_links` of rendered objects, which follow the address the shop is reached under."""

from typing import Any, Final

ALL_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def item_links(self_url: str, collection_url: str, allow: tuple[str, ...] | None) -> dict[str, Any]:
    """`self` and `collection`; without `allow` there are no target hints (a deleted object)."""
    hints = {} if allow is None else {"targetHints": {"allow": list(allow)}}
    return {"self": [{"href": self_url, **hints}], "collection": [{"href": collection_url}]}


def rebase_links(links: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The same links under another base: what stands before `/wp-json/` is replaced."""
    return {
        relation: [{**item, "href": _rebased(item["href"], base_url)} for item in items]
        for relation, items in links.items()
    }


def _rebased(href: str, base_url: str) -> str:
    before, marker, rest = href.partition("/wp-json/")
    return f"{base_url}{marker}{rest}" if marker else before
