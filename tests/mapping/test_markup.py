"""A shop's HTML as plain text."""

import pytest

from app.mapping.values import markup_text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("plain &amp; simple\nsecond line", "plain & simple\nsecond line"),
        ("1 < 2 and b > c", "1 < 2 and b > c"),
        ("<p>One</p>\n<p>Two<br>three</p>", "One\n\nTwo\nthree"),
        ("<ul><li>a</li><li>b <b>bold</b></li></ul>", "- a\n- b bold"),
        ("a<script>alert(1)</script>b<style>p{}</style>c", "abc"),
        ("<h2>Title</h2>text", "Title\ntext"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("one\n\ntwo <em>three</em>", "one\n\ntwo three"),
        ("<p>caf&eacute; &#8217;s &nbsp;x</p>", "café ’s \u00a0x"),
        ("a<!-- hidden -->b", "ab"),
        ("unclosed <b>bold", "unclosed bold"),
        ("x</script>y", "xy"),
    ],
)
def test_what_a_reader_sees(source: str, expected: str) -> None:
    assert markup_text(source) == expected
