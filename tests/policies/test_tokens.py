"""Tokens: shown once, kept as a digest, gone when revoked."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.db.session import Sessions, transaction
from app.domain import Scope, utc_now
from app.policies.access import (
    Expired,
    create_token,
    find_token,
    find_token_in_force,
    revoke_token,
    search_expiring,
    search_tokens,
)
from app.policies.models import ApiToken

pytestmark = pytest.mark.anyio


async def create(sessions: Sessions, scope: Scope = Scope.READ) -> tuple[ApiToken, str]:
    async with transaction(sessions) as session:
        return await create_token(session, "dashboard", scope=scope)


async def find(sessions: Sessions, secret: str) -> ApiToken | Expired | None:
    async with transaction(sessions) as session:
        return await find_token(session, secret)


async def test_a_created_token_is_found_by_its_secret_alone(sessions: Sessions) -> None:
    token, secret = await create(sessions)
    found = await find(sessions, secret)
    assert isinstance(found, ApiToken)
    assert (found.id, found.scope) == (token.id, "read")
    for other in ("", secret[:-1], secret.upper(), token.digest, "wv_\udc00"):
        assert await find(sessions, other) is None


async def test_secrets_are_long_differ_and_are_not_in_the_database(sessions: Sessions) -> None:
    secrets = {(await create(sessions))[1] for _ in range(3)}
    assert len(secrets) == 3
    async with sessions() as session:
        rows = str((await session.execute(text("SELECT t::text FROM api_tokens t"))).all())
    for secret in secrets:
        assert secret.startswith("wv_")
        assert len(secret) >= 46
        assert secret not in rows


async def test_a_revoked_token_is_listed_but_opens_nothing(sessions: Sessions) -> None:
    token, secret = await create(sessions)
    async with transaction(sessions) as session:
        assert await revoke_token(session, token.id)
    assert await find(sessions, secret) is None
    async with transaction(sessions) as session:
        assert not await revoke_token(session, token.id)
        assert [row.revoked_at is not None for row in await search_tokens(session)] == [True]


async def test_an_expired_token_opens_nothing_and_is_told_from_a_wrong_one(
    sessions: Sessions,
) -> None:
    now = utc_now()
    async with transaction(sessions) as session:
        token, secret = await create_token(
            session, "dashboard", scope=Scope.READ, expires_at=now + timedelta(days=1)
        )
    assert isinstance(await find(sessions, secret), ApiToken)
    async with transaction(sessions) as session:
        (await session.get_one(ApiToken, token.id)).expires_at = now
    assert await find(sessions, secret) == Expired(now)
    async with transaction(sessions) as session:
        assert await find_token_in_force(session, token.id) is None
        await revoke_token(session, token.id)
    assert await find(sessions, secret) is None


async def test_tokens_that_expire_within_two_weeks_are_found(sessions: Sessions) -> None:
    days = (-15, -1, 13, 15, None)
    async with transaction(sessions) as session:
        for number in days:
            expires_at = None if number is None else utc_now() + timedelta(days=number)
            await create_token(session, str(number), scope=Scope.READ, expires_at=expires_at)
        assert [token.name for token in await search_expiring(session)] == ["-1", "13"]


async def test_its_use_is_noted(sessions: Sessions) -> None:
    token, secret = await create(sessions)
    assert token.last_used_at is None
    await find(sessions, secret)
    async with sessions() as session:
        assert (await session.get_one(ApiToken, token.id)).last_used_at is not None


@pytest.mark.parametrize(
    ("held", "wanted", "covered"),
    [
        (Scope.READ, Scope.READ, True),
        (Scope.READ, Scope.ADMIN, False),
        (Scope.ADMIN, Scope.READ, True),
        (Scope.ADMIN, Scope.ADMIN, True),
    ],
)
def test_admin_includes_read(held: Scope, wanted: Scope, *, covered: bool) -> None:
    assert held.covers(wanted) is covered
