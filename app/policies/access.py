"""Who may use the service: API tokens, sessions of the pages, shared secrets, and limits on wrong
credentials."""

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network

from pydantic import SecretStr
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import Scope
from app.observability import REFUSED
from app.policies.models import ApiToken, SharedSecret, WebSession

# Wrong credentials at every door of the service: counted, and slowed down by where they come from.
#
# Each process counts for itself. A right credential is never asked how many wrong ones came before
# it, so nobody can lock out others who share an address.

MOST_FAILURES = 10
WINDOW = timedelta(minutes=5)
MOST_CALLERS = 10_000
IPV6_NETWORK_BITS = 64
"""One customer of a provider has a network of this size, all of whose addresses are theirs."""


class Door(StrEnum):
    """Where a credential is asked for."""

    SIGN_IN = "sign_in"
    API = "api"
    WEBHOOK = "webhook"
    CALLBACK = "callback"
    ADDON = "addon"


class Refusal(StrEnum):
    """Why somebody was not let in. Only wrong credentials are slowed down: whoever sends none, or
    one that was right until a moment ago, does not guess."""

    MISSING = "missing"
    WRONG = "wrong"
    THROTTLED = "throttled"
    EXPIRED = "expired"
    STALE = "stale"


def count_refusal(door: Door, why: Refusal) -> None:
    REFUSED.labels(door, why).inc()


@dataclass(slots=True)
class Attempts:
    """Wrong credentials of the last minutes, by door and address; the addresses that failed
    longest ago are forgotten first."""

    clock: Callable[[], datetime]
    _failures: OrderedDict[tuple[Door, str], deque[datetime]] = field(default_factory=OrderedDict)

    def failed(self, door: Door, address: str) -> int:
        """Count a wrong credential. Seconds until one from this address is counted anew; 0 while
        there were not too many."""
        wait = self.wait_s(door, address)
        count_refusal(door, Refusal.THROTTLED if wait else Refusal.WRONG)
        if not wait:
            key = (door, network_of(address))
            self._failures.setdefault(key, deque(maxlen=MOST_FAILURES)).append(self.clock())
            self._failures.move_to_end(key)
            if len(self._failures) > MOST_CALLERS:
                self._failures.popitem(last=False)
        return wait

    def wait_s(self, door: Door, address: str) -> int:
        """Seconds for which wrong credentials from this address are answered 429; 0: none."""
        now = self.clock()
        recent = self._failures.get((door, network_of(address)), deque())
        while recent and recent[0] + WINDOW <= now:
            recent.popleft()
        if len(recent) < MOST_FAILURES:
            return 0
        return max(1, round((recent[0] + WINDOW - now).total_seconds()))


def network_of(address: str) -> str:
    """The address itself, or the network of an IPv6 address; "" for what is none."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), IPV6_NETWORK_BITS), strict=False))


# Random secrets that all processes of the service share and no restart changes.


async def get_secret(session: AsyncSession, name: str) -> str:
    """256 random bits as text; made by whoever asks first."""
    drawn = insert(SharedSecret).values(name=name, value=secrets.token_urlsafe(32))
    await session.execute(drawn.on_conflict_do_nothing())
    kept = await session.scalars(select(SharedSecret.value).where(SharedSecret.name == name))
    return kept.one()


# Who is signed in to the pages: kept in the database, so that signing out ends a session in every
# process and for every copy of its cookie.


def _nonce_digest(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()


async def begin_session(session: AsyncSession, nonce: str, *, lasts: timedelta) -> None:
    """`nonce` is what tells this session from all others. Sessions that are over are removed."""
    await session.execute(delete(WebSession).where(WebSession.expires_at <= func.now()))
    expires_at = func.now() + lasts
    session.add(WebSession(digest=_nonce_digest(nonce), expires_at=expires_at))
    await session.flush()


async def is_session_open(session: AsyncSession, nonce: str) -> bool:
    found = select(WebSession.digest).where(
        WebSession.digest == _nonce_digest(nonce), WebSession.expires_at > func.now()
    )
    return await session.scalar(found) is not None


async def end_session(session: AsyncSession, nonce: str) -> None:
    """Nothing happens where it has ended already."""
    await session.execute(delete(WebSession).where(WebSession.digest == _nonce_digest(nonce)))


PREFIX = "wv_"
EXPIRES_SOON = timedelta(days=14)
BOOTSTRAP = "API_TOKENS"
"""The name of those who come with a token of the settings, which has scope admin and no row."""

_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_USE_NOTED_EVERY = timedelta(minutes=5)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Expired:
    """A token that was in force until the moment `at`."""

    at: datetime


def find_bootstrap(tokens: Iterable[SecretStr], secret: str) -> str | None:
    """The one of the settings' tokens that this is. All are compared, each in constant time."""
    given = secret.encode("utf-8", "replace")
    matches = [
        token.get_secret_value()
        for token in tokens
        if hmac.compare_digest(token.get_secret_value().encode(), given)
    ]
    return matches[0] if matches else None


async def create_token(
    session: AsyncSession, name: str, *, scope: Scope, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """The row, and the token itself, which nothing can show again. Without `expires_at` it is in
    force until somebody revokes it."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(name=name, digest=_digest(secret), scope=scope, expires_at=expires_at)
    session.add(token)
    await session.flush()
    return token, secret


async def find_token(session: AsyncSession, secret: str) -> ApiToken | Expired | None:
    """The token in force with this secret; that it was used is noted every few minutes. What has
    not the form of a token costs no query."""
    if _FORM.fullmatch(secret) is None:
        return None
    wanted = ApiToken.digest == _digest(secret)
    found = await session.execute(
        select(ApiToken, ApiToken.expires_at <= func.now()).where(
            wanted, ApiToken.revoked_at.is_(None)
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    token, has_expired = row
    if has_expired and token.expires_at is not None:
        return Expired(token.expires_at)
    stale = ApiToken.last_used_at < func.now() - _USE_NOTED_EVERY
    unnoted = or_(ApiToken.last_used_at.is_(None), stale)
    await session.execute(update(ApiToken).where(wanted, unnoted).values(last_used_at=func.now()))
    return token


async def find_token_in_force(session: AsyncSession, token_id: int) -> ApiToken | None:
    """For who has proved before that the token is theirs."""
    unexpired = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > func.now())
    found = select(ApiToken).where(
        ApiToken.id == token_id, ApiToken.revoked_at.is_(None), unexpired
    )
    token: ApiToken | None = await session.scalar(found)
    return token


async def search_expiring(session: AsyncSession) -> Sequence[ApiToken]:
    """Tokens that expire within two weeks or did so in the last two, the soonest first."""
    near = ApiToken.expires_at.between(func.now() - EXPIRES_SOON, func.now() + EXPIRES_SOON)
    found = select(ApiToken).where(near, ApiToken.revoked_at.is_(None))
    return (await session.scalars(found.order_by(ApiToken.expires_at, ApiToken.id))).all()


async def search_tokens(session: AsyncSession) -> Sequence[ApiToken]:
    """Every token ever made, revoked and expired ones included, oldest first."""
    return (await session.scalars(select(ApiToken).order_by(ApiToken.id))).all()


async def revoke_token(session: AsyncSession, token_id: int) -> bool:
    """False if there is no such token in force."""
    revoked = await session.scalar(
        update(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiToken.id)
    )
    return revoked is not None
