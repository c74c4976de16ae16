"""What is not sent, or not as it is, because a target would mangle, erase or refuse it."""

import pytest

from app.mapping.rules import email_hazard, fit_vtiger, fit_woo
from app.mapping.values import PatchOptions
from tests.mapping.probes import read_probes

CUT, SKIP = PatchOptions(too_long="cut"), PatchOptions(too_long="skip")


@pytest.mark.parametrize(
    "text",
    ["a\\b", "a:0:{}", " s:5:x", "N;", "b:1;", "i:5;", "Tom &amp;amp; J".replace("amp;", "", 1)],
)
def test_text_that_woocommerce_would_change_is_not_sent(text: str) -> None:
    fitted = fit_woo(text, "billing.company", options=CUT)
    assert (fitted.text, fitted.reason) == (None, "unsafe_in_woocommerce")


@pytest.mark.parametrize("text", ["Tom & Jerry", "1 < 2 > 1", "a: b", "100%25", "😀", "0", "s: x"])
def test_text_that_woocommerce_keeps_is_sent_as_it_is(text: str) -> None:
    fitted = fit_woo(text, "billing.company", options=CUT)
    assert (fitted.text, fitted.reason) == (text, "")


def test_meta_keeps_backslashes_and_php_data() -> None:
    assert fit_woo("C:\\dir", "meta:note", options=CUT).text == "C:\\dir"
    assert fit_woo("a:0:{}", "meta:note", options=CUT).text == "a:0:{}"


@pytest.mark.parametrize("name", ["<b>Anna</b>", "I <3 you", "a%20b", "0", " 0 ", "&#1;", "a\\b"])
def test_name_that_woocommerce_would_clean_is_not_sent(name: str) -> None:
    fitted = fit_woo(name, "first_name", options=CUT)
    assert (fitted.text, fitted.reason) == (None, "unsafe_in_woocommerce")


def test_name_with_blanks_to_collapse_is_sent_collapsed() -> None:
    assert fit_woo("  Anna \r\n Maria\t", "first_name", options=CUT).text == "Anna Maria"


def test_text_beyond_woocommerces_column_is_cut_or_left() -> None:
    text = "é" * 40_000
    cut = fit_woo(text, "billing.company", options=CUT)
    assert (len((cut.text or "").encode()), cut.reason) == (65534, "value_too_long")
    assert fit_woo(text, "billing.company", options=SKIP).text is None


EMAIL_PROBES = [
    probe
    for probe in read_probes("woocommerce/readback-customers.jsonl.gz")
    if probe["field"] == "email" and isinstance(probe["sent"], str)
]


def test_email_is_judged_as_woocommerce_judged_every_recorded_one() -> None:
    """What it kept is sent, what it refused, erased or altered is not."""
    assert len(EMAIL_PROBES) > 40
    wrong = [
        probe
        for probe in EMAIL_PROBES
        if (email_hazard(probe["sent"]) == "") != (probe["read_back"] == probe["sent"])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "sent", "reason"),
    [
        ("Anna 😀", "Anna \ufffd", "unsafe_in_vtiger"),
        ("a & b <b>", "a & b <b>", ""),
        ("Tom &amp; J", None, "unsafe_in_vtiger"),
        ("<script>x</script>", None, "unsafe_in_vtiger"),
        ("a script\n/script", "a script\n/script", ""),
        ("a\ud83db", None, "unsafe_in_vtiger"),
        ("a\\b", "a\\b", ""),
        ("&apos; &check;", "&apos; &check;", ""),
    ],
)
def test_text_for_vtiger(text: str, sent: str | None, reason: str) -> None:
    fitted = fit_vtiger(text, 40, options=CUT)
    assert (fitted.text, fitted.reason) == (sent, reason)


def test_text_beyond_vtigers_column_is_cut_at_a_word_or_left() -> None:
    text = "Anna Maria Berg"
    assert fit_vtiger(text, 12, options=CUT).text == "Anna Maria"
    assert fit_vtiger(text, 12, options=SKIP).text is None
    assert fit_vtiger(text, 12, options=SKIP).reason == "value_too_long"
    assert fit_vtiger(text, None, options=SKIP).text == text
