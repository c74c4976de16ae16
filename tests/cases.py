"""Small inputs that once went wrong, each with what should come of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "recordings" / "cases"


@dataclass(frozen=True, slots=True)
class Case:
    """`feed` is what one of the systems holds, `expect` what the other should get."""

    feed: dict[str, Any]
    expect: Any


def case(name: str) -> Case:
    """The case in `recordings/cases/<name>.json`."""
    known = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return Case(known["feed"], known["expect"])
