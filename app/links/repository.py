"""Reads and writes links, intents, sightings, watermarks, and what polls and full passes recorded.

Times are UTC by the database's clock unless a function says otherwise."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Text,
    any_,
    cast,
    collate,
    delete,
    func,
    inspect,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql.elements import ColumnElement

from app.db.pagination import Page, fetch_page
from app.db.session import Driver, columns_of, fetch_prepared, storable, storable_text
from app.domain import GUEST, LeaseLost, Module, Record, System
from app.links.models import (
    CarriedTax,
    FieldConflict,
    FullPass,
    GuestOrder,
    Intent,
    Link,
    MissingReference,
    OrderClaim,
    OutboxMark,
    SetupRecord,
    Sighting,
    Watermark,
)

# Baselines: records that existed before the baseline of a module in one system are not hinted.


async def find_baseline(session: AsyncSession, key: str) -> datetime | None:
    """The time of the baseline by the remote's clock; None while there is none."""
    found: datetime | None = await session.scalar(
        select(Watermark.baseline_at).where(Watermark.key == key)
    )
    return found


async def save_baseline(session: AsyncSession, key: str, baseline_at: datetime) -> None:
    """Set the baseline of a watermark, which must exist."""
    await session.execute(
        update(Watermark).where(Watermark.key == key).values(baseline_at=baseline_at)
    )


# Full passes: when all records of a module were last read.


async def is_pass_due(session: AsyncSession, key: str, interval_seconds: float) -> bool:
    """Whether the last full pass is at least `interval_seconds` ago, or none is recorded."""
    since = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, interval_seconds)
    recent = select(FullPass.key).where(FullPass.key == key, FullPass.passed_at > since)
    return await session.scalar(recent) is None


async def save_pass(session: AsyncSession, key: str, *, store: str, seconds_ago: float) -> None:
    """Record a full pass that began `seconds_ago`."""
    passed_at = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds_ago)
    statement = insert(FullPass).values(key=key, store=store, passed_at=passed_at)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["key"], set_={"passed_at": passed_at})
    )


async def expire_passes(session: AsyncSession, store: str) -> None:
    """Let the next polls read all records of a store, as hints may have been lost."""
    await session.execute(delete(FullPass).where(FullPass.store == store))


# What records were written without, so that they are hinted again once it is available.


async def save_missing(
    session: AsyncSession, record: Record, needs: Collection[str], *, seconds: float = 0
) -> None:
    """Record that these `needs` of the record are missing; they are due after so many seconds."""
    due_at = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    row = {
        "record_key": record.key,
        "store": record.store,
        "system": record.system,
        "module": record.module,
        "record_id": record.id,
        "due_at": due_at,
    }
    statement = insert(MissingReference).values([row | {"needs": need} for need in sorted(needs)])
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[MissingReference.record_key, MissingReference.needs],
            set_={"due_at": statement.excluded.due_at},
        )
    )


async def take_missing(session: AsyncSession, needs: Collection[str]) -> Sequence[Record]:
    """Delete the rows that are due for one of these needs, and return their records."""
    due = select(MissingReference.record_key, MissingReference.needs).where(
        MissingReference.needs.in_(needs), MissingReference.due_at <= func.now()
    )
    in_order = due.order_by(
        collate(MissingReference.record_key, "C"), collate(MissingReference.needs, "C")
    )
    found = await session.execute(
        delete(MissingReference)
        .where(
            tuple_(MissingReference.record_key, MissingReference.needs).in_(
                in_order.with_for_update()
            )
        )
        .returning(
            MissingReference.store,
            MissingReference.system,
            MissingReference.module,
            MissingReference.record_id,
        )
    )
    return sorted(
        {
            Record.stored(store, system, module, record_id)
            for store, system, module, record_id in found
        },
        key=lambda record: record.key,
    )


async def search_needs(session: AsyncSession) -> Sequence[str]:
    """The needs for which a row is due."""
    due = select(MissingReference.needs).where(MissingReference.due_at <= func.now()).distinct()
    return (await session.scalars(due)).all()


# What orders depend on: setup records, and the taxes of products in Vtiger.


async def get_setup(session: AsyncSession) -> dict[str, str]:
    """The Vtiger id of every setup record that was created, by its key."""
    rows = await session.execute(select(SetupRecord.key, SetupRecord.vtiger_id))
    return {str(key): str(vtiger_id) for key, vtiger_id in rows}


async def save_setup(session: AsyncSession, records: Mapping[str, str]) -> None:
    """Store Vtiger ids of setup records by their keys."""
    statement = insert(SetupRecord).values(
        [{"key": key, "vtiger_id": vtiger_id} for key, vtiger_id in sorted(records.items())]
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[SetupRecord.key], set_={"vtiger_id": statement.excluded.vtiger_id}
        )
    )


async def search_carried(
    session: AsyncSession, vtiger_ids: Collection[str]
) -> dict[str, frozenset[str]]:
    """The recorded tax fields of products and services, by Vtiger id; unknown ids are left out."""
    rows = await session.execute(
        select(CarriedTax.vtiger_id, CarriedTax.fields).where(CarriedTax.vtiger_id.in_(vtiger_ids))
    )
    return {str(vtiger_id): frozenset(fields) for vtiger_id, fields in rows}


async def save_carried(session: AsyncSession, vtiger_id: str, fields: Collection[str]) -> None:
    """Record the tax fields of a product or service."""
    statement = insert(CarriedTax).values(vtiger_id=vtiger_id, fields=sorted(fields))
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[CarriedTax.vtiger_id], set_={"fields": statement.excluded.fields}
        )
    )


# The latest order of each guest, from which the guest's data is read.


async def find_guest_order(session: AsyncSession, store: str, email: str) -> str | None:
    """The id of the latest recorded order of this guest; None without any."""
    found: str | None = await session.scalar(
        select(GuestOrder.order_id).where(GuestOrder.store == store, GuestOrder.email == email)
    )
    return found


async def find_latest_orders(
    session: AsyncSession, store: str, emails: Collection[str]
) -> dict[str, tuple[datetime, int]]:
    """The time and the id of the latest order of each guest, by e-mail."""
    found = await session.execute(
        select(GuestOrder.email, GuestOrder.ordered_at, GuestOrder.order_id).where(
            GuestOrder.store == store, GuestOrder.email.in_(emails)
        )
    )
    return {email: (ordered_at, int(order_id)) for email, ordered_at, order_id in found}


async def save_guest_order(
    session: AsyncSession, store: str, *, email: str, order_id: str, ordered_at: datetime
) -> bool:
    """Record an order as the guest's latest unless a later one is recorded; return whether it was.

    Of two orders in the same second the one with the higher id is the later."""
    statement = insert(GuestOrder).values(
        store=store, email=email, order_id=order_id, ordered_at=ordered_at
    )
    saved = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=[GuestOrder.store, GuestOrder.email],
            set_={"order_id": order_id, "ordered_at": ordered_at},
            where=tuple_(GuestOrder.ordered_at, cast(GuestOrder.order_id, BigInteger))
            <= tuple_(literal(ordered_at), literal(int(order_id))),
        ).returning(GuestOrder.order_id)
    )
    return saved is not None


async def search_guest_emails(
    session: AsyncSession, store: str, emails: Collection[str]
) -> frozenset[str]:
    """The subset of these casefolded e-mails with which a guest has ordered."""
    found = select(GuestOrder.email).where(GuestOrder.store == store, GuestOrder.email.in_(emails))
    return frozenset(await session.scalars(found))


async def search_guest_orders(session: AsyncSession, store: str) -> Sequence[str]:
    """The ids of the latest orders of the guests that are linked to a contact."""
    guest = (Link.store == GuestOrder.store) & (Link.woo_id == GUEST + GuestOrder.email)
    found = select(GuestOrder.order_id).join(Link, guest & (Link.module == Module.CONTACTS))
    wanted = found.where(GuestOrder.store == store, Link.woo_deleted_at.is_(None))
    return (await session.scalars(wanted.order_by(GuestOrder.email))).all()


# Which orders of a shop carry the id of a Vtiger order: WooCommerce has no search for that.


async def search_claims(session: AsyncSession, store: str, vtiger_id: str) -> Sequence[str]:
    """The ids of the orders that carried this Vtiger id when they were read."""
    found = select(OrderClaim.order_id).where(
        OrderClaim.store == store, OrderClaim.vtiger_id == vtiger_id
    )
    return (await session.scalars(found.order_by(OrderClaim.order_id))).all()


async def save_claims(
    session: AsyncSession, store: str, claims: Collection[tuple[str, str]]
) -> None:
    """Record pairs of a Vtiger id and the id of the order that carries it."""
    if claims:
        rows = [
            {"store": store, "vtiger_id": vtiger_id, "order_id": order_id}
            for vtiger_id, order_id in sorted(set(claims))
        ]
        await session.execute(insert(OrderClaim).values(rows).on_conflict_do_nothing())


CHANGED = "another worker changed the link meanwhile; the pair is read again"

_STAMPS = (
    "id",
    "version",
    "woo_modified_at",
    "vtiger_modified_at",
    "woo_written_at",
    "vtiger_written_at",
)


def _id_in(system: System) -> InstrumentedAttribute[str]:
    return Link.woo_id if system is System.WOOCOMMERCE else Link.vtiger_id


def _side(record: Record) -> ColumnElement[bool]:
    """The condition that the record is one side of the link."""
    has_id = _id_in(record.system) == record.id
    return (Link.store == record.store) & (Link.module == record.module) & has_id


async def find_link(session: AsyncSession, record: Record) -> Link | None:
    found: Link | None = await session.scalar(select(Link).where(_side(record)))
    return found


_COLUMNS = [each.name for each in Link.__table__.columns]


def _loaded(row: Sequence[object]) -> Link:
    """The link of a row with all columns, as a session would have loaded it."""
    link = Link(**dict(zip(_COLUMNS, row, strict=True)))
    make_transient_to_detached(link)
    return link


@dataclass(frozen=True, slots=True)
class PairState:
    """What is stored about a record and its pair: the link, whether the link has unsettled
    conflicts, the open intent with its age in seconds by the database's clock, and the digest of
    the record's last sighting."""

    link: Link | None = None
    has_conflicts: bool = False
    intent: tuple[Intent, float] | None = None
    sighting: str | None = None


_PAIRS = f"""
SELECT record.record_key,
    EXISTS (SELECT FROM conflicts WHERE link_id = link.id AND applied_at IS NULL),
    sightings.digest, intents.token, intents.created_at,
    extract(epoch FROM now() - intents.created_at)::float8,
    {", ".join(f"link.{name}" for name in _COLUMNS)}
FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS record (record_key, store, module, system, id)
LEFT JOIN LATERAL (
    SELECT * FROM links WHERE record.system = 'woocommerce'
      AND (links.store, links.module, links.woo_id) = (record.store, record.module, record.id)
  UNION ALL
    SELECT * FROM links WHERE record.system = 'vtiger'
      AND (links.store, links.module, links.vtiger_id) = (record.store, record.module, record.id)
) AS link ON true
LEFT JOIN intents USING (record_key)
LEFT JOIN sightings USING (record_key)
"""  # noqa: S608 - constants only


async def read_pairs(driver: Driver, records: Sequence[Record]) -> dict[str, PairState]:
    """What is stored about the pairs of these records, by record key."""
    rows = [
        (each.key, each.store, each.module and str(each.module), str(each.system), each.id)
        for each in records
    ]
    columns = columns_of(rows, 5)
    found: dict[str, PairState] = {}
    for key, has_conflicts, sighting, token, opened_at, age, *columns_ in await fetch_prepared(
        driver, _PAIRS, columns
    ):
        link = _loaded(columns_) if columns_[_COLUMNS.index("id")] is not None else None
        intent = Intent(record_key=key, token=token, created_at=opened_at)
        opened = (intent, age) if opened_at is not None else None
        found[key] = PairState(link, has_conflicts, opened, sighting)
    return found


_CHANGEABLE = {
    "woo_id": "text",
    "vtiger_id": "text",
    "base": "text",
    "attempted": "text",
    "woo_modified_at": "timestamptz",
    "vtiger_modified_at": "timestamptz",
    "woo_written_at": "timestamptz",
    "vtiger_written_at": "timestamptz",
    "woo_deleted_at": "timestamptz",
    "vtiger_deleted_at": "timestamptz",
    "delete_held_at": "timestamptz",
    "delete_confirmed_at": "timestamptz",
    "deleted_by_us_at": "timestamptz",
    "replaced_by": "text",
    "forgotten_at": "timestamptz",
    "made_in": "text",
}
"""The columns of a link that work on the pair changes."""
_JSON = {"base": "coalesce(new.base::jsonb, links.base)", "attempted": "new.attempted::jsonb"}
_UPDATE = f"""
UPDATE links SET version = links.version + 1, updated_at = now(),
    {", ".join(f"{name} = {_JSON.get(name, f'new.{name}')}" for name in _CHANGEABLE)}
FROM unnest(%b::bigint[], %b::bigint[],
    {", ".join(f"%b::{kind}[]" for kind in _CHANGEABLE.values())})
    AS new (id, version, {", ".join(_CHANGEABLE)})
WHERE links.id = new.id AND links.version = new.version
RETURNING links.id
"""  # noqa: S608 - constants only


async def update_links(driver: Driver, links: Collection[Link]) -> list[Link]:
    """Store links that exist; return those that were not stored, because they were changed since
    they were read. A base is sent only if it was changed."""
    rows = [
        (link.id, link.version, *(_stored(link, name) for name in _CHANGEABLE)) for link in links
    ]
    columns = columns_of(rows, 2 + len(_CHANGEABLE))
    updated = {link_id for (link_id,) in await fetch_prepared(driver, _UPDATE, columns)}
    return [link for link in links if link.id not in updated]


def mark_saved(link: Link) -> None:
    """Note that `update_links` stored the link, once that is committed."""
    set_committed_value(link, "version", link.version + 1)
    set_committed_value(link, "base", link.base)


def _stored(link: Link, name: str) -> object:
    value = getattr(link, name)
    if name == "base" and not inspect(link).attrs.base.history.has_changes():
        return None
    if name in _JSON:
        return value if value is None else storable_text(value)
    return storable(str(value)) if isinstance(value, str) else value


async def search_links(session: AsyncSession, records: Collection[Record]) -> dict[str, Link]:
    """The links of records that all belong to one system and module, by that system's id."""
    system = next(iter(records)).system if records else System.WOOCOMMERCE
    found = await search_links_of(session, records)
    return {link.side(system).id: link for link in found}


async def search_links_of(session: AsyncSession, records: Collection[Record]) -> Sequence[Link]:
    """The links of records that all belong to one system."""
    if not records:
        return []
    ids: defaultdict[tuple[str, Module | None], list[str]] = defaultdict(list)
    for record in records:
        ids[record.store, record.module].append(record.id)
    system = next(iter(records)).system
    column = _id_in(system)
    sides = (
        (Link.store == store) & (Link.module == module) & (column == any_(_texts(each)))
        for (store, module), each in ids.items()
    )
    return (await session.scalars(select(Link).where(or_(*sides)))).all()


def _texts(values: list[str]) -> ColumnElement[list[str]]:
    """All values as one parameter: a statement takes at most 65,535 parameters."""
    return literal(values, ARRAY(Text))


async def count_links(session: AsyncSession, store: str, module: Module) -> int:
    """How many pairs a module has."""
    found = select(func.count()).where(Link.store == store, Link.module == module)
    return await session.scalar(found) or 0


async def search_module_links(session: AsyncSession, store: str, module: Module) -> Sequence[Link]:
    """All links of a module in one list: meant for taxes, of which there are few."""
    found = select(Link).where(Link.store == store, Link.module == module)
    return (await session.scalars(found.order_by(Link.id))).all()


async def search_links_of_other_stores(
    session: AsyncSession, store: str, module: Module, *, vtiger_ids: Collection[str]
) -> Sequence[Link]:
    """The links of Vtiger's records in other stores, including stores no longer configured."""
    theirs = (Link.store != store) & (Link.module == module) & Link.vtiger_id.in_(vtiger_ids)
    return (await session.scalars(select(Link).where(theirs).order_by(Link.id))).all()


async def save_link(session: AsyncSession, link: Link) -> Link:
    """Store a new or changed link; the unique keys refuse a second link for either record.

    Raises LeaseLost if the row was changed since the link was read, and writes nothing then.
    """
    with refusing_stale():
        saved = await session.merge(link)
        await session.flush()
    return saved


@contextmanager
def refusing_stale() -> Iterator[None]:
    """For writes of links that were read before: raise LeaseLost if one was changed since."""
    try:
        yield
    except StaleDataError:
        raise LeaseLost(CHANGED) from None


async def remove_link(session: AsyncSession, link: Link) -> None:
    """Delete a link together with its open conflicts."""
    open_conflict = (FieldConflict.link_id == link.id) & FieldConflict.applied_at.is_(None)
    await session.execute(delete(FieldConflict).where(open_conflict))
    await session.execute(delete(Link).where(Link.id == link.id))


async def add_links(session: AsyncSession, links: Collection[Link]) -> None:
    """Store new links; their ids are set afterwards."""
    session.add_all(links)
    await session.flush()


async def stamp_links(session: AsyncSession, links: Collection[Link]) -> None:
    """Store the stamps of links that exist. Raises LeaseLost if one was changed meanwhile."""
    rows = [{name: getattr(link, name) for name in _STAMPS} for link in links]
    if rows:
        with refusing_stale():
            await session.execute(update(Link), rows)


async def find_intent(session: AsyncSession, record: Record) -> tuple[Intent, float] | None:
    """An unfinished create for the record, and its age in seconds by the database's clock."""
    age = func.extract("epoch", func.now() - Intent.created_at)
    row = (
        await session.execute(select(Intent, age).where(Intent.record_key == record.key))
    ).first()
    return (row[0], float(row[1])) if row else None


async def open_intent(
    session: AsyncSession, record: Record, natural_key: str, *, token: str | None = None
) -> str | None:
    """Store the intent to create a twin of the record, or restart the clock of an open intent.

    Returns the create key to send: that of an open intent, or else `token`. None if `token` is
    None: the create is sent without a key then, whatever an earlier attempt was sent with.
    """
    statement = insert(Intent).values(
        record_key=record.key,
        target=record.system.other,
        natural_key=natural_key,
        created_at=func.now(),
        token=token,
    )
    new_token = func.coalesce(Intent.token, token) if token is not None else None
    sent_with: str | None = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=[Intent.record_key],
            set_={"natural_key": natural_key, "created_at": func.now(), "token": new_token},
        ).returning(Intent.token)
    )
    return sent_with


async def open_intents(
    session: AsyncSession, natural_keys: Mapping[Record, str], tokens: Mapping[Record, str]
) -> None:
    """Store intents for many records that have none; `tokens` holds the create keys, if any."""
    rows = [
        {
            "record_key": record.key,
            "target": record.system.other,
            "natural_key": natural,
            "token": tokens.get(record),
        }
        for record, natural in sorted(natural_keys.items(), key=lambda item: item[0].key)
    ]
    await session.execute(insert(Intent).values(rows))


async def renew_intent(session: AsyncSession, record: Record) -> None:
    """Restart the intent's clock, as its create got no answer: the record may still appear."""
    opened = update(Intent).where(Intent.record_key == record.key)
    await session.execute(opened.values(created_at=func.now()))


async def search_intents(session: AsyncSession, record_keys: Collection[str]) -> set[str]:
    """The subset of the record keys that have an open intent."""
    found = select(Intent.record_key).where(Intent.record_key.in_(record_keys))
    return set(await session.scalars(found))


async def close_intents(session: AsyncSession, record_keys: Collection[str]) -> None:
    await session.execute(delete(Intent).where(Intent.record_key.in_(record_keys)))


async def close_intent(session: AsyncSession, record: Record) -> None:
    await session.execute(delete(Intent).where(Intent.record_key == record.key))


async def save_sightings(session: AsyncSession, seen: Mapping[str, str]) -> None:
    """Record the digest of each record as it was read, by record key."""
    if not seen:
        return
    rows = [{"record_key": key, "digest": seen[key]} for key in sorted(seen)]
    statement = insert(Sighting).values(rows)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[Sighting.record_key],
            set_={"digest": statement.excluded.digest, "seen_at": func.now()},
        )
    )


async def stream_live_links(
    session: AsyncSession, store: str, *, module: Module, system: System, before: datetime
) -> AsyncIterator[Link]:
    """Links created before a moment whose record in `system` is not marked as deleted."""
    column = Link.woo_deleted_at if system is System.WOOCOMMERCE else Link.vtiger_deleted_at
    found = await session.stream_scalars(
        select(Link).where(
            Link.store == store,
            Link.module == module,
            Link.created_at < before,
            column.is_(None),
        )
    )
    async for link in found:
        yield link


async def search_sightings(session: AsyncSession, record_keys: Collection[str]) -> dict[str, str]:
    rows = await session.execute(
        select(Sighting.record_key, Sighting.digest).where(Sighting.record_key.in_(record_keys))
    )
    return {str(key): str(digest) for key, digest in rows}


async def find_watermark(session: AsyncSession, key: str) -> datetime | None:
    mark: datetime | None = await session.scalar(
        select(Watermark.reached_at).where(Watermark.key == key)
    )
    return mark


async def search_watermarks(session: AsyncSession) -> dict[str, datetime]:
    """All watermarks by key: a few for each store."""
    rows = await session.execute(select(Watermark.key, Watermark.reached_at))
    return {str(key): reached_at for key, reached_at in rows}


async def search_poll_times(session: AsyncSession) -> dict[str, datetime]:
    """When the poll of each watermark last completed, by key."""
    rows = await session.execute(select(Watermark.key, Watermark.looked_at))
    return {str(key): looked_at for key, looked_at in rows}


async def save_watermark(session: AsyncSession, key: str, reached_at: datetime) -> None:
    values = {"reached_at": reached_at, "looked_at": func.now()}
    await session.execute(
        insert(Watermark)
        .values(key=key, **values)
        .on_conflict_do_update(index_elements=[Watermark.key], set_=values)
    )


@dataclass(frozen=True, slots=True)
class LinkFilter:
    """Values of one filter are combined by OR, filters by AND; an empty filter matches all.

    `held` selects links whose deletion is held back, or is not."""

    store: Sequence[str] = ()
    module: Sequence[str] = ()
    woo_id: Sequence[str] = ()
    vtiger_id: Sequence[str] = ()
    held: bool | None = None


async def search_pairs(
    session: AsyncSession, filters: LinkFilter, *, cursor: str | None, limit: int
) -> Page[Link]:
    """One page of links, newest first, without bases. InvalidInput for an invalid cursor."""
    found = select(Link).options(defer(Link.base))
    for name in ("store", "module", "woo_id", "vtiger_id"):
        if wanted := getattr(filters, name):
            found = found.where(getattr(Link, name).in_(wanted))
    if filters.held is not None:
        found = found.where(Link.delete_held_at.is_not(None) == filters.held)
    key = (Link.created_at, Link.id)
    return await fetch_page(session, found, key=key, cursor=cursor, limit=limit)


# How far polls have read the add-on's outbox, and when the add-on was last found absent.

ABSENT = "addon:absent"


async def find_outbox_mark(session: AsyncSession, key: str) -> OutboxMark | None:
    return await session.get(OutboxMark, key)


async def find_lowest_sequence(session: AsyncSession, since: datetime) -> int | None:
    """The lowest sequence number of the marks whose module was queried after `since`; None if
    there is none. Marks of modules that are no longer polled do not count."""
    found: int | None = await session.scalar(
        select(func.min(OutboxMark.sequence)).where(OutboxMark.looked_at > since)
    )
    return found


async def save_outbox_mark(session: AsyncSession, mark: OutboxMark) -> None:
    await session.merge(mark)


async def delete_outbox_mark(session: AsyncSession, key: str) -> None:
    await session.execute(delete(OutboxMark).where(OutboxMark.key == key))


async def find_addon_absence(session: AsyncSession) -> datetime | None:
    """When a poll last found no readable add-on in the CRM."""
    return await find_watermark(session, ABSENT)


async def save_addon_absence(session: AsyncSession, moment: datetime) -> None:
    await save_watermark(session, ABSENT, moment)


async def delete_addon_absence(session: AsyncSession) -> None:
    """Let the next poll query the add-on again, as a hint from it arrived."""
    await session.execute(delete(Watermark).where(Watermark.key == ABSENT))


# The statuses of orders, as the bases of their pairs have them


_STATUS = Link.base["status"].astext
"""The base's entry of the field `status`, as JSON text."""


def _of_store(store: str) -> tuple[ColumnElement[bool], ...]:
    """Pairs whose records both exist, with a status in their base."""
    return (
        Link.store == store,
        Link.module == Module.SALES_ORDERS,
        Link.woo_deleted_at.is_(None),
        Link.vtiger_deleted_at.is_(None),
        _STATUS.is_not(None),
    )


async def count_order_statuses(session: AsyncSession, store: str) -> dict[str, int]:
    """How many pairs have which entry in their base, by its JSON text."""
    found = select(_STATUS, func.count()).where(*_of_store(store)).group_by(_STATUS)
    return {str(entry): int(count) for entry, count in await session.execute(found)}


async def search_order_links(
    session: AsyncSession, store: str, *, entries: Collection[str], after: int, limit: int
) -> Sequence[Link]:
    """Pairs with one of these entries in their base, by id, above `after`."""
    found = select(Link).where(*_of_store(store), _STATUS.in_(sorted(entries)), Link.id > after)
    return (await session.scalars(found.order_by(Link.id).limit(limit))).all()
