"""Filters of a list as its address has them: read, checked, and told back to the form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from app.inputs import MOMENT, MOST_VALUES, NUMBER, TEXT


@dataclass(frozen=True, slots=True)
class Filter:
    """One field of a filter form. `apart` ones are behind "More filters"; `otherwise` says what is
    shown where nothing is chosen."""

    name: str
    label: str
    kind: Literal["choice", "text", "number", "time"] = "text"
    choices: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False
    otherwise: str = "Any"

    def read(self, text: str) -> Any:
        """The value that a repository takes. ValueError tells what is wrong."""
        if self.kind == "choice":
            return self._choice(text)
        if self.kind == "number":
            return NUMBER.read(text)
        return MOMENT.read(text) if self.kind == "time" else TEXT.read(text)

    def _choice(self, text: str) -> str:
        if text not in self.choices:
            raise ValueError("Choose one of the list.")
        return text

    def say(self, text: str) -> str:
        return self.choices.get(text, text)


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force, and the address of the list without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was asked for: `values` for the repository, `texts` for the form, `errors` by name."""

    path: str
    filters: Sequence[Filter]
    texts: Mapping[str, Sequence[str]]
    values: Mapping[str, Sequence[Any]]
    errors: Mapping[str, str]

    def first(self, name: str) -> str:
        return next(iter(self.texts.get(name, ())), "")

    def many(self, name: str) -> Sequence[Any]:
        return self.values.get(name, ())

    def earliest(self, name: str) -> datetime | None:
        return min(self.many(name), default=None)

    def latest(self, name: str) -> datetime | None:
        return max(self.many(name), default=None)

    @property
    def some_apart(self) -> bool:
        """Whether a filter is in force that the form keeps out of sight."""
        return any(each.apart and self.texts.get(each.name) for each in self.filters)

    def address(self, **more: str) -> str:
        """This list, with more parameters."""
        pairs = [*self._pairs(), *more.items()]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    @property
    def query(self) -> str:
        """The filters in force alone."""
        return urlencode(self._pairs())

    @property
    def chips(self) -> list[Chip]:
        return [
            Chip(each.label, each.say(text), self._without(each.name, text))
            for each in self.filters
            for text in self.texts.get(each.name, ())
        ]

    def _pairs(self) -> list[tuple[str, str]]:
        return [(name, text) for name, texts in self.texts.items() for text in texts]

    def _without(self, name: str, text: str) -> str:
        left = [pair for pair in self._pairs() if pair != (name, text)]
        return f"{self.path}?{urlencode(left)}" if left else self.path


def choose(path: str, filters: Sequence[Filter], params: QueryParams) -> Chosen:
    """Empty fields ask for nothing; a wrong value is told and asks for nothing either."""
    texts: dict[str, list[str]] = {}
    values: dict[str, list[Any]] = {}
    errors: dict[str, str] = {}
    for each in filters:
        given = dict.fromkeys(filter(None, map(str.strip, params.getlist(each.name))))
        if len(given) > MOST_VALUES:
            errors[each.name] = f"Give at most {MOST_VALUES} values."
            continue
        for text in given:
            texts.setdefault(each.name, []).append(text)
            try:
                values.setdefault(each.name, []).append(each.read(text))
            except ValueError as error:
                errors[each.name] = str(error)
    return Chosen(path, filters, texts, values, errors)
