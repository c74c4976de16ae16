"""Mappings as YAML files: the same rows in the same words, read back as they were."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import Direction, InvalidInput, Module, WriteCondition
from app.policies.repository import MappingRow
from app.sync.mappings.files import HEADER, Rows, mapping_text, read_mapping_text

WORDS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff"),
    max_size=20,
)
PATHS = st.sampled_from(["meta:level", "billing.phone", "meta:no", "attribute:Größe", "meta:a: b"])
PAIRS = st.dictionaries(WORDS, WORDS, max_size=3).map(lambda pairs: tuple(pairs.items()))


@st.composite
def rows(draw: st.DrawFn) -> MappingRow:
    return MappingRow(
        id=draw(st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)),
        woo=tuple(draw(st.lists(PATHS, max_size=2))),
        vtiger=draw(st.sampled_from(["", "cf_861", "shipping_&_handling"])),
        direction=draw(st.none() | st.sampled_from(Direction)),
        transform=draw(st.none() | st.sampled_from(["text", "picklist", "no"])),
        write=draw(st.none() | st.sampled_from(WriteCondition)),
        size=draw(st.none() | st.integers(1, 300)),
        pairs=draw(PAIRS),
        value=draw(WORDS),
        notation=draw(st.sampled_from(["yes/no", "1/0"])),
        separator=draw(st.sampled_from([",", "", "|", "; "])),
        comment=draw(WORDS),
    )


PLACES = st.tuples(st.sampled_from(["main", "no", "shop-fr", "1"]), st.sampled_from(Module))


@settings(deadline=None)
@given(st.dictionaries(PLACES, st.lists(rows(), max_size=3), max_size=3))
def test_what_is_written_is_what_is_read(wanted: Rows) -> None:
    text = mapping_text(wanted)
    assert read_mapping_text(text) == wanted
    assert mapping_text(read_mapping_text(text)).splitlines()[0] == HEADER.splitlines()[0]


def test_a_file_reads_like_what_it_says() -> None:
    level = MappingRow(
        id="level",
        woo=("meta:level",),
        vtiger="cf_861",
        transform="picklist",
        pairs=(("gold", "Gold member"), ("no", "None")),
        comment="Of the loyalty plugin.",
    )
    mobile = MappingRow(id="mobile", direction=Direction.OFF)
    found = mapping_text(
        {("main", Module.CONTACTS): [level, mobile], ("main", Module.PRODUCTS): []}
    )
    assert found == HEADER + (
        "mappings:\n"
        "  main:\n"
        "    contacts:\n"
        "      - id: level\n"
        "        woo: meta:level\n"
        "        vtiger: cf_861\n"
        "        transform: picklist\n"
        "        pairs:\n"
        "          gold: Gold member\n"
        "          'no': None\n"
        "        comment: Of the loyalty plugin.\n"
        "      # default row: shipping.phone and mobile\n"
        "      - id: mobile\n"
        "        direction: 'off'\n"
        "    products: []\n"
    )


def test_words_that_yaml_takes_for_something_else_mean_what_they_look_like() -> None:
    text = "mappings:\n  main:\n    contacts:\n      - {id: mobile, direction: off}\n"
    found = read_mapping_text(text)
    assert found[("main", Module.CONTACTS)][0].direction is Direction.OFF


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mappings: [", "not valid YAML"),
        ("mappings: 7", "`mappings`: write `name: value`"),
        ("mappings: {main: {leads: []}}", "main / leads: there is no such module"),
        ("mappings: {main: {contacts: {id: a}}}", "main / contacts: write a list"),
        ("mappings: {main: {contacts: [{id: A b}]}}", "main / contacts / row 1 (A b): id:"),
        (
            "mappings: {main: {contacts: [{id: a, colour: red}]}}",
            "colour is not a property of a row",
        ),
        ("mappings: {main: {contacts: [{vtiger: cf_1}]}}", "row 1: id is missing"),
        ("mapping: {main: {contacts: []}}", "`mapping:` is not known; it has mappings:."),
        ("mappings: {}\nstores: {}", "`stores:` is not known"),
        ("- id: a", "The file: write `name: value`"),
        ("mappings: {main: {contacts: [], contacts: []}}", "`contacts:` occurs twice (line 1)"),
        ("mappings: {main: {contacts: [{id: a, vtigr: x}]}}", "did you mean vtiger?"),
        ("!!python/object/apply:os.system [ls]", "write `name: value`"),
    ],
)
def test_a_file_that_cannot_be_read_names_the_place(text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_mapping_text(text)
    assert told in str(refused.value)


def test_a_file_without_rows_changes_nothing() -> None:
    assert read_mapping_text(mapping_text({})) == {}
