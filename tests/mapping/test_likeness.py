"""Pairs by likeness, as looking through both lists again and again would find them."""

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.modules.taxes.mapping import pair_up

Thing = tuple[int, int]
THINGS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=8)
LIKENESSES: Sequence[Callable[[Thing], object]] = (lambda thing: thing, lambda thing: thing[0])


def looked_through(wanted: list[Thing], held: list[Thing]) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for likeness in LIKENESSES:
        for here, each in enumerate(wanted):
            taken = {there for _, there in pairs}
            if here in {place for place, _ in pairs}:
                continue
            fits = (
                there
                for there, other in enumerate(held)
                if there not in taken and likeness(other) == likeness(each)
            )
            if (there := next(fits, None)) is not None:
                pairs.append((here, there))
    return pairs


@given(wanted=THINGS, held=THINGS)
def test_each_gets_the_first_that_is_most_alike(wanted: list[Thing], held: list[Thing]) -> None:
    found = pair_up(wanted, held, [(each, each) for each in LIKENESSES])
    assert found == looked_through(wanted, held)


def test_each_is_looked_at_once_for_each_likeness() -> None:
    """Lists of which nothing is alike are as long as any to go through."""
    looked_at = 0

    def key(thing: object) -> object:
        nonlocal looked_at
        looked_at += 1
        return thing

    pair_up([*range(3000)], [*range(3000, 6000)], [(key, key), (key, key)])
    assert looked_at == 12_000
