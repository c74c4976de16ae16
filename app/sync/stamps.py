"""The remotes' own stamps of change, kept with a link: what was seen, and what our writes left."""

from datetime import datetime

from app.links.models import Link
from app.sync.sides import Side


def stamp_read(link: Link, side: Side) -> None:
    """The record was seen in this state; one that was marked as deleted is back."""
    link.delete_held_at = link.delete_confirmed_at = None
    seen = link.side(side.system)
    seen.modified_at, seen.deleted_at = side.modified_at, None


def stamp_written(link: Link, side: Side) -> None:
    """Our write left this stamp: a hint that shows it is an echo."""
    stamp_read(link, side)
    link.side(side.system).written_at = side.modified_at


def stamp_mark(link: Link, modified_at: datetime | None) -> None:
    """The shop's record carries the other's id now, and has this stamp."""
    link.woo_modified_at = link.woo_written_at = modified_at


def is_echo(link: Link, side: Side) -> bool:
    """Whether the side still shows the stamp that our own last write left there."""
    written_at = link.side(side.system).written_at
    return written_at is not None and side.modified_at == written_at
