"""The column types through which text and JSON reach the database.

PostgreSQL stores neither NUL nor lone surrogates, in text and in JSON alike, and refuses the whole
statement that carries one. Remote systems send both. One type for all columns means that no
insert, update or filter can fail for a character.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Dialect, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

LONGEST_TEXT = 1_000_000
"""Characters of a text of no particular kind: more than any field of either system holds."""
LONGEST_MESSAGE = 4_000
"""Characters of a message: what a remote system said, or what we tell a person."""


def storable(text: str) -> str:
    """The text with U+FFFD for each NUL and `?` for each lone surrogate."""
    if text.isascii():
        return text if "\x00" not in text else text.replace("\x00", "\ufffd")
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def storable_json(value: Any) -> Any:
    """The value with every text in it, names included, made storable."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable_json(name): storable_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(item) for item in value]
    return value


class StorableText(TypeDecorator[str]):
    """Text of at most `longest` characters; what is longer is cut and ends in an ellipsis.

    A key must never be cut, for two keys could become one: keys that come from outside are
    bounded before they get here (`app.records.bounded_key`).
    """

    impl = String
    cache_ok = True

    def __init__(self, longest: int = LONGEST_TEXT) -> None:
        super().__init__()
        self.longest = longest

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        if value is None:
            return None
        text = storable(value)
        return text if len(text) <= self.longest else text[: self.longest - 1] + "…"


Message = StorableText(LONGEST_MESSAGE)
"""The type of a column for a message."""


class StorableJson(TypeDecorator[Any]):
    """JSONB whose texts are storable; None is SQL's NULL."""

    impl = JSONB
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        del dialect
        return storable_json(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Operators on the column (`->`, `?`, …) mean those of JSONB."""
        return self.impl_instance.coerce_compared_value(op, value)
