"""PHP's strip_tags(): the state machine that decides what of a text counts as markup."""

from typing import Final

_TEXT, _TAG, _PHP, _DECLARATION, _COMMENT = range(5)
_SPACES: Final = " \t\n\r\v\f"


class _TagStripper:
    def __init__(self, text: str) -> None:
        self._text = text
        self._out: list[str] = []
        self._state = _TEXT
        self._depth = 0
        self._quote = ""

    def run(self) -> str:
        steps = {
            _TEXT: self._in_text,
            _TAG: self._in_tag,
            _PHP: self._in_php,
            _DECLARATION: self._in_declaration,
            _COMMENT: self._in_comment,
        }
        for index, char in enumerate(self._text):
            if char != "\0":
                steps[self._state](index, char)
        return "".join(self._out)

    def _before(self, index: int, count: int = 1) -> str:
        return self._text[max(0, index - count) : index]

    def _opens(self, index: int) -> bool:
        return self._text[index + 1 : index + 2] not in tuple(_SPACES)

    def _in_text(self, index: int, char: str) -> None:
        if char == "<" and self._opens(index):
            self._state = _TAG
        else:
            self._out.append(char)

    def _in_tag(self, index: int, char: str) -> None:
        if char in "\"'":
            self._toggle_quote(char)
        elif self._quote:
            return
        elif char == "<" and self._opens(index):
            self._depth += 1
        elif char == ">":
            self._close()
        elif char in "!?" and self._before(index) == "<":
            self._state = _DECLARATION if char == "!" else _PHP

    def _in_php(self, index: int, char: str) -> None:
        if char in "\"'" and self._before(index) != "\\":
            self._toggle_quote(char)
        elif char == ">" and not self._quote and self._before(index) == "?":
            self._close()

    def _in_declaration(self, index: int, char: str) -> None:
        if char in "\"'" and self._before(index) != "\\":
            self._toggle_quote(char)
        elif char == ">" and not self._quote:
            self._close()
        elif char == "-" and self._before(index, 2) == "!-":
            self._state = _COMMENT

    def _in_comment(self, index: int, char: str) -> None:
        if char == ">" and self._before(index, 2) == "--":
            self._close()

    def _toggle_quote(self, char: str) -> None:
        if self._quote in ("", char):
            self._quote = "" if self._quote else char

    def _close(self) -> None:
        if self._depth:
            self._depth -= 1
            return
        self._state, self._quote = _TEXT, ""


def strip_tags(text: str) -> str:
    """Text without tags, comments and processing instructions; "<" before a space is text."""
    return _TagStripper(text).run()
