"""The countries and states of a shop: its own list, or WooCommerce's while that cannot be had."""

import logging
from collections.abc import Sequence

from app.errors import RemoteError
from app.mapping.places import Places, shipped_places
from app.mapping.rules import FieldRule, rules_at
from app.runtime import Runtime

log = logging.getLogger(__name__)

KEEP_SECONDS = 3600.0
"""The list changes with WooCommerce, a plugin or the shop's language: hardly ever."""


async def placed(runtime: Runtime, store: str, rules: Sequence[FieldRule]) -> tuple[FieldRule, ...]:
    """The rules by the shop's own countries and states, which are read if a rule needs them."""
    if not any(rule.is_place for rule in rules):
        return tuple(rules)
    return rules_at(rules, await places_of(runtime, store))


async def places_of(runtime: Runtime, store: str) -> Places:
    """What the shop lists, kept for an hour; a list that could not be had is asked for again after
    a minute."""

    async def read() -> Places:
        return Places.of(await runtime.stores[store].search_countries())

    async def find() -> Places:
        try:
            return await runtime.memory.get(f"countries:{store}", read, keep_seconds=KEEP_SECONDS)
        except RemoteError as error:
            log.warning(
                "store %s: WooCommerce's own list of countries is used: %s", store, error.summary
            )
            return shipped_places()

    return await runtime.memory.get(f"places:{store}", find)
