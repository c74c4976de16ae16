"""Sessions: who gets one, what it is worth, how it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from sqlalchemy import text

from app.config.settings import Settings
from app.db.session import transaction
from app.domain import Scope
from app.http.attempts import MOST_FAILURES
from app.main import create_app
from app.policies.access import create_token, revoke_token
from app.policies.models import ApiToken
from app.runtime import Runtime
from app.web.session import COOKIE
from tests.api.calls import ADMIN
from tests.api.conftest import BASE
from tests.web.browsing import Browser, new_token

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def another(settings: Settings, base: str = BASE) -> AsyncIterator[Browser]:
    """A browser that talks to another process of the service."""
    app = create_app(settings, worker=False)
    async with LifespanManager(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            yield Browser(client)


async def test_a_stranger_is_led_to_the_door_and_back(stranger: Browser) -> None:
    away = await stranger.get("/ui/records?outcome=skipped&q=Zo%C3%AB")
    door = away.headers["location"]
    shown = await stranger.text(door)
    entered = await stranger.post(
        "/sign-in", on=door, token=ADMIN, next="/ui/records?outcome=skipped&q=Zo%C3%AB"
    )

    assert (away.status_code, door.startswith("/sign-in?next=")) == (303, True)
    assert 'value="/ui/records?outcome=skipped&amp;q=Zo%C3%AB"' in shown
    assert entered.headers["location"] == "/ui/records?outcome=skipped&q=Zo%C3%AB"
    assert "Records" in await stranger.text(entered.headers["location"])


@pytest.mark.parametrize("way", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
async def test_the_door_leads_to_pages_of_ours_only(stranger: Browser, way: str) -> None:
    entered = await stranger.post("/sign-in", on="/sign-in", token=ADMIN, next=way)
    assert entered.headers["location"] == "/"


async def test_the_cookie_is_kept_from_scripts_and_from_other_sites(stranger: Browser) -> None:
    entered = await stranger.sign_in(ADMIN)
    cookie = entered.headers["set-cookie"].casefold()
    assert {"httponly", "samesite=lax", "path=/"} <= set(cookie.split("; "))
    assert "secure" not in cookie.split("; ")
    assert ADMIN not in cookie


@pytest.mark.parametrize("public_url", ["https://sync.shop.example", None])
async def test_by_https_the_cookie_never_goes_in_the_clear(
    settings: Settings, public_url: str | None
) -> None:
    chosen = settings.model_copy(update={"public_url": public_url})
    async with another(chosen, "https://sync.shop.example") as browser:
        entered = await browser.sign_in(ADMIN)
    assert "secure" in entered.headers["set-cookie"].casefold().split("; ")


async def test_a_wrong_token_is_told_and_opens_nothing(stranger: Browser) -> None:
    refused = await stranger.sign_in("wv_nobodys")
    assert refused.status_code == 422
    assert "Invalid or revoked token." in refused.text
    assert "wv_nobodys" not in refused.text
    assert (await stranger.get("/")).headers["location"] == "/sign-in"


async def test_guessing_is_slowed_down_and_the_right_token_is_taken(stranger: Browser) -> None:
    for _ in range(MOST_FAILURES):
        assert (await stranger.sign_in("guess")).status_code == 422
    refused = await stranger.sign_in("guess")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    assert "Too many wrong tokens" in refused.text
    assert (await stranger.sign_in(ADMIN)).status_code == 303


async def test_a_form_without_a_token_is_no_guess(stranger: Browser) -> None:
    for _ in range(MOST_FAILURES + 1):
        answer = await stranger.sign_in(" ")
    assert (answer.status_code, "Enter a token." in answer.text) == (422, True)


async def test_an_expired_token_opens_nothing_and_is_told_so(
    stranger: Browser, runtime: Runtime
) -> None:
    async with transaction(runtime.sessions) as session:
        _, secret = await create_token(
            session, "old", scope=Scope.ADMIN, expires_at=runtime.clock()
        )
    refused = await stranger.sign_in(secret)
    assert (refused.status_code, "This token expired on" in refused.text) == (422, True)


async def test_a_token_that_expires_ends_its_sessions(stranger: Browser, runtime: Runtime) -> None:
    token_id, secret = await new_token(runtime, Scope.ADMIN)
    await stranger.sign_in(secret)
    async with transaction(runtime.sessions) as session:
        (await session.get_one(ApiToken, token_id)).expires_at = runtime.clock()
    assert (await stranger.get("/")).headers["location"] == "/sign-in"


async def test_a_revoked_token_ends_its_sessions(stranger: Browser, runtime: Runtime) -> None:
    token_id, secret = await new_token(runtime, Scope.ADMIN, "Zoë")
    await stranger.sign_in(secret)
    assert "Zoë" in await stranger.text("/")
    async with transaction(runtime.sessions) as session:
        await revoke_token(session, token_id)
    assert (await stranger.get("/")).headers["location"] == "/sign-in"


async def test_a_token_that_left_the_settings_ends_its_sessions(
    admin: Browser, settings: Settings
) -> None:
    cookie = admin.client.cookies[COOKIE]
    without = settings.model_copy(update={"api_tokens": ()})
    async with another(without) as browser:
        browser.client.cookies.set(COOKIE, cookie)
        assert (await browser.get("/")).headers["location"] == "/sign-in"


async def test_all_processes_know_a_session_and_so_does_a_restarted_one(
    admin: Browser, settings: Settings
) -> None:
    cookie = admin.client.cookies[COOKIE]
    async with another(settings) as browser:
        browser.client.cookies.set(COOKIE, cookie)
        assert "Sync Log" in await browser.text("/")


async def test_signing_out_ends_the_session(admin: Browser) -> None:
    left = await admin.post("/sign-out", on="/")
    assert left.headers["location"] == "/sign-in"
    assert (await admin.get("/")).headers["location"] == "/sign-in"


async def test_a_copied_cookie_is_void_after_sign_out_in_every_process(
    admin: Browser, settings: Settings
) -> None:
    copied = admin.client.cookies[COOKIE]
    async with another(settings) as thief:
        thief.client.cookies.set(COOKIE, copied)
        assert "Sync Log" in await thief.text("/")
        await admin.post("/sign-out", on="/")
        thief.client.cookies.set(COOKIE, copied)
        assert (await thief.get("/")).headers["location"] == "/sign-in"


async def test_signing_in_anew_ends_the_session_before(admin: Browser) -> None:
    before = admin.client.cookies[COOKIE]
    await admin.sign_in(ADMIN)
    assert "Sync Log" in await admin.text("/")
    admin.client.cookies.clear()
    admin.client.cookies.set(COOKIE, before)
    assert (await admin.get("/")).headers["location"] == "/sign-in"


async def test_a_session_ends_by_itself_in_time(admin: Browser, runtime: Runtime) -> None:
    async with transaction(runtime.sessions) as session:
        await session.execute(text("UPDATE web_sessions SET expires_at = now()"))
    assert (await admin.get("/")).headers["location"] == "/sign-in"
    await admin.sign_in(ADMIN)
    async with runtime.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM web_sessions")) == 1


async def test_a_cookie_that_was_tampered_with_is_nobodys(admin: Browser) -> None:
    cookie = admin.client.cookies[COOKIE]
    for forged in (cookie[:-2], "x" + cookie, cookie.partition(".")[0], "é"):
        admin.client.cookies.clear()
        headers = [(b"cookie", f"{COOKIE}={forged}".encode())]
        answer = await admin.client.get("/", headers=headers)
        assert answer.headers["location"] == "/sign-in", forged


async def test_a_browser_without_cookies_is_told_so(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        answer = await client.post("/sign-in", data={"token": ADMIN})
    assert answer.status_code == 422
    assert "Allow cookies" in answer.text


async def test_a_form_of_another_session_is_refused(admin: Browser, stranger: Browser) -> None:
    foreign = await stranger.client.get("/sign-in")
    token = foreign.text.partition('name="form_token" value="')[2].partition('"')[0]
    for fields in ({"form_token": token}, {}):
        for path in ("/sign-out", "/ui/settings/main/contacts", "/sign-in"):
            refused = await admin.client.post(path, data=fields)
            assert (refused.status_code, path) == (403, path)
            assert "out of date" in refused.text
    assert "Sync Log" in await admin.text("/")
