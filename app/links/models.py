"""Tables of the pairs: links with their bases, conflicts, leases, intents, and what orders need."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Numbered
from app.domain import Module, Record, System

T = TypeVar("T")


class Link(Numbered, Base):
    """The ids of a pair in both systems, and the base on which both last agreed.

    `*_modified_at` is the remote's stamp of that side when it was last read; `*_written_at` the
    stamp after our last write, by which an echo is recognised. `*_deleted_at`: when that record was
    found deleted. `delete_held_at`: since when the deletion of its partner is held back, until a
    person confirms it or the record is restored; `deleted_by_us_at`: when the partner was deleted.
    `attempted`: by system, the values of an update that has no answer yet. `replaced_by`: the
    Vtiger record that is used instead of a deleted one; it belongs to another pair.
    `forgotten_at`: when the personal data of the base was erased, None once a sync has filled it
    again. `made_in`: the system in which the service created the twin; null if both records
    existed. `version` increases with each change, so that stale values are not written.
    """

    __tablename__ = "links"
    __table_args__ = (
        Index("uq_links_woo", "store", "module", "woo_id", unique=True),
        Index("uq_links_vtiger", "store", "module", "vtiger_id", unique=True),
        Index(
            "ix_links_held",
            "store",
            "module",
            "id",
            postgresql_where=text("delete_held_at IS NOT NULL"),
        ),
    )

    store: Mapped[str]
    module: Mapped[str]
    woo_id: Mapped[str]
    vtiger_id: Mapped[str]
    base: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    attempted: Mapped[dict[str, Any] | None]
    woo_modified_at: Mapped[datetime | None]
    vtiger_modified_at: Mapped[datetime | None]
    woo_written_at: Mapped[datetime | None]
    vtiger_written_at: Mapped[datetime | None]
    woo_deleted_at: Mapped[datetime | None]
    vtiger_deleted_at: Mapped[datetime | None]
    delete_held_at: Mapped[datetime | None]
    delete_confirmed_at: Mapped[datetime | None]
    deleted_by_us_at: Mapped[datetime | None]
    replaced_by: Mapped[str | None]
    forgotten_at: Mapped[datetime | None]
    made_in: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    version: Mapped[int] = mapped_column(server_default=text("1"))

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - as SQLAlchemy requires

    def side(self, system: System) -> "LinkSide":
        """The link's columns of one system, to read and to set."""
        return LinkSide(self, system)

    def record(self, system: System) -> Record:
        """The pair's record in one system."""
        return Record(self.store, system, Module(self.module), self.side(system).id)

    def stamp_read(self, system: System, modified_at: datetime | None) -> None:
        """Note the state in which the system's record was read; one that was marked as deleted
        exists again."""
        self.delete_held_at = self.delete_confirmed_at = None
        seen = self.side(system)
        seen.modified_at, seen.deleted_at = modified_at, None

    def stamp_written(self, system: System, modified_at: datetime | None) -> None:
        """Note the stamp that our write left: a hint that shows it is an echo."""
        self.stamp_read(system, modified_at)
        self.side(system).written_at = modified_at

    def stamp_external_id(self, modified_at: datetime | None) -> None:
        """Note the stamp of the shop's record after Vtiger's id was written to it."""
        self.woo_modified_at = self.woo_written_at = modified_at

    def is_echo(self, system: System, modified_at: datetime | None) -> bool:
        """Whether a record still shows the stamp that our own last write left there."""
        written_at = self.side(system).written_at
        return written_at is not None and modified_at == written_at


class _PerSystem(Generic[T]):
    """A descriptor for a pair of columns `woo_*` and `vtiger_*`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._names = {System.WOOCOMMERCE: f"woo_{name}", System.VTIGER: f"vtiger_{name}"}

    def __get__(self, side: "LinkSide", owner: type) -> T:
        value: T = getattr(side.link, self._names[side.system])
        return value

    def __set__(self, side: "LinkSide", value: T) -> None:
        setattr(side.link, self._names[side.system], value)


class LinkSide:
    """The columns of a link about one system's record."""

    __slots__ = ("link", "system")

    id = _PerSystem[str]()
    modified_at = _PerSystem[datetime | None]()
    written_at = _PerSystem[datetime | None]()
    deleted_at = _PerSystem[datetime | None]()

    def __init__(self, link: Link, system: System) -> None:
        self.link = link
        self.system = system


class FieldConflict(Base):
    """A field that both sides changed, and the decision on it.

    It is settled once `applied_at` is set; a field of a pair has at most one row that is not.
    `woo` and `vtiger` are the values that the person sees; a decision applies to these only.
    """

    __tablename__ = "conflicts"
    __table_args__ = (
        Index(
            "uq_conflicts_unsettled",
            "link_id",
            "field",
            unique=True,
            postgresql_where=text("applied_at IS NULL"),
        ),
        Index("ix_conflicts_began_at_id", "began_at", "id"),
        Index("ix_conflicts_link_id", "link_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    store: Mapped[str]
    module: Mapped[str]
    link_id: Mapped[int]
    woo_id: Mapped[str]
    vtiger_id: Mapped[str]
    label: Mapped[str]
    field: Mapped[str]
    woo: Mapped[str | None]
    vtiger: Mapped[str | None]
    woo_modified_at: Mapped[datetime | None]
    vtiger_modified_at: Mapped[datetime | None]
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    state: Mapped[str]
    resolution: Mapped[str | None]
    resolved_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    applied_at: Mapped[datetime | None]

    def record(self, system: System) -> Record:
        """The pair's record in one system."""
        record_id = self.woo_id if system is System.WOOCOMMERCE else self.vtiger_id
        return Record(self.store, system, Module(self.module), record_id)


class Lease(Base):
    """The worker that holds a record; expires by the database's clock, so skew does not matter."""

    __tablename__ = "leases"

    key: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    expires_at: Mapped[datetime]


class Intent(Numbered, Base):
    """A create that is about to be sent. It survives a crash, and says that a twin may be ours.

    `token` is the create key, with which the target creates the record once however often the
    create is sent; null without one.
    """

    __tablename__ = "intents"
    __table_args__ = (Index("uq_intents_record", "record_key", unique=True),)

    record_key: Mapped[str]
    target: Mapped[str]
    natural_key: Mapped[str]
    token: Mapped[str | None]


class Sighting(Base):
    """The digest of an unlinked record when a poll last hinted it, so that it does so once."""

    __tablename__ = "sightings"

    record_key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Watermark(Base):
    """The time by the remote's clock up to which a poll has seen all changes.

    `baseline_at`: the time of the baseline by the same clock; a record without a link that has not
    changed since existed before. None for watermarks not of a poll. `looked_at` is when the latest
    poll completed, by the database's clock, whether anything had changed or not.
    """

    __tablename__ = "watermarks"

    key: Mapped[str] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime]
    baseline_at: Mapped[datetime | None] = mapped_column("stock_at")
    looked_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OutboxMark(Base):
    """The sequence number up to which a poll has seen all changes of the add-on's outbox.

    `installation` identifies the outbox; `looked_at` is when a poll last queried without it.
    """

    __tablename__ = "outbox_marks"

    key: Mapped[str] = mapped_column(primary_key=True)
    installation: Mapped[str]
    sequence: Mapped[int]
    looked_at: Mapped[datetime]


class FullPass(Base):
    """When all records of a module in one system were last read, by the database's clock."""

    __tablename__ = "full_passes"

    key: Mapped[str] = mapped_column(primary_key=True)
    store: Mapped[str]
    passed_at: Mapped[datetime]


class SetupRecord(Base):
    """A Vtiger record on which orders depend and that no shop has: created once, found by `key`."""

    __tablename__ = "setup_records"

    key: Mapped[str] = mapped_column(primary_key=True)
    vtiger_id: Mapped[str]


class CarriedTax(Base):
    """The tax fields that a product or service had when it was last read."""

    __tablename__ = "carried_taxes"

    vtiger_id: Mapped[str] = mapped_column(primary_key=True)
    fields: Mapped[list[Any]]


class GuestOrder(Base):
    """The latest order of a guest, whose data is in orders only; `email` is casefolded."""

    __tablename__ = "guest_orders"

    store: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    ordered_at: Mapped[datetime]


class MissingReference(Base):
    """A record that was written without a reference, or not written because of its absence.

    `needs` is the key of the missing record, or the name of an ability of Vtiger; the record is
    not hinted for it before `due_at`.
    """

    __tablename__ = "owed"
    __table_args__ = (Index("ix_owed_needs", "needs"),)

    record_key: Mapped[str] = mapped_column(primary_key=True)
    needs: Mapped[str] = mapped_column(primary_key=True)
    store: Mapped[str]
    system: Mapped[str]
    module: Mapped[str]
    record_id: Mapped[str]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OrderClaim(Base):
    """An order of a shop that carried the id of a Vtiger order when all orders were read."""

    __tablename__ = "order_claims"

    store: Mapped[str] = mapped_column(primary_key=True)
    vtiger_id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(primary_key=True)
