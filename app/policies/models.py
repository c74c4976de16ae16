"""Tables of settings and mappings that users changed, and of tokens, sessions and secrets."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.session import Base, Numbered


class SyncSetting(Base):
    """The settings of one module of one store that differ from the defaults, as JSON."""

    __tablename__ = "sync_settings"

    store: Mapped[str] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(primary_key=True)
    values: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str]


class MappingVersion(Base):
    """All rows that users added to the mapping of one module of one store, in one version."""

    __tablename__ = "mapping_versions"

    store: Mapped[str] = mapped_column(primary_key=True)
    module: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rows: Mapped[list[Any]]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    message: Mapped[str]


class SettingsVersion(Base):
    """A number that grows with each change of settings, mappings, status tables and setup
    records: triggers raise it (decision 30)."""

    __tablename__ = "settings_version"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]


class StatusTableVersion(Base):
    """The order statuses of one store, in one version: the rows of its table, none for the default
    table, and the status of new orders in Vtiger that no row has."""

    __tablename__ = "status_tables"

    store: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rows: Mapped[list[Any]]
    new_order: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    message: Mapped[str]


class ApiToken(Numbered, Base):
    """A bearer token: only its SHA-256 is stored, which suffices for 256 random bits."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index("uq_api_tokens_digest", "digest", unique=True),)

    name: Mapped[str]
    digest: Mapped[str]
    scope: Mapped[str]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SharedSecret(Base):
    """A random secret by its purpose, such as signing the cookies of the pages."""

    __tablename__ = "shared_secrets"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class WebSession(Base):
    """A session of the pages. Only a digest of the cookie's nonce is stored."""

    __tablename__ = "web_sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
