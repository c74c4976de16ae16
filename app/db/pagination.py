"""Keyset pagination: a cursor names the last row read, so rows added meanwhile shift no others.

A cursor is opaque to clients; its digest detects mistyped ones, and protects no secret."""

import base64
import binascii
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.domain import InvalidInput

T = TypeVar("T")

Key = tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[int]]

MOST_PER_PAGE = 500

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SHAPE = struct.Struct(">qq")
_DIGEST_BYTES = 5  # with the shape's 16 a multiple of 3: base64 without padding or slack bits


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position after a row, newest first."""

    at: datetime
    id: int

    def encode(self) -> str:
        place = _SHAPE.pack((self.at - _EPOCH) // _MICROSECOND, self.id)
        return base64.urlsafe_b64encode(place + _digest(place)).decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        try:
            return cls._parse(base64.b64decode(text, altchars=b"-_", validate=True))
        except (ValueError, OverflowError, binascii.Error, struct.error) as error:
            raise InvalidInput(
                "The cursor is not one that this service issued; start again without it.",
                "cursor",
            ) from error

    @classmethod
    def _parse(cls, raw: bytes) -> "Cursor":
        place, digest = raw[: _SHAPE.size], raw[_SHAPE.size :]
        if digest != _digest(place):
            raise ValueError("digest")
        microseconds, row_id = _SHAPE.unpack(place)
        return cls(_EPOCH + timedelta(microseconds=microseconds), row_id)


def _digest(place: bytes) -> bytes:
    return hashlib.sha256(b"cursor" + place).digest()[:_DIGEST_BYTES]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of rows; `next_cursor` is None on the last page."""

    items: list[T]
    next_cursor: str | None


async def fetch_page(
    session: AsyncSession,
    statement: Select[T],
    *,
    key: Key,
    cursor: str | None,
    limit: int,
) -> Page[T]:
    """One page of the statement's rows, newest first by the key."""
    at, row_id = key
    if cursor is not None:
        after = Cursor.decode(cursor)
        statement = statement.where(tuple_(at, row_id) < tuple_(after.at, after.id))
    ordered = statement.order_by(at.desc(), row_id.desc()).limit(limit + 1)
    return page_of(list(await session.scalars(ordered)), key=key, limit=limit)


def page_of(rows: Sequence[T], *, key: Key, limit: int) -> Page[T]:
    """The page of the first `limit` rows, newest first by the key. One row more means that there is
    another page."""
    more = len(rows) > limit
    return Page(list(rows[:limit]), _cursor_after(rows[limit - 1], key) if more else None)


def _cursor_after(row: Any, key: Key) -> str:
    at, row_id = key
    return Cursor(getattr(row, at.key), getattr(row, row_id.key)).encode()
