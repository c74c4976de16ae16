"""PHP's casts, entities and JSON, and the database's comparison, apart from any request."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.vtiger import collation, php
from sandbox.vtiger.query import parse
from sandbox.vtiger.refusals import PhpFatal

WHERE = "SELECT id FROM Contacts WHERE lastname='{}' LIMIT 3;"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (True, "1"),
        (False, ""),
        (None, ""),
        (1.5, "1.5"),
        (2.0, "2"),
        (1e25, "1.0E+25"),
        (1.5e-7, "1.5E-7"),
        (0.1 + 0.2, "0.3"),
        (10**30, "1.0E+30"),
        ([["a"], "b"], "a"),
        ({"a": 1}, ""),
        ([], ""),
    ],
)
def test_values_become_text_as_php_prints_them(value: Any, text: str) -> None:
    assert php.text(value) == text


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        ("&amp;amp; &#39;&#x27;&eacute;", "&amp; ''é"),
        ("&apos; &unknown; &#150; &#0; &amp", "&apos; &unknown; &#150; &#0; &amp"),
        ("&#10;&#128512;", "\n😀"),
    ],
)
def test_entities_are_those_of_html_401(encoded: str, decoded: str) -> None:
    assert php.decode_entities(encoded) == decoded


@given(st.text())
def test_encoding_entities_loses_nothing(text: str) -> None:
    assert php.decode_entities(php.encode_entities(text)) == text


@pytest.mark.parametrize(
    "encoded",
    ["", "{bad", "[1]", '"x"', '{"a": NaN}', r'{"a": "\ud83d"}', r'{"a": [{"\udc00": 1}]}'],
)
def test_what_php_cannot_decode_is_no_element(encoded: str) -> None:
    assert php.decode_object(encoded) is None


@pytest.mark.parametrize(
    ("one", "other"), [("é", "E"), ("straße", "STRASE"), ("a  ", "A"), ("Ǖ", "u"), ("é", "É")]
)
def test_comparison_ignores_case_accents_and_trailing_spaces(one: str, other: str) -> None:
    assert collation.key(one) == collation.key(other)


@pytest.mark.parametrize(("one", "other"), [("o", "ø"), (" a", "a"), ("a\t", "a"), ("æ", "ae")])
def test_comparison_tells_other_letters_apart(one: str, other: str) -> None:
    assert collation.key(one) != collation.key(other)


@given(st.text(alphabet=st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_a_properly_escaped_literal_arrives_unchanged(text: str) -> None:
    literal = text.replace("\\", "\\\\").replace("'", "''")
    query = parse(WHERE.format(literal))
    assert query.alternatives[0][0].values == (text,)


@given(st.text())
def test_no_text_breaks_out_of_its_literal_into_another_query(text: str) -> None:
    literal = text.replace("\\", "\\\\").replace("'", "''")
    query = parse(WHERE.format(literal))
    assert (query.module, query.limit, len(query.alternatives)) == ("Contacts", 3, 1)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (395.449175, 5, "395.44918"),
        (-0.225, 2, "-0.23"),
        (-0.001, 2, "0.00"),
        (1e20, 0, "100000000000000000000"),
        (float("inf"), 2, "0.00"),
    ],
)
def test_numbers_are_formatted_as_php_rounds_them(value: float, places: int, text: str) -> None:
    assert php.number_format(value, places) == text


@pytest.mark.parametrize(
    ("value", "number"), [(None, 0), (True, 1), (" 12,5", 12), ("5abc", 5), (".5e1x", 5), (2, 2)]
)
def test_an_operand_counts_by_its_leading_number(value: Any, number: float) -> None:
    assert php.number(value) == number


@pytest.mark.parametrize("value", ["", " ", "abc", "--1", "٥", [], ["5"], {}])
def test_an_operand_without_a_number_kills_php_but_casts_to_0(value: Any) -> None:
    with pytest.raises(PhpFatal):
        php.number(value)
    assert php.to_float(value) == 0


def test_floats_are_printed_in_json_without_a_needless_point() -> None:
    printed = [php.json_number(value) for value in (93.0, 0.5, -0.0, float("inf"))]
    assert str(printed) == "[93, 0.5, 0, 0]"
