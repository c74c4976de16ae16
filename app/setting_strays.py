"""Variables that look like settings and are none: a misspelt name must not be passed over.

`.env` is ours, so whatever resembles a setting there is refused. The environment is shared with
other programs: there a name is refused only where nobody else would use it, and else doubted.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from pydantic import BaseModel

from app.errors import ConfigError

Groups = Mapping[str, type[BaseModel]]

ENCODING = "utf-8-sig"
"""UTF-8, with the mark that some editors put before it."""
STORES = "STORES"
STORE_WORDS = frozenset({"STORE", "SHOP", "SHOPS", "WOO", "WOOCOMMERCE"})
ALL = "docs/configuration.md lists them all."
ALIKE = 0.8
NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class Stray:
    """A variable and what it was meant to be, "" if that cannot be told; `certain` unless it may
    well be another program's."""

    name: str
    meant: str
    certain: bool

    @property
    def question(self) -> str:
        return f"did you mean {self.meant}?" if self.meant else ""


def settings_file_faults(file: Path, groups: Groups) -> list[str]:
    """A sentence for each line that cannot be read and each name that is no setting.

    Raises ConfigError if the file cannot be read at all.
    """
    if not file.is_file():
        return []
    try:
        with file.open(encoding=ENCODING) as lines:
            found = list(parse_stream(lines))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}.") from None
    return [sentence for line in found for sentence in _line_faults(line, file, groups)]


def _line_faults(line: Binding, file: Path, groups: Groups) -> Iterator[str]:
    if line.error:
        yield f"Line {line.original.line} of {file} cannot be read; write it as NAME=value."
    elif line.key is not None and (stray := find_stray(line.key, groups)):
        yield f"{stray.name} in {file} is not a setting; {stray.question or ALL}"


def environment_faults(groups: Groups) -> tuple[list[str], list[str]]:
    """A sentence for each variable that is surely meant for us, and for each that may be."""
    strays = [stray for name in os.environ if (stray := find_stray(name, groups)) and stray.meant]
    told = {
        stray: f"{stray.name} in the environment is not a setting; {stray.question}"
        for stray in strays
    }
    certain = [sentence for stray, sentence in told.items() if stray.certain]
    return certain, [sentence for stray, sentence in told.items() if not stray.certain]


def find_stray(name: str, groups: Groups) -> Stray | None:
    """None for a setting, and for a name that resembles none.

    Names within a group (`HTTP__...`) are settings here: their model refuses what it lacks.
    """
    upper = name.upper()
    head, nested, _ = upper.partition("__")
    if upper in (field.upper() for field in groups[""].model_fields):
        return None
    if nested and head in _heads(groups):
        return None
    return _resembling(name, groups)


def _resembling(name: str, groups: Groups) -> Stray | None:
    parts = [part for part in re.split(r"_+", name) if part]
    if not parts:
        return None
    nested, first = "__" in name.strip("_"), parts[0].upper()
    if first in STORE_WORDS or _alike(first, STORES) >= ALIKE:
        key, field = _store_field(parts[1:], groups)
        if field or nested:
            meant = f"{STORES}__{key or 'main'}__{field or '...'}"
            return Stray(name, meant, certain=nested or (bool(key) and bool(field)))
    meant, likeness = _closest("_".join(parts).upper(), groups)
    if meant:
        is_ours = nested or likeness == 1.0 or (first == "VTIGER" and likeness >= NEARLY)
        return Stray(name, meant, certain=is_ours)
    if nested and (near := get_close_matches(first, _heads(groups), n=1, cutoff=ALIKE)):
        return Stray(name, f"{near[0]}__...", certain=True)
    return Stray(name, "", certain=False) if nested or first == "VTIGER" else None


def _store_field(parts: list[str], groups: Groups) -> tuple[str, str]:
    """The key and the field in what follows STORES; "" for what is not there."""
    fields = sorted((field.upper() for field in groups["stores__main"].model_fields), key=len)
    flat = "_".join(parts)
    for field in reversed(fields):
        if flat.upper() == field or flat.upper().endswith(f"_{field}"):
            return flat[: -len(field)].strip("_").lower(), field
    key, _, rest = flat.partition("_")
    close = get_close_matches(rest.upper(), fields, n=1, cutoff=ALIKE)
    return (key.lower(), close[0]) if close else ("", "")


def _closest(flat: str, groups: Groups) -> tuple[str, float]:
    """The setting of another group than the stores' that a name with single underscores is most
    like, and how much; "" and 0 where none is near."""
    known = {re.sub("_+", "_", name): name for name in _names(groups)}
    near = get_close_matches(flat, known, n=1, cutoff=ALIKE)
    return (known[near[0]], _alike(flat, near[0])) if near else ("", 0.0)


def _heads(groups: Groups) -> list[str]:
    return [prefix.partition("__")[0].upper() for prefix in groups if prefix]


def _names(groups: Groups) -> Iterator[str]:
    heads = _heads(groups)
    for prefix, group in groups.items():
        if prefix != "stores__main":
            own = (field for field in group.model_fields if field.upper() not in heads)
            yield from ("__".join(filter(None, (prefix, field))).upper() for field in own)


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
