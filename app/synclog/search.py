"""Search of the Sync Log: pages, counts and the export. A page costs about the same whatever the
log holds, and whether many entries match or none (decision 28)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.pagination import Cursor, Page, page_of
from app.db.session import Sessions, storable
from app.domain import Module, Outcome, System
from app.synclog.models import KIND, NO_MODULE, SPAN_SECONDS, TAGS, TERMS, Entry
from app.synclog.totals import count_entries

KEY = (Entry.occurred_at, Entry.id)

_EXPORT_BATCH = 500
_NEWEST = 2_000
"""Entries that are read before an index on the filters is asked: most pages are full by then."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Values of one filter are combined by OR, filters by AND; an empty filter matches all.

    `q` are words to find in message, label or ids."""

    store: Sequence[str] = ()
    module: Sequence[str] = ()
    target: Sequence[str] = ()
    outcome: Sequence[str] = ()
    reason: Sequence[str] = ()
    source_id: Sequence[str] = ()
    target_id: Sequence[str] = ()
    link_id: Sequence[int] = ()
    run_id: Sequence[int] = ()
    delivery_id: Sequence[int] = ()
    q: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None


async def search(
    session: AsyncSession, filters: LogFilter, *, cursor: str | None, limit: int
) -> Page[Entry]:
    """One page of entries, newest first. InvalidInput for an invalid cursor."""
    query = _Query.of(filters, Cursor.decode(cursor) if cursor is not None else None)
    ids = await _find_ids(session, query, limit + 1)
    found = select(Entry).where(Entry.id.in_(ids)) if ids else None
    rows = (await session.scalars(found)).all() if found is not None else []
    newest_first = sorted(rows, key=lambda each: (each.occurred_at, each.id), reverse=True)
    return page_of(newest_first, key=KEY, limit=limit)


async def count(session: AsyncSession, filters: LogFilter) -> int:
    """The number of all matching entries, exactly: from the totals if they can tell."""
    query = _Query.of(filters)
    if query.filters & _RECORDS:
        counted = text(f"SELECT count(*) FROM sync_log WHERE {query.conditions}")  # noqa: S608
        return int(await session.scalar(counted, query.values) or 0)
    if not query.filters <= _COUNTED:
        return await _divide(query).count(session)
    chosen = {name: query.values[name] for name in query.filters}
    found = await count_entries(session, chosen, since=filters.since, until=filters.until)
    if NO_MODULE not in chosen.get("module", [NO_MODULE]):
        return found
    apart = _Query.of(replace(filters, module=[NO_MODULE]))  # they are in no total
    return found + await _divide(apart).count(session)


async def export(sessions: Sessions, filters: LogFilter) -> AsyncIterator[Entry]:
    """Yield every matching entry, newest first. Reads in batches, so that no transaction stays open
    for a slow reader."""
    cursor: str | None = None
    while True:
        async with sessions() as session:
            page = await search(session, filters, cursor=cursor, limit=_EXPORT_BATCH)
        for entry in page.items:
            yield entry
        cursor = page.next_cursor
        if cursor is None:
            return


# Conditions. Values are parameters; the texts around them are constants of this file, so that the
# warnings of S608 do not apply.

_CONDITIONS = {
    "store": "store = ANY(:store)",
    "module": f"coalesce(module, '{NO_MODULE}') = ANY(:module)",
    "target": "target = ANY(:target)",
    "outcome": "outcome = ANY(:outcome)",
    "reason": "reason = ANY(:reason)",
    "source_id": "source_id = ANY(:source_id)",
    "target_id": "target_id = ANY(:target_id)",
    "link_id": "link_id = ANY(:link_id)",
    "run_id": "run_id = ANY(:run_id)",
    "delivery_id": "id IN (SELECT entry_id FROM sync_log_deliveries"
    " WHERE delivery_id = ANY(:delivery_id))",
}
_SEARCHED = ("message", "label", "source_id", "target_id")
_RANGES = {
    "since": "occurred_at >= :since",
    "until": "occurred_at < :until",
    "at": "(occurred_at, id) < (:at, :after)",
}
_RECORDS = frozenset({"source_id", "target_id", "link_id", "delivery_id"})
"""Filters that leave the entries of a few records."""
_COUNTED = frozenset({"store", "module", "target", "outcome"})
"""Filters by which the totals can count."""


@dataclass(frozen=True, slots=True)
class _Query:
    """Filters and a place to continue after, as conditions and their parameters.

    `filters` are the names of those that are set, apart from the range of time."""

    filters: frozenset[str]
    ranges: str
    conditions: str
    values: Mapping[str, Any]
    words: Sequence[str]

    @classmethod
    def of(cls, filters: LogFilter, after: Cursor | None = None) -> "_Query":
        values = {name: _distinct(each) for name in _CONDITIONS if (each := getattr(filters, name))}
        words = [] if "" in filters.q else _distinct(filters.q)  # all entries contain ""
        places = {"since": filters.since, "until": filters.until, "at": after and after.at}
        found = {name: place for name, place in places.items() if place is not None}
        ranges = [_RANGES[name] for name in found]
        conditions = ranges + [_CONDITIONS[name] for name in values]
        conditions += [_contains(len(words))] if words else []
        return cls(
            filters=frozenset([*values, *(["q"] if words else [])]),
            ranges=" AND ".join(ranges) or "true",
            conditions=" AND ".join(conditions) or "true",
            values=values
            | found
            | {f"q{n}": word for n, word in enumerate(words)}
            | ({"after": after.id} if after is not None else {}),
            words=words,
        )


def _distinct(values: Sequence[Any]) -> list[Any]:
    plain = (storable(str(each)) if isinstance(each, str) else each for each in values)
    return list(dict.fromkeys(plain))


def _contains(words: int) -> str:
    """Whether one of the searched columns contains one of the words, ignoring case."""
    found = (
        f"strpos(lower({column}), lower(:q{n})) > 0" for n in range(words) for column in _SEARCHED
    )
    return f"({' OR '.join(found)})"


# Ids of a page, by the index that suits the filters.


async def _find_ids(session: AsyncSession, query: _Query, most: int) -> list[int]:
    if not query.filters:
        return await _ids(session, query, most, _BY_TIME)
    if query.filters & _RECORDS:
        return await _ids(session, query, most, _BY_RECORD)
    found = await _ids(session, query, most, _AMONG_NEWEST)
    return found if len(found) == most else await _divide(query).find_ids(session, most)


_BY_TIME = """
SELECT id FROM sync_log WHERE {conditions}
ORDER BY occurred_at DESC, id DESC LIMIT :most
"""
_BY_RECORD = """
WITH theirs AS MATERIALIZED (SELECT id, occurred_at FROM sync_log WHERE {conditions})
SELECT id FROM theirs ORDER BY occurred_at DESC, id DESC LIMIT :most
"""
"""The entries of a record are few: they are sorted, so that no other ones are read."""
_AMONG_NEWEST = f"""
SELECT id FROM (
    SELECT * FROM sync_log WHERE {{ranges}}
    ORDER BY occurred_at DESC, id DESC LIMIT {_NEWEST}
) AS newest
WHERE {{conditions}} ORDER BY occurred_at DESC, id DESC LIMIT :most
"""  # noqa: S608


async def _ids(session: AsyncSession, query: _Query, most: int, statement: str) -> list[int]:
    filled = statement.format(ranges=query.ranges, conditions=query.conditions)
    return list(await session.scalars(text(filled), {**query.values, "most": most}))


@dataclass(frozen=True, slots=True)
class _Parts:
    """A division of the log into parts, of each of which an index finds the matching entries.

    `parts` are the names and the tables of a FROM clause with a row for each part, `conditions`
    those of its entries. Parts follow each other in time if `order` names their number. `entries`
    is what the conditions choose from."""

    names: str
    tables: str
    conditions: str
    values: Mapping[str, Any]
    order: str = ""
    entries: str = "sync_log"
    may_repeat: bool = False

    async def find_ids(self, session: AsyncSession, most: int) -> list[int]:
        """The newest `most` matching entries, newest first. Returns as many of each part at most,
        and reads no part beyond the one that fills the page if the parts are in order."""
        order = [*([self.order] if self.order else []), "page.occurred_at", "page.id"]
        statement = f"""
WITH RECURSIVE {self.names}
SELECT id FROM (
    SELECT {"DISTINCT" if self.may_repeat else ""} {", ".join(order)}
    FROM {self.tables}, LATERAL (
        SELECT id, occurred_at FROM {self.entries} WHERE {self.conditions}
        ORDER BY occurred_at DESC, id DESC LIMIT :most
    ) AS page
    ORDER BY {", ".join(f"{each} DESC" for each in order)} LIMIT :most
) AS found
"""  # noqa: S608
        return list(await session.scalars(text(statement), {**self.values, "most": most}))

    async def count(self, session: AsyncSession) -> int:
        counted = "DISTINCT entry.id" if self.may_repeat else "*"
        statement = f"""
WITH RECURSIVE {self.names}
SELECT count({counted}) FROM {self.tables},
    LATERAL (SELECT id FROM {self.entries} WHERE {self.conditions}) AS entry
"""  # noqa: S608
        return int(await session.scalar(text(statement), self.values) or 0)


def _divide(query: _Query) -> _Parts:
    return _by_word(query) if "q" in query.filters else _by_kind(query)


# By kind: few combinations of store, module, target, outcome and reason occur. The index `KIND` has
# the entries of each in the order of time, that of runs the same for each run.

_STORES = """stores (store) AS (
    (SELECT store FROM sync_log ORDER BY store LIMIT 1)
    UNION ALL
    SELECT (SELECT log.store FROM sync_log AS log WHERE log.store > stores.store
        ORDER BY log.store LIMIT 1)
    FROM stores WHERE stores.store IS NOT NULL
)"""
"""The stores of the log: one search of the index for each."""
_REASONS = f"""LATERAL (
    WITH RECURSIVE known (reason) AS (
        (SELECT {KIND["reason"]} FROM sync_log WHERE {{kind}} ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (SELECT {KIND["reason"]} FROM sync_log
            WHERE {{kind}} AND {KIND["reason"]} > known.reason ORDER BY 1 LIMIT 1)
        FROM known WHERE known.reason IS NOT NULL
    )
    SELECT reason FROM known WHERE reason IS NOT NULL
) AS reasons"""  # noqa: S608
"""The reasons of one kind of entries: one search of the index for each."""
_CHOICES = {
    "module": [*Module, NO_MODULE],
    "target": list(System),
    "outcome": list(Outcome),
}


def _by_kind(query: _Query) -> _Parts:
    given = {name: f"unnest(CAST(:{name} AS text[])) AS {name}s ({name})" for name in KIND}
    tables = ["stores" if "store" not in query.filters else given["store"]]
    tables += [given[name] for name in _CHOICES]
    kind = [f"{KIND[name]} = {name}s.{name}" for name in ("store", *_CHOICES)]
    if "run_id" in query.filters:
        tables.insert(0, "unnest(CAST(:run_id AS bigint[])) AS runs (run_id)")
        kind.insert(0, "sync_log.run_id = runs.run_id")
    reasons = _REASONS.format(kind=" AND ".join(kind))
    tables.append(given["reason"] if "reason" in query.filters else reasons)
    kind.append(f"{KIND['reason']} = reasons.reason")
    choices = {name: [str(each) for each in values] for name, values in _CHOICES.items()}
    return _Parts(
        names=_STORES,
        tables=", ".join(tables),
        conditions=" AND ".join([*kind, query.ranges]),
        values=choices | dict(query.values),
    )


# By word: the index on `TERMS` has every run of one to three letters of an entry, and the values of
# its other filters, for each span of a few days.

_SPAN_OF = f"floor(extract(epoch FROM {{}}) / {SPAN_SECONDS})::bigint"
_WORDS = """words AS MATERIALIZED (
    SELECT word, ARRAY(
        SELECT DISTINCT substr(lower(word), n, 3)
        FROM generate_series(1, greatest(length(lower(word)) - 2, 1)) AS n
    ) AS grams
    FROM unnest(CAST(:words AS text[])) AS word
)"""
_SPANS = f"""(
    SELECT number FROM generate_series(
        {_SPAN_OF.format("(SELECT min(occurred_at) FROM sync_log WHERE {ranges})")},
        {_SPAN_OF.format("(SELECT max(occurred_at) FROM sync_log WHERE {ranges})")}
    ) AS number
    ORDER BY number DESC
) AS spans"""  # noqa: S608
_HASHES = """ARRAY(SELECT hashtextextended(term COLLATE "C", spans.number)
        FROM unnest(CAST({terms} AS text[])) AS term) AS {name}"""


def _by_word(query: _Query) -> _Parts:
    chosen = {
        name: [f"{name}={each}" for each in query.values[name]]
        for name in TAGS
        if name in query.filters
    }
    single = [values[0] for values in chosen.values() if len(values) == 1]
    tagged = [name for name, values in chosen.items() if len(values) > 1]
    hashes = [_HASHES.format(terms="words.grams || CAST(:single AS text[])", name="word")]
    hashes += [_HASHES.format(terms=f":tags_{name}", name=name) for name in tagged]
    found = [f"{TERMS} @> terms.word", *(f"{TERMS} && terms.{name}" for name in tagged)]
    tags = {f"tags_{name}": chosen[name] for name in tagged}
    spans = _SPANS.format(ranges=query.ranges)
    return _Parts(
        names=_WORDS,
        tables=f"{spans}, words, LATERAL (SELECT {', '.join(hashes)} OFFSET 0) AS terms",
        conditions=query.conditions,
        values={**query.values, **tags, "single": single, "words": query.words},
        order="spans.number",
        # OFFSET keeps the planner from asking any other index, of time or of kinds
        entries=f"(SELECT * FROM sync_log WHERE {' AND '.join(found)} OFFSET 0) AS found",  # noqa: S608
        may_repeat=len(query.words) > 1,
    )
