"""Wrong input into the fields of every form is refused in words that the pages themselves use."""

import html
import re

import httpx
import pytest

from app.domain import Module
from app.policies.repository import SyncPolicy, get_policy, is_country
from app.reasons import REASONS
from app.runtime import Runtime
from app.web.words import REMEDY_PAGES, SETTINGS, fields_of, prose
from tests.setting import SERVICE, TOKEN
from tests.web.browsing import Browser
from tests.web.test_settings import AS_DELIVERED
from tests.world import open_world

pytestmark = pytest.mark.anyio

FOREIGN = re.compile(
    r"[Ii]nput should|[Ss]tring should|[Vv]alue error|should match|valid integer|is not a valid"
    r"|[Tt]uple|literal for|\b(GET|POST|PUT) /|docs/|_to_(vtiger|woo)\b|\^\["
)
"""What a program says to programmers."""
WRONG = ("", "sideways", "<b>", "-1", "x" * 4000, "a\tb", ",".join(map(str, range(300))))
ROW = {"version": "0", "woo": "meta:vat", "vtiger": "fax", "transform": "text", "separator": ","}
ROW_FIELDS = (
    *("id", "woo", "vtiger", "transform", "direction", "write", "given", "size", "pairs"),
    *("value", "notation", "separator", "comment"),
)
LISTS = ("/ui/records", "/ui/deliveries", "/ui/conflicts", "/ui/runs", "/ui/runs/1")


def told(page: str) -> list[str]:
    """What a page says is wrong."""
    found = re.findall(
        r'<p class="error"[^>]*>(.*?)</p>|class="note bad"[^>]*>.*?<p>(.*?)</p>'
        r"|</h1>\s*<p>(.*?)</p>",
        page,
        re.DOTALL,
    )
    return [html.unescape(text) for parts in found for text in parts if text]


def check(answer: httpx.Response) -> None:
    """It went on, or says what is wrong as a person would."""
    if answer.status_code == 303:
        return
    assert answer.status_code in (404, 409, 422), answer.status_code
    assert told(answer.text)
    for text in told(answer.text):
        assert not FOREIGN.search(text), text


async def test_settings(admin: Browser) -> None:
    for module in Module:
        path = f"/ui/settings/main/{module}"
        fields = {field.name: field.text(SyncPolicy()) for field in fields_of(module)}
        for name in fields:
            for wrong in WRONG:
                check(await admin.post(path, on=path, **(fields | {name: wrong})))


async def test_runs(admin: Browser) -> None:
    for name in ("module", "direction", "since", "store", "repair_of"):
        for wrong in (*WRONG, "off", "9" * 40, "0" * 19 + "1" + "9" * 20):
            wanted = {"store": "main", "dry_run": "1"} | {name: wrong}
            check(await admin.post("/ui/runs", on="/ui/runs", **wanted))


async def test_a_module_that_is_off_is_named_as_the_pages_name_it(admin: Browser) -> None:
    path = "/ui/settings/main/contacts"
    chosen = {name: text for name, text in AS_DELIVERED.items() if name != "enabled"}
    await admin.post(path, on=path, **chosen)
    answer = await admin.post("/ui/runs", on="/ui/runs", store="main", module="contacts")
    assert "Contacts of store main is switched off." in answer.text
    assert '<a href="/ui/settings">Settings</a>' in answer.text


async def test_filters_and_places_in_lists(admin: Browser) -> None:
    names = ("q", "outcome", "module", "state", "since", "link_id", "run_id", "store", "plan")
    for path in LISTS:
        for name in (*names, "cursor"):
            for wrong in WRONG[1:]:
                answer = await admin.client.get(path, params={name: wrong})
                if answer.status_code != 200:
                    check(answer)


async def test_rows_of_a_mapping(database_url: str) -> None:
    async with (
        open_world(database_url, public_url=SERVICE) as world,
        httpx.AsyncClient(transport=world.doorway, base_url=SERVICE) as client,
    ):
        browser, way = Browser(client), "/ui/mappings/main/contacts/rows"
        await browser.sign_in(TOKEN)
        for name in ROW_FIELDS:
            for wrong in ("sideways!", "-1", "x" * 4000):
                check(await browser.post(f"{way}/new", on=f"{way}/new", **(ROW | {name: wrong})))
        for record_id in ("", "abc", "12x99"):
            fields = ROW | {"system": "woocommerce", "record_id": record_id}
            check(await browser.post(f"{way}/new/try", on=f"{way}/new", **fields))
        one_way = ROW | {"woo": "id", "direction": "both"}
        answer = await browser.post(f"{way}/new", on=f"{way}/new", **one_way)
        check(answer)
        assert "set the direction to “WooCommerce → Vtiger CRM”" in answer.text


@pytest.mark.parametrize(("typed", "kept"), [("de", "DE"), (" Fr ", "FR"), ("xk", "XK"), ("", "")])
async def test_a_country_is_known_however_it_is_typed(
    admin: Browser, runtime: Runtime, typed: str, kept: str
) -> None:
    path = "/ui/settings/main/taxes"
    chosen = {field.name: field.text(SyncPolicy()) for field in fields_of(Module.TAXES)}
    answer = await admin.post(path, on=path, **(chosen | {"tax_country": typed}))
    assert answer.status_code == 303
    async with runtime.sessions() as session:
        assert (await get_policy(session, "main", Module.TAXES)).tax_country == kept


@pytest.mark.parametrize(
    ("typed", "hint"), [("XX", "FR"), ("uk", "GB"), ("Germany", "DE"), ("D", "FR"), ("12", "FR")]
)
async def test_what_is_no_country_is_refused_with_what_to_give(
    admin: Browser, typed: str, hint: str
) -> None:
    path = "/ui/settings/main/taxes"
    chosen = {field.name: field.text(SyncPolicy()) for field in fields_of(Module.TAXES)}
    answer = await admin.post(path, on=path, **(chosen | {"tax_country": typed}))
    assert answer.status_code == 422
    assert f"There is no country “{typed}”: give its two letters, such as {hint}." in answer.text
    assert not is_country(typed)


def test_what_to_do_about_a_reason_names_settings_as_the_page_does_and_leads_there() -> None:
    assert set(REMEDY_PAGES) <= set(REASONS)
    remedy = str(prose(REASONS["direction_off"].remedy, "main", "contacts"))
    assert remedy.startswith(
        'Set <a href="/ui/settings/main/contacts">Direction</a> to “Both ways”, or'
    )
    for code, reason in REASONS.items():
        named = set(re.findall(r"`([^`]+)`", reason.remedy)) & set(SETTINGS)
        assert not named or REMEDY_PAGES[code][0] == "Settings", code
        for text in (reason.meaning, reason.remedy):
            assert not FOREIGN.search(str(prose(text))), text
            for name in SyncPolicy.model_fields:
                assert f"<code>{name}</code>" not in prose(text)
