"""Entries for the log's tests: ordinary ones, and random ones spread over chosen moments."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import update

from app.db.session import Sessions, driver_of, transaction
from app.domain import Event, Module, Outcome, System
from app.synclog.models import Entry
from app.synclog.repository import NewEntry, Tally, append, count_outcomes

ORDINARY = NewEntry(
    store="main",
    module=Module.CONTACTS,
    target=System.VTIGER,
    source_id="7",
    target_id="12x34",
    link_id=5,
    event=Event.UPDATED,
    outcome=Outcome.UPDATED,
    reason=None,
    message="Updated the contact.",
    attempts=1,
    duration_ms=12,
    label="Ada Lovelace",
)


async def log(sessions: Sessions, *entries: NewEntry, deliveries: Sequence[int] = ()) -> list[int]:
    async with transaction(sessions) as session:
        return [await append(session, entry, deliveries) for entry in entries]


def random_entry(chance: random.Random) -> NewEntry:
    return replace(
        ORDINARY,
        store=chance.choice(["main", "shop-fr"]),
        module=chance.choice([*Module, None]),
        target=chance.choice(list(System)),
        outcome=chance.choice(list(Outcome)),
        reason=chance.choice(["echo", "module_off", None]),
        source_id=str(chance.randint(1, 5)),
        label=chance.choice(["Ada", "Zoë 100%", "a_b"]),
    )


async def log_at(sessions: Sessions, entries: Sequence[tuple[NewEntry, datetime]]) -> None:
    """As if the entries had been logged and counted at those moments."""
    async with transaction(sessions) as session:
        for entry, moment in entries:
            entry_id = await append(session, replace(entry, module=None), ())
            await session.execute(
                update(Entry)
                .where(Entry.id == entry_id)
                .values(occurred_at=moment, module=entry.module)
            )
            if entry.module is not None:
                tally = Tally(entry.store, entry.module, entry.target, entry.outcome)
                await count_outcomes(await driver_of(session), {tally: 1}, moment)
