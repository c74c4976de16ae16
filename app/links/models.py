"""Tables of the pairs: links with their base, conflicts, leases, intents, what orders rest on."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Numbered
from app.domain import Module, Record, System

T = TypeVar("T")


class Link(Numbered, Base):
    """Two ids that are the same record in both systems, and the base they last agreed on.

    `*_modified_at` is the remote's own stamp when that side was last seen; `*_written_at` the
    stamp that our last write left there, by which an echo is known. `*_deleted_at`: that record
    is gone. `delete_held_at`: the brake keeps its partner from being deleted too, until a person
    confirms that or the record is restored; `deleted_by_us_at`: the partner was deleted.
    `attempted`: by system, the values that an update was to write whose answer is not heard yet.
    `replaced_by`: the record of Vtiger that is named instead of its own, which is gone; it has
    another partner. `forgotten_at`: what was personal in the base was erased, and no sync has
    filled it since. `made_in`: the system in which we made the twin; null for two records that
    were both there. `version` rises with each change: what was read before a change is not written
    back after it.
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

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - as SQLAlchemy wants it

    def side(self, system: System) -> "LinkSide":
        """What the pair knows of its record in one system, to read and to set."""
        return LinkSide(self, system)

    def record(self, system: System) -> Record:
        """The pair's record in one system."""
        return Record(self.store, system, Module(self.module), self.side(system).id)


class _PerSystem(Generic[T]):
    """A column that a link has once for each system: `woo_*` and `vtiger_*`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._names = {System.WOOCOMMERCE: f"woo_{name}", System.VTIGER: f"vtiger_{name}"}

    def __get__(self, side: "LinkSide", owner: type) -> T:
        value: T = getattr(side.link, self._names[side.system])
        return value

    def __set__(self, side: "LinkSide", value: T) -> None:
        setattr(side.link, self._names[side.system], value)


class LinkSide:
    """The columns of a link that tell of one system's record."""

    __slots__ = ("link", "system")

    id = _PerSystem[str]()
    modified_at = _PerSystem[datetime | None]()
    written_at = _PerSystem[datetime | None]()
    deleted_at = _PerSystem[datetime | None]()

    def __init__(self, link: Link, system: System) -> None:
        self.link = link
        self.system = system


class FieldConflict(Base):
    """A field that both sides changed and that waits, or waited, for a person's word.

    It is settled once `applied_at` is set: until then at most one row a field and pair. `woo` and
    `vtiger` are the values that the person sees; a decision holds for these alone.
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
    """Who works on a record now; it expires by the database's clock, so skew does not matter."""

    __tablename__ = "leases"

    key: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    expires_at: Mapped[datetime]


class Intent(Numbered, Base):
    """A create that was about to be sent; it outlives a crash and says that a twin may be ours.

    `token` is the key that it is sent with, so that the target makes it once however often it is
    sent; null for one that is sent without a key.
    """

    __tablename__ = "intents"
    __table_args__ = (Index("uq_intents_record", "record_key", unique=True),)

    record_key: Mapped[str]
    target: Mapped[str]
    natural_key: Mapped[str]
    token: Mapped[str | None]


class Sighting(Base):
    """What an unlinked record looked like when it was last brought up, so a poll hints it once."""

    __tablename__ = "sightings"

    record_key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class Watermark(Base):
    """Up to which moment of the remote's clock a poll has seen everything.

    `baseline_at`: when stock was taken, by that clock too; a record without a pair that has not
    changed since was there before. None for marks that are no poll's. `looked_at` is the end of the
    latest look, by the database's clock, whether anything had changed or not.
    """

    __tablename__ = "watermarks"

    key: Mapped[str] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime]
    baseline_at: Mapped[datetime | None] = mapped_column("stock_at")
    looked_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OutboxMark(Base):
    """Up to which sequence of the Vtiger add-on's outbox a poll has seen everything.

    `installation` tells one outbox from the next; `looked_at` is the last look that did without.
    """

    __tablename__ = "outbox_marks"

    key: Mapped[str] = mapped_column(primary_key=True)
    installation: Mapped[str]
    sequence: Mapped[int]
    looked_at: Mapped[datetime]


class FullPass(Base):
    """When all records of a module in one system were last looked at, by the database's clock."""

    __tablename__ = "full_passes"

    key: Mapped[str] = mapped_column(primary_key=True)
    store: Mapped[str]
    passed_at: Mapped[datetime]


class SetupRecord(Base):
    """A record of Vtiger's that orders rest on and no shop has: made once, found by `key`."""

    __tablename__ = "setup_records"

    key: Mapped[str] = mapped_column(primary_key=True)
    vtiger_id: Mapped[str]


class CarriedTax(Base):
    """The tax fields that a product or service was last seen to carry."""

    __tablename__ = "carried_taxes"

    vtiger_id: Mapped[str] = mapped_column(primary_key=True)
    fields: Mapped[list[Any]]


class GuestOrder(Base):
    """The latest order of a guest, who is nowhere else in the shop; `email` in one case."""

    __tablename__ = "guest_orders"

    store: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    ordered_at: Mapped[datetime]


class Owed(Base):
    """A record that was written without something, or not written for want of it.

    `needs` is the key of the record that it lacks, or the name of an ability of Vtiger; the
    record is not brought up for it before `due_at`.
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
    """An order of a shop that carried the id of a Vtiger order when the shop's were all read."""

    __tablename__ = "order_claims"

    store: Mapped[str] = mapped_column(primary_key=True)
    vtiger_id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(primary_key=True)
