"""PHP's and WordPress's text rules, by property and by the cases that decide."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.woocommerce.markup import strip_tags
from sandbox.woocommerce.php import (
    array_value,
    looks_serialized,
    scalar_text,
    serialize,
    stored_text,
    stripslashes,
)
from sandbox.woocommerce.phpjson import decode_json, encode_json
from sandbox.woocommerce.wordpress import (
    is_email,
    sanitize_email,
    sanitize_text_field,
    saved_user_name,
)

TEXTS = st.text(alphabet=st.characters(codec="utf-8"))
MARKUP = st.text(alphabet="ab <>/!-?\"'&;#x1%\\\n\0\x07")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=5,
)


@given(TEXTS)
def test_doubled_backslashes_survive_one_stripping(text: str) -> None:
    assert stripslashes(text.replace("\\", "\\\\")) == text


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<\0")))
def test_text_without_an_opening_bracket_has_no_tags_to_strip(text: str) -> None:
    assert strip_tags(text) == text


@given(MARKUP)
def test_a_sanitised_field_is_one_trimmed_line(text: str) -> None:
    clean = sanitize_text_field(text)

    assert clean == clean.strip(" \t\n\r\0\x0b")
    assert "\n" not in clean
    assert "  " not in clean


@given(MARKUP)
def test_a_saved_name_holds_no_markup_and_no_control_characters(text: str) -> None:
    saved = saved_user_name(text)

    assert not set(saved) & set("<>\0\x07")


@given(JSON)
def test_what_the_json_writer_writes_is_ascii_and_reads_back(value: object) -> None:
    content = encode_json(value)

    assert content.isascii()
    assert decode_json(content) == value
    assert b"/" not in content.replace(b"\\/", b"")


@given(TEXTS)
def test_serialised_text_is_recognised_and_told_by_its_length_in_bytes(text: str) -> None:
    assert looks_serialized(serialize(text))
    assert serialize(text).startswith(f"s:{len(text.encode())}:")


@given(st.emails())
def test_a_sanitised_address_that_is_accepted_stays_accepted(address: str) -> None:
    clean = sanitize_email(address)

    assert clean == "" or not is_email(address) or clean == address


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("a < b > c", "a < b > c"),
        ("a<b c", "a"),
        ('<a title="x>y">l</a>', "l"),
        ("<!-- a > b -->c", "c"),
        ("<!doctype html>c", "c"),
        ("<?php echo '>'; ?>c", "c"),
        ("<a<b>c>d", "d"),
        ("a\0b", "ab"),
    ],
)
def test_tags_are_told_from_text_as_php_does(text: str, stripped: str) -> None:
    assert strip_tags(text) == stripped


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("Tom &amp; Jerry", "Tom &amp; Jerry"),
        ("&#39;&#x27;&#038;", "&#039;&#x27;&#038;"),
        ("&bogus; &lt", "&amp;bogus; &amp;lt"),
        ("a < b > c", "a &lt;b&gt; c"),
        ("a < 3 > c", "a  c"),
        ("a < /b > c", "a &lt;/b&gt; c"),
        ("a < b /> c", "a &lt;b /&gt; c"),
        ("0", ""),
        ("00", "00"),
    ],
)
def test_a_name_after_the_next_save(name: str, saved: str) -> None:
    assert saved_user_name(name) == saved


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a:0:{}", 's:6:"a:0:{}";'),
        ("N;", 's:2:"N;";'),
        ("b:1;", 's:4:"b:1;";'),
        ("s:1:x;", "s:1:x;"),
        ("a:1", "a:1"),
        ("é\\é", "éé"),
        (1.5, "1.5"),
        (2.0, "2"),
        (1e25, "1.0E+25"),
        (None, ""),
        ([True, 1.5, None, {"é": 2}], 'a:4:{i:0;b:1;i:1;d:1.5;i:2;N;i:3;a:1:{s:2:"é";i:2;}}'),
    ],
)
def test_what_a_meta_column_holds(value: object, stored: str) -> None:
    assert stored_text(value) == stored


def test_arrays_have_php_s_idea_of_lists_and_whole_numbers() -> None:
    value = {"list": {"0": "a", "1": {}}, "map": {"1": 2.0}, "items": [1.0, 1.5]}

    assert array_value(value) == {"list": ["a", []], "map": {"1": 2}, "items": [1, 1.5]}
    assert json.dumps(array_value([2.0])) == "[2]"
    assert scalar_text(0) == "0"
