"""What answers of the mapping routes look like, for the OpenAPI document."""

from typing import Any

_PLAIN_ROW: dict[str, Any] = {
    "direction": "both",
    "transform": "text",
    "write": "always",
    "required": [],
    "given": "",
    "size": None,
    "pairs": [],
    "value": "",
    "notation": "yes/no",
    "separator": ",",
    "comment": "",
    "problems": [],
}
MAPPING: dict[str, Any] = {
    "store": "main",
    "module": "contacts",
    "version": 3,
    "updated_at": "2026-11-24T09:10:00Z",
    "updated_by": "ada",
    "checked": True,
    "items": [
        _PLAIN_ROW
        | {
            "id": "mobile",
            "origin": "changed",
            "woo": ["shipping.phone"],
            "vtiger": "mobile",
            "vtiger_label": "Mobile Phone",
            "vtiger_type": "phone",
            "direction": "off",
            "transform": "phone",
        },
        _PLAIN_ROW
        | {
            "id": "level",
            "origin": "custom",
            "woo": ["meta:level"],
            "vtiger": "cf_861",
            "vtiger_label": "Level",
            "vtiger_type": "picklist",
            "transform": "picklist",
            "pairs": [["gold", "Gold member"], ["basic", "Member"]],
            "comment": "Of the loyalty plugin.",
        },
    ],
    "problems": [],
}
ROW_IN: dict[str, Any] = {
    "id": "level",
    "woo": ["meta:level"],
    "vtiger": "cf_861",
    "transform": "picklist",
    "pairs": [["gold", "Gold member"], ["basic", "Member"]],
    "comment": "Of the loyalty plugin.",
}
VERSIONS: dict[str, Any] = {
    "items": [
        {
            "version": 3,
            "created_at": "2026-11-24T09:10:00Z",
            "created_by": "ada",
            "message": "Added row level.",
            "added": ["level"],
            "changed": [],
            "removed": [],
            "rows": [ROW_IN],
        }
    ],
    "next_before": 3,
}

FIELDS: dict[str, Any] = {
    "woocommerce": [
        {
            "name": "meta:level",
            "label": "Meta level",
            "type": "text",
            "writable": True,
            "mandatory": False,
            "reserved": "",
            "choices": [],
            "example": "gold",
            "written_by": "",
        }
    ],
    "vtiger": [
        {
            "name": "cf_861",
            "label": "Level",
            "type": "picklist",
            "writable": True,
            "mandatory": False,
            "reserved": "",
            "choices": ["Gold member", "Member"],
            "example": "",
            "written_by": "",
        }
    ],
    "transforms": [{"name": "picklist", "meaning": "A value by the table `pairs`."}],
}
PREVIEW: dict[str, Any] = {
    "label": "Ada Lovelace <ada@shop.example>",
    "woocommerce_id": "7",
    "vtiger_id": "12x34",
    "reason": None,
    "message": "",
    "fields": [
        {
            "row": "level",
            "woocommerce": "gold",
            "vtiger": "",
            "act": "to_vtiger",
            "reason": "",
            "message": "",
        }
    ],
    "to_woocommerce": {},
    "to_vtiger": {"cf_861": "Gold member"},
    "problems": [],
}
