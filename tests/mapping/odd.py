"""Recorded bodies with one part gone odd, as PHP and plug-ins make them."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

Path_ = tuple[str | int, ...]


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Every place in a JSON value but its own."""
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, Mapping):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def held(value: Any, path: Path_) -> Any:
    for key in path:
        value = value[key]
    return value


def with_gap(rows: list[Any]) -> dict[str, Any]:
    """A list as PHP sends it that had a row before its first one taken out."""
    return {str(index + 1): row for index, row in enumerate(rows)}


ODD: dict[str, Any] = {
    "null": lambda _: None,
    "empty list": lambda _: [],
    "empty object": lambda _: {},
    "text": lambda _: "odd",
    "comma": lambda _: "24,00",
    "huge": lambda _: "1e999",
    "infinity": lambda _: "Infinity",
    "infinite number": lambda _: float("inf"),
    "minus nothing": lambda _: "-0",
    "over 63 bits": lambda _: 2**63,
    "long number": lambda _: 10**80,
    "first day": lambda _: "0001-01-01T00:00:00",
    "last day": lambda _: "9999-12-31T23:59:59+14:00",
    "after the last year": lambda _: "10000-01-01T00:00:00",
    "deep": lambda _: nested(900),
    "digits": lambda _: "9" * 80,
    "number": lambda _: 17.25,
    "nan": lambda _: float("nan"),
    "true": lambda _: True,
    "false": lambda _: False,
    "row": lambda _: [None],
    "object": lambda _: {"a": {"b": []}},
    "gap": lambda value: with_gap(value) if isinstance(value, list) else {"1": value},
    "null before": lambda value: [None, *value] if isinstance(value, list) else [value],
    "empty row after": lambda value: [*value, []] if isinstance(value, list) else [value, []],
}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@st.composite
def odd_bodies(
    draw: st.DrawFn, bodies: list[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any], Path_, str]:
    """A body as recorded, the same with one part gone odd or missing, where, and how."""
    whole = draw(st.sampled_from(bodies))
    path = draw(st.sampled_from([path for path in places(whole) if path[0] != "id"]))
    how = draw(st.sampled_from([*ODD, "missing"]))
    odd = copy.deepcopy(whole)
    parent = held(odd, path[:-1])
    if how == "missing":
        del parent[path[-1]]
    else:
        parent[path[-1]] = ODD[how](parent[path[-1]])
    return whole, odd, path, how
