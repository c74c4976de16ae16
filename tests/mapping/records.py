"""Records to map: recorded ones, and made-up ones with the fields that a test is about."""

import json
from pathlib import Path
from typing import Any

from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

RECORDINGS = Path(__file__).parent.parent / "recordings"


def recorded(name: str) -> Any:
    """The answer's body of a recorded exchange."""
    return json.loads((RECORDINGS / name).read_text(encoding="utf-8"))["response"]["body"]


def customer(**fields: Any) -> WooRecord:
    blank = {"email": "anna@x.example", "first_name": "", "last_name": "", "meta_data": []}
    return WooRecord({"id": 7, **blank, "billing": {}, "shipping": {}, **fields})


def contact(**fields: str) -> VtigerRecord:
    return VtigerRecord("12x8", "Contacts", {"id": "12x8", **fields})
