"""PHP's casts, entities and JSON, and the database's comparison, apart from any request."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sandbox.vtiger import collation, php
from app.sandbox.vtiger.query import parse

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
