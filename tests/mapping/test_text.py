"""Text in neutral space: decoded as PHP does, storable, comparable, cut at words."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.mapping.values import (
    canonical_text,
    cut_at_word,
    decode_entities,
    plain,
    replace_astral,
    restore_astral,
)
from tests.mapping.probes import probed_texts


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("Tom &amp;amp; J", "Tom &amp; J"),
        ("O&#39;Brien O&#x27;Brien &#0039;", "O'Brien O'Brien '"),
        ("caf&eacute; &nbsp;", "café \xa0"),
        ("&apos; &foo; &amp &check; &copy=1", "&apos; &foo; &amp &check; &copy=1"),
        ("&#0; &#128; &#xD83D; &#x110000; &#99999999999;",) * 2,
        ("&#128512;", "😀"),
        ("a & b", "a & b"),
    ],
)
def test_entities_are_decoded_once_as_php_does(raw: str, decoded: str) -> None:
    assert decode_entities(raw) == decoded


def test_plain_text_can_be_stored_and_sent() -> None:
    assert plain("a\x00b\x1b\ttab\nline\ud83dend") == "ab\ttab\nline\ufffdend"
    plain("\ud83d").encode()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  Anna \t\r\n Berg ", "Anna Berg"),
        ("Zoe\u0308", "Zo\xeb"),
        ("An\x07na", "Anna"),
        ("Anna 😀", "Anna \ufffd"),
    ],
)
def test_texts_that_are_no_difference(one: str, other: str) -> None:
    assert canonical_text(one) == canonical_text(other)


@pytest.mark.parametrize(("one", "other"), [("Anna", "anna"), ("a\xa0b", "a b"), ("é", "e")])
def test_texts_that_are_a_difference(one: str, other: str) -> None:
    assert canonical_text(one) != canonical_text(other)


@given(st.text())
def test_canonical_form_is_its_own(text: str) -> None:
    assert canonical_text(canonical_text(text)) == canonical_text(text)


@pytest.mark.parametrize(
    ("text", "size", "cut"),
    [
        ("short", 10, "short"),
        ("Anna Maria Berg", 10, "Anna Maria"),
        ("Anna Maria Berg", 12, "Anna Maria"),
        ("Annamariaberg", 5, "Annam"),
        ("A very-long-word-follows", 12, "A very-long-"),
        ("line one\nline two", 12, "line one"),
    ],
)
def test_text_is_cut_at_a_word(text: str, size: int, cut: str) -> None:
    assert cut_at_word(text, size) == cut


@given(st.text(), st.integers(1, 20))
def test_cut_text_fits_and_is_a_beginning(text: str, size: int) -> None:
    cut = cut_at_word(text, size)
    assert len(cut) <= size
    assert text.startswith(cut)


@given(st.text(alphabet="ab 😀🇫\U00020bb7"))
@example("👩\u200d👧 x")
def test_four_byte_characters_come_back_from_the_original(text: str) -> None:
    replaced = replace_astral(text)
    assert max(map(ord, replaced), default=0) < 0x10000
    assert restore_astral(replaced, text) == text
    assert restore_astral(f"x{replaced}y", text) == f"x{text}y"


def test_restoring_leaves_alone_what_it_cannot_place() -> None:
    assert restore_astral("Anna", "Anna 😀") == "Anna"
    assert restore_astral("\ufffd \ufffd", "😀") == "\ufffd \ufffd"


def test_every_probed_text_becomes_storable() -> None:
    for text in probed_texts():
        plain(text).encode()
        assert "\x00" not in plain(text)
