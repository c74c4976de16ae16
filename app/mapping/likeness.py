"""Finding for each thing that is wanted one that is there and like it, in time linear in both."""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Wanted = TypeVar("Wanted")
Held = TypeVar("Held")


def pair_up(
    wanted: Sequence[Wanted],
    held: Sequence[Held],
    likenesses: Sequence[tuple[Callable[[Wanted], Hashable], Callable[[Held], Hashable]]],
) -> list[tuple[int, int]]:
    """Pairs of places in `wanted` and `held`, each place in one pair at most.

    Each likeness is a key of what is wanted and one of what is held, tried on all that is left
    before the next: equal keys go together, the first of the one with the first of the other.
    """
    pairs: list[tuple[int, int]] = []
    wanted_left, held_left = list(range(len(wanted))), list(range(len(held)))
    for key_of_wanted, key_of_held in likenesses:
        waiting: defaultdict[Hashable, deque[int]] = defaultdict(deque)
        for place in held_left:
            waiting[key_of_held(held[place])].append(place)
        missed = []
        for place in wanted_left:
            alike = waiting.get(key_of_wanted(wanted[place]))
            if alike:
                pairs.append((place, alike.popleft()))
            else:
                missed.append(place)
        wanted_left = missed
        held_left = sorted(place for places in waiting.values() for place in places)
    return pairs
