"""What all pages share: who may look, who may change, what every answer carries."""

import pytest
from fastapi import FastAPI

from app.domain import Module
from app.policies.repository import get_policy
from app.runtime import Runtime
from tests.api.rows import settled_hint
from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio

PAGES = (
    "/",
    "/ui/records",
    "/ui/records/1",
    "/ui/deliveries",
    "/ui/deliveries/1",
    "/ui/conflicts",
    "/ui/runs",
    "/ui/settings",
    "/ui/settings/main/contacts",
    "/ui/status",
    "/ui/nowhere",
)
FORMS = (
    "/ui/records/{entry}/replay",
    "/ui/deliveries/{delivery}/replay",
    "/ui/settings/main/contacts",
)


async def test_nothing_is_shown_to_strangers(stranger: Browser) -> None:
    for path in PAGES[:-1]:
        answer = await stranger.get(path)
        assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in"), path


async def test_every_answer_is_guarded_by_its_headers(admin: Browser) -> None:
    for path in (*PAGES, "/sign-in"):
        headers = (await admin.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


async def test_pages_bring_no_script_or_style_inside_them(admin: Browser, runtime: Runtime) -> None:
    await settled_hint(runtime)
    for path in PAGES:
        page = (await admin.get(path)).text
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick=" not in page
        assert page.count("<script") == 1
        assert '<script src="/ui/static/' in page


async def test_static_files_are_kept_by_their_version(stranger: Browser) -> None:
    page = (await stranger.get("/sign-in")).text
    address = page.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
    sheet = await stranger.get(address)
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in sheet.headers["cache-control"]


async def test_readers_see_no_buttons_that_change_things(
    admin: Browser, reader: Browser, runtime: Runtime
) -> None:
    delivery, entry = await settled_hint(runtime)
    for path in (f"/ui/records/{entry}", f"/ui/deliveries/{delivery}", FORMS[-1]):
        assert await _buttons(admin, path) - await _buttons(reader, path), path
        assert await _buttons(reader, path) == {"/sign-out"}, path


async def _buttons(browser: Browser, path: str) -> set[str]:
    """Where the page's forms with a button post to."""
    forms = (await browser.text(path)).split("<form")[1:]
    posting = [form.partition("</form>")[0] for form in forms if 'method="post"' in form]
    return {
        form.partition('action="')[2].partition('"')[0] for form in posting if "<button" in form
    }


async def test_readers_are_refused_what_changes_things(reader: Browser, runtime: Runtime) -> None:
    delivery, entry = await settled_hint(runtime)
    for form in FORMS:
        path = form.format(entry=entry, delivery=delivery)
        refused = await reader.post(path, on="/", direction="off")
        assert refused.status_code == 403
        assert "has read access only" in refused.text
    async with runtime.sessions() as session:
        assert (await get_policy(session, "main", Module.CONTACTS)).direction == "both"


async def test_pages_that_are_not_there_say_so_as_pages(admin: Browser) -> None:
    for path in (
        "/ui/records/999",
        "/ui/records/99999999999999999999999",
        "/ui/records/x",
        "/ui/deliveries/999",
        "/ui/settings/nowhere/contacts",
        "/ui/settings/main/coupons",
        "/ui/x/y",
    ):
        answer = await admin.get(path)
        assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html"), path
        assert "<h1>Not found</h1>" in answer.text


async def test_a_cursor_of_anothers_making_is_refused(admin: Browser) -> None:
    for path in ("/ui/records", "/ui/deliveries"):
        answer = await admin.get(f"{path}?cursor=abc")
        assert answer.status_code == 422
        assert "has an invalid position in the list" in answer.text


async def test_forms_of_any_size_are_not_read(admin: Browser) -> None:
    answer = await admin.client.post("/sign-in", content=b"a=" + b"x" * 300_000)
    assert answer.status_code == 413


async def test_forms_that_are_no_forms_are_refused(admin: Browser) -> None:
    for body in (b"a=%00", b"\xff\xfe=1", b"a=1&" * 2000):
        assert (await admin.client.post("/sign-in", content=body)).status_code == 400


async def test_the_pages_are_no_part_of_the_described_interface(app: FastAPI) -> None:
    assert not [path for path in app.openapi()["paths"] if path == "/" or path.startswith("/ui")]
