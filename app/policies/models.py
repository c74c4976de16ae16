"""Tables of the users' choices, and of who may make them: tokens, sessions and secrets."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Numbered


class SyncSetting(Base):
    """One store and module's settings that differ from the defaults, as JSON."""

    __tablename__ = "sync_settings"

    store: Mapped[str] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(primary_key=True)
    values: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str]


class MappingVersion(Base):
    """All rows that users gave to one store and module's mapping, as one version had them."""

    __tablename__ = "mapping_versions"

    store: Mapped[str] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rows: Mapped[list[Any]]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    message: Mapped[str]


class ApiToken(Numbered, Base):
    """A bearer token: only its SHA-256 is kept, which suffices for 256 random bits."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index("uq_api_tokens_digest", "digest", unique=True),)

    name: Mapped[str]
    digest: Mapped[str]
    scope: Mapped[str]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SharedSecret(Base):
    """A random secret by what it is for, such as signing the cookies of the pages."""

    __tablename__ = "shared_secrets"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class WebSession(Base):
    """Somebody who is signed in to the pages. Of what the cookie holds only a digest is kept."""

    __tablename__ = "web_sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
