"""Text of others in logs and on terminals: nothing in it is obeyed."""

import json

from hypothesis import given
from hypothesis import strategies as st

from app.escaping import json_printable, printable

OBEYED = "\x00\x07\n\r\x1b\x7f\x9b\u061c\u200e\u2028\u202e\u2066\ufeff"


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert printable("a\x1b[31m\nb\u202e\x9b\ud800") == r"a\x1b[31m\nb\u202e\x9b\ud800"
    assert printable("a\n\tb\r", keep="\n\t") == "a\n\tb\\r"
    assert printable("Zoë 李 🙂") == "Zoë 李 🙂"


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(OBEYED)))
def test_nothing_obeyed_is_left_and_json_says_the_same(text: str) -> None:
    assert not set(printable(text)) & set(OBEYED)
    line = json_printable(json.dumps({"message": text}, ensure_ascii=False))
    assert not set(line) & set(OBEYED)
    assert json.loads(line) == {"message": text}
