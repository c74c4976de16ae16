"""Custom fields in the CRM of the small world, and mapping rows as an admin sends them."""

from typing import Any

import httpx

from app.domain import Module
from sandbox.vtiger.schema import CustomField
from tests.setting import SERVICE, STORE, TOKEN
from tests.world import World

LOYALTY = CustomField("cf_859", "Loyalty", "double")
LEVEL = CustomField("cf_861", "Level", "picklist", values=("Gold member", "Member"))
NEWSLETTER = CustomField("cf_863", "Newsletter", "boolean")
SINCE = CustomField("cf_865", "Customer since", "date")
INTERESTS = CustomField("cf_867", "Interests", "multipicklist", values=("Wine", "Cheese"))
VAT = CustomField("cf_869", "VAT number", length=30)
FIELDS = (LOYALTY, LEVEL, NEWSLETTER, SINCE, INTERESTS, VAT)

ROWS: dict[str, dict[str, Any]] = {
    "loyalty": {"woo": "meta:points", "vtiger": "cf_859", "transform": "decimal"},
    "level": {
        "woo": "meta:level",
        "vtiger": "cf_861",
        "transform": "picklist",
        "pairs": {"gold": "Gold member", "basic": "Member"},
    },
    "newsletter": {"woo": "meta:newsletter", "vtiger": "cf_863", "transform": "boolean"},
    "since": {"woo": "meta:since", "vtiger": "cf_865", "transform": "date"},
    "interests": {"woo": "meta:interests", "vtiger": "cf_867", "transform": "multi_picklist"},
    "vat": {"woo": "meta:vat_number", "vtiger": "cf_869"},
}


def add_fields(world: World, module: str = "Contacts") -> None:
    for field in FIELDS:
        world.sandbox.crm.ui_add_field(module, field)


async def call(
    world: World, method: str, path: str, *, body: object = None, token: str = TOKEN
) -> httpx.Response:
    """A request to the service, as an admin unless another token is given."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=world.doorway, base_url=SERVICE) as client:
        return await client.request(method, path, json=body, headers=headers)


async def add_row(world: World, row_id: str, module: Module = Module.CONTACTS, **more: Any) -> Any:
    """The mapping after a row of ROWS, or one told whole, was added."""
    row = {"id": row_id, **ROWS.get(row_id, {}), **more}
    answer = await call(world, "POST", f"/mappings/{STORE}/{module}", body=row)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def change_row(
    world: World, row_id: str, module: Module = Module.CONTACTS, **row: Any
) -> Any:
    answer = await call(world, "PUT", f"/mappings/{STORE}/{module}/{row_id}", body=row)
    assert answer.status_code == 200, answer.text
    return answer.json()


def meta_of(record: Any) -> dict[str, Any]:
    """A shop record's meta by key."""
    return {row["key"]: row["value"] for row in record["meta_data"]}
