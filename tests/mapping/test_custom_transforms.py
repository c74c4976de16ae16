"""The laws of the transforms that users choose for rows of their own, and what each understands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import System
from app.mapping.paths import listed
from app.mapping.transforms import NOTATIONS, OFFERED, PLAIN, Text, TransformOptions, find_transform
from app.mapping.values import Value

PAIRS = (("gold", "Gold member"), ("golden", "Gold member"), ("basic", "Member"))
WORDS = st.sampled_from(["gold", "golden", "basic", "Gold member", "Member", "platinum", ""])
DIGITS = st.decimals(-99999, 99999, places=2).map(str)
NUMBERS = st.one_of(DIGITS, st.integers(-999, 999).map(str), st.sampled_from(["1.50", "0.00", ""]))
BOOLEANS = st.sampled_from(["yes", "No", "TRUE", "false", "1", "0", "on", "off", ""])
DAYS = st.dates().map(lambda day: day.isoformat()) | st.sampled_from(
    ["20260131", "2026/01/31", "2026-01-31T23:59:59", "0000-00-00", "", "31.01.2026"]
)
MOMENTS = st.datetimes().map(lambda at: at.isoformat()) | st.sampled_from(
    ["2026-01-31 10:00:00", "2026-01-31T10:00:00+02:00", "1735689600", "2026-01-31", "", "now"]
)
LISTS = st.lists(st.sampled_from(["Wine", "Cheese", "gold", "basic"]), max_size=3)
MANY = LISTS.map(", ".join) | LISTS.map(listed) | LISTS.map(" |##| ".join)
ANY = st.text(max_size=10)

LENSES: dict[str, tuple[Text, st.SearchStrategy[str]]] = {
    "decimal": (find_transform("decimal", PLAIN), NUMBERS | ANY),
    "integer": (find_transform("integer", PLAIN), NUMBERS | ANY),
    "date": (find_transform("date", PLAIN), DAYS | ANY),
    "datetime": (find_transform("datetime", PLAIN), MOMENTS | ANY),
    "picklist": (find_transform("picklist", TransformOptions(pairs=PAIRS)), WORDS | ANY),
    "multi": (find_transform("multi_picklist", PLAIN), MANY),
    "multi by table": (
        find_transform("multi_picklist", TransformOptions(PAIRS, separator="")),
        MANY,
    ),
    "constant": (find_transform("constant", TransformOptions(value="Shop")), ANY),
} | {
    f"boolean {notation}": (
        find_transform("boolean", TransformOptions(notation=notation)),
        BOOLEANS | ANY,
    )
    for notation in NOTATIONS
}
NAMES = st.sampled_from(sorted(LENSES))


def after_write(current: Value, written: tuple[Value, ...]) -> Value:
    return current if written[0] is None else written[0]


@given(NAMES, st.data())
def test_get_put_in_woocommerce(name: str, data: st.DataObject) -> None:
    """What was read, written back, leaves the shop alone."""
    transform_pair, texts = LENSES[name]
    current = data.draw(texts)
    value = transform_pair.read_woo([current], "")
    assert value is not None
    assert transform_pair.write_woo(value, [current], "") == (None,)


@given(NAMES, st.data())
def test_put_get_in_woocommerce(name: str, data: st.DataObject) -> None:
    """What was written is what is read, in whatever notation the shop had before."""
    transform_pair, texts = LENSES[name]
    value, held = transform_pair.read(data.draw(texts), ""), data.draw(texts | st.none())
    if transform_pair.fault(value, System.WOOCOMMERCE):
        return
    found = transform_pair.read_woo(
        [after_write(held, transform_pair.write_woo(value, [held], ""))], ""
    )
    assert found is not None
    assert transform_pair.canonical(found) == transform_pair.canonical(value)


@given(NAMES, st.data())
def test_put_get_in_vtiger(name: str, data: st.DataObject) -> None:
    transform_pair, texts = LENSES[name]
    value = transform_pair.read(data.draw(texts), "")
    if transform_pair.fault(value, System.VTIGER):
        return
    found = transform_pair.read_vtiger(transform_pair.vtiger_text(value, "", size=None), "")
    assert transform_pair.canonical(found) == transform_pair.canonical(value)


@given(NAMES, st.data())
def test_get_put_in_vtiger(name: str, data: st.DataObject) -> None:
    """What was read from Vtiger and goes back there says the same to the next reader."""
    transform_pair, texts = LENSES[name]
    value = transform_pair.read_vtiger(data.draw(texts), "")
    if transform_pair.fault(value, System.VTIGER):
        return
    again = transform_pair.read_vtiger(transform_pair.vtiger_text(value, "", size=None), "")
    assert transform_pair.canonical(again) == transform_pair.canonical(value)


@given(NAMES, st.data())
def test_neutral_and_canonical_forms_are_their_own(name: str, data: st.DataObject) -> None:
    transform_pair, texts = LENSES[name]
    text = data.draw(texts)
    value = transform_pair.read(text, "")
    assert transform_pair.read(value, "") == value
    assert transform_pair.canonical(transform_pair.canonical(text)) == transform_pair.canonical(
        text
    )


@pytest.mark.parametrize("name", sorted(OFFERED))
def test_every_offered_transform_exists_and_is_explained(name: str) -> None:
    assert find_transform(name, PLAIN)
    assert OFFERED[name].endswith(".")


@pytest.mark.parametrize(
    ("name", "shop", "crm"),
    [
        ("decimal", "12.5", "12.5"),
        ("decimal", "", "0"),
        ("boolean yes/no", "yes", "1"),
        ("boolean yes/no", "", "0"),
        ("date", "20240229", "2024-02-29"),
        ("date", "2024-02-29T10:00:00", "2024-02-29"),
        ("datetime", "2026-01-31T10:00:00+02:00", "2026-01-31 08:00:00"),
        ("datetime", "1735689600", "2025-01-01 00:00:00"),
        ("picklist", "gold", "Gold member"),
        ("multi", "Wine, Cheese", "Wine |##| Cheese"),
        ("multi by table", "|##| gold |##| basic", "Gold member |##| Member"),
    ],
)
def test_what_the_shop_says_is_written_as_vtiger_says_it(name: str, shop: str, crm: str) -> None:
    transform_pair = LENSES[name][0]
    value = transform_pair.read_woo([shop], "") or ""
    assert transform_pair.fault(value, System.VTIGER) == ""
    assert transform_pair.vtiger_text(value, "", size=None) == crm


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("decimal", "12,5"),
        ("decimal", "1e3"),
        ("integer", "1.5"),
        ("boolean yes/no", "maybe"),
        ("date", "31.01.2026"),
        ("date", "2026-02-30"),
        ("datetime", "tomorrow"),
        ("picklist", "platinum"),
        ("multi by table", "gold |##| platinum"),
    ],
)
def test_what_is_of_another_type_is_not_written(name: str, text: str) -> None:
    transform_pair = LENSES[name][0]
    assert transform_pair.fault(transform_pair.read(text, ""), System.VTIGER)


def test_a_word_with_the_separator_is_not_written_as_text() -> None:
    transform_pair = LENSES["multi"][0]
    value = transform_pair.read_vtiger("Wine, red |##| Cheese", "")
    assert transform_pair.fault(value, System.WOOCOMMERCE)
    assert not transform_pair.fault(value, System.VTIGER)


def test_zero_no_and_empty_are_the_same_so_that_nobodys_value_fills_the_other_side() -> None:
    for name in ("decimal", "integer", "boolean yes/no"):
        transform_pair = LENSES[name][0]
        assert transform_pair.canonical("0") == transform_pair.canonical("") == ""
