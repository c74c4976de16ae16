"""What a sandbox day is made of: scenes of named steps, taken by a cast."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from sandbox.cast import Cast

Where = Literal["shop", "CRM", "both"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens; `name` is the sentence that tells it."""

    where: Where
    name: str
    act: Callable[[Cast], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Scene:
    """Steps that may come thick and fast; what follows rests on their having been synced."""

    name: str
    steps: tuple[Step, ...]
