"""Looking for one e-mail address in whatever columns hold: text, JSON, or bodies as received."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Text, cast, func, or_
from sqlalchemy.orm import InstrumentedAttribute

_BEFORE = r"(?<![[:alnum:]._%+'-])"
_AFTER = r"(?![[:alnum:]-]|\.[[:alnum:]])"
"""What stands around an address as a whole: bob@x.org is not in jacob@x.org or bob@x.org.uk."""


@dataclass(frozen=True, slots=True)
class Traces:
    """One person, by e-mail in any case, in one store or in all."""

    email: str
    store: str | None = None

    @property
    def folded(self) -> str:
        return self.email.strip().casefold()

    def of_store(self, column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
        return column == self.store if self.store else column.is_not(None)

    def in_text(self, *columns: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Whether one of the columns, JSON ones too, holds the address."""
        pattern = _BEFORE + _literal(self.folded) + _AFTER
        texts = (func.coalesce(cast(column, Text), "") for column in columns)
        return or_(*(each.regexp_match(pattern, "i") for each in texts))

    def in_body(self, column: InstrumentedAttribute[bytes | None]) -> ColumnElement[bool]:
        """Whether a body holds it: as it is, in JSON as PHP writes it, or in a form."""
        shown = func.encode(column, "escape")
        forms = {_BEFORE + _literal(_escaped(form)) + _AFTER for form in self._forms()}
        return or_(*(shown.regexp_match(form, "i") for form in sorted(forms)))

    def is_value_in_body(self, column: InstrumentedAttribute[bytes | None]) -> ColumnElement[bool]:
        """Whether a JSON body has it as the value of a field `email`."""
        forms = {f'"email":\\s*"{_literal(_escaped(form))}"' for form in self._forms()}
        shown = func.encode(column, "escape")
        return or_(*(shown.regexp_match(form, "i") for form in sorted(forms)))

    def _forms(self) -> set[str]:
        in_json = json.dumps(self.folded)[1:-1]
        return {self.folded, in_json, in_json.replace("/", r"\/"), quote(self.folded)}


def _literal(text: str) -> str:
    """The text as a pattern that means itself."""
    return re.sub(r"([^\w\s])", r"\\\1", text, flags=re.ASCII)


def _escaped(text: str) -> str:
    """As PostgreSQL's `encode(…, 'escape')` shows the bytes."""
    shown = text.replace("\\", "\\\\").encode()
    return "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in shown)
