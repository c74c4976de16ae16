"""How calls reach webservice.php, whatever address was set, and who they say they are."""

import pytest

from app.domain import ConfigError
from app.vtiger.client import open_vtiger
from tests.vtiger.crm import connect, open_crm, recorded

pytestmark = pytest.mark.anyio


async def test_user_id_comes_with_the_login() -> None:
    client, crm = open_crm(recorded("02-listtypes"))
    assert await client.user_id() == "19x5"
    assert await client.user_id() == "19x5"
    assert len(crm.calls) == 1


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://crm.test", "/webservice.php"),
        ("https://crm.test/vt/", "/vt/webservice.php"),
        ("https://crm.test/vt/index.php?module=Home", "/vt/webservice.php"),
        ("https://u:p@crm.test/webservice.php", "/webservice.php"),
    ],
)
async def test_the_crm_is_found_from_any_of_its_addresses(url: str, path: str) -> None:
    _, crm = open_crm(recorded("02-listtypes"))
    await connect(crm, url=url).list_types()
    assert {one.path for one in crm.asked} == {path}
    assert "authorization" not in crm.asked[0].headers


@pytest.mark.parametrize("url", ["", "crm.test", "https://crm.test:port"])
def test_an_address_that_is_none_is_a_setting_to_mend(url: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        open_vtiger(url, username="u", access_key="k")


async def test_logins_carry_our_name_and_timeouts_too() -> None:
    client, crm = open_crm(recorded("02-listtypes"))
    await client.list_types()
    assert len(crm.asked) == 3
    for asked in crm.asked:
        assert asked.headers["user-agent"].startswith("woo-vtiger/")
        assert asked.timeout["connect"] == 5.0
