"""Examples of responses and requests for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from app.domain import Module, Outcome, System

# Mapping routes

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

# Status table routes

_STATUS_ROWS: list[dict[str, Any]] = [
    {"shop": "processing", "vtiger": "Approved", "direction": "both"},
    {"shop": "packed", "vtiger": "Packed", "direction": "both"},
    {"shop": "failed", "vtiger": "Cancelled", "direction": "woo_to_vtiger"},
]
STATUS_TABLE: dict[str, Any] = {
    "store": "main",
    "version": 2,
    "origin": "own",
    "updated_at": "2026-12-01T09:10:00Z",
    "updated_by": "ada",
    "new_order": "Created",
    "rows": _STATUS_ROWS,
    "shop_statuses": [
        {"slug": "processing", "name": "Processing", "orders": 41, "mapped": True},
        {"slug": "packed", "name": "Packed", "orders": 7, "mapped": True},
        {"slug": "backordered", "name": "Backordered", "orders": 2, "mapped": False},
    ],
    "shop_listed": True,
    "vtiger_statuses": [
        {"value": "Approved", "mapped": True},
        {"value": "Packed", "mapped": True},
        {"value": "Delivered", "mapped": False},
    ],
}
STATUS_PREVIEW: dict[str, Any] = {
    "message": "The table changes 9 orders (9 open): 2 in the shop, 7 in Vtiger. WooCommerce sends "
    "2 e-mails to customers because of it.",
    "orders": 9,
    "open_orders": 9,
    "mails": 2,
    "mails_known": True,
    "changes": [
        {
            "orders": 7,
            "shop": "packed",
            "vtiger": "Approved",
            "target": "vtiger",
            "before": "Approved",
            "after": "Packed",
            "open": True,
            "mail": None,
            "plugin_status": False,
        },
        {
            "orders": 2,
            "shop": "processing",
            "vtiger": "Shipped",
            "target": "woocommerce",
            "before": "processing",
            "after": "completed",
            "open": True,
            "mail": "customer_completed_order",
            "plugin_status": False,
        },
    ],
    "warnings": [],
}
STATUS_VERSIONS: dict[str, Any] = {
    "items": [
        {
            "version": 2,
            "created_at": "2026-12-01T09:10:00Z",
            "created_by": "ada",
            "message": "Changed the table.",
            "new_order": "",
            "rows": _STATUS_ROWS,
        }
    ],
    "next_before": 2,
}

# Fields of both systems

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


ENTRY: dict[str, Any] = {
    "id": "1042",
    "occurred_at": "2026-11-24T09:15:02.118245Z",
    "store": "main",
    "module": "contacts",
    "target": "vtiger",
    "source_id": "7",
    "target_id": "12x34",
    "link_id": "5",
    "event": "updated",
    "outcome": "updated",
    "reason": None,
    "message": "Updated 1 field.",
    "label": "Ada Lovelace",
    "attempts": 1,
    "duration_ms": 184,
    "delivery_count": 1,
    "run_id": None,
}

DELIVERY: dict[str, Any] = {
    "id": "2077",
    "received_at": "2026-11-24T09:15:01.902113Z",
    "last_received_at": "2026-11-24T09:15:01.902113Z",
    "origin": "webhook",
    "source": "woocommerce",
    "store": "main",
    "module": "contacts",
    "kind": "customer",
    "event": "updated",
    "record_id": "7",
    "remote_note": "customer.updated",
    "duplicates": 0,
    "state": "done",
    "attempts": 1,
    "next_attempt_at": None,
    "settled_at": "2026-11-24T09:15:02.118245Z",
    "last_reason": None,
    "last_error": None,
    "sync_log_id": "1042",
    "run_id": None,
    "held": None,
}

ENTRY_DETAIL = ENTRY | {
    "changes": [{"field": "phone", "old": "555 0100", "new": "555 0199", "source": "woocommerce"}],
    "notes": [],
    "conflicts": [],
    "deliveries": [DELIVERY],
}

_NOTHING = dict.fromkeys(Outcome, 0)

SUMMARY: dict[str, Any] = {
    System.WOOCOMMERCE: dict.fromkeys(Module, _NOTHING),
    System.VTIGER: dict.fromkeys(Module, _NOTHING) | {Module.CONTACTS: _NOTHING | {"created": 42}},
}

EXPORT_CSV = (
    '"id","occurred_at","store","module","target","source_id","target_id","link_id","event",'
    '"outcome","reason","message","label","attempts","duration_ms","delivery_count","run_id"\r\n'
    '"1042","2026-11-24T09:15:02.118245Z","main","contacts","vtiger","7","12x34","5","updated",'
    '"updated","","Updated 1 field.","Ada Lovelace","1","184","1",""\r\n'
)

SETTINGS: dict[str, Any] = {
    "store": "main",
    "module": "contacts",
    "updated_at": "2026-11-24T09:15:02.118245Z",
    "updated_by": "ops",
    "enabled": True,
    "direction": "both",
    "conflict_policy": "latest_wins",
    "delete_policy": "ignore",
    "ambiguous_match": "skip",
    "too_long": "cut",
    "create_in_shop": "with_orders",
    "from_other_shops": False,
    "roles": ["customer"],
}

LINK: dict[str, Any] = {
    "id": "5",
    "store": "main",
    "module": "contacts",
    "woocommerce_id": "7",
    "vtiger_id": "12x34",
    "created_at": "2026-11-20T08:00:00Z",
    "updated_at": "2026-11-24T09:15:02.118245Z",
    "woocommerce_modified_at": "2026-11-24T09:14:58Z",
    "vtiger_modified_at": "2026-11-24T09:15:02Z",
    "woocommerce_deleted_at": None,
    "vtiger_deleted_at": None,
    "delete_held_at": None,
}

CONFLICT: dict[str, Any] = {
    "id": "31",
    "store": "main",
    "module": "contacts",
    "link_id": "5",
    "woocommerce_id": "7",
    "vtiger_id": "12x34",
    "label": "Ada Lovelace <ada@shop.example>",
    "field": "phone",
    "woocommerce": "555 0100",
    "vtiger": "555 0199",
    "woocommerce_modified_at": "2026-11-24T09:14:58Z",
    "vtiger_modified_at": "2026-11-24T09:15:02Z",
    "began_at": "2026-11-24T09:15:03.001122Z",
    "updated_at": "2026-11-24T09:15:03.001122Z",
    "state": "open",
    "resolution": None,
    "resolved_by": None,
    "resolved_at": None,
    "applied_at": None,
}
RESOLVED = CONFLICT | {
    "updated_at": "2026-11-24T09:31:40.500120Z",
    "state": "resolved",
    "resolution": "vtiger",
    "resolved_by": "Ada",
    "resolved_at": "2026-11-24T09:31:40.500120Z",
    "delivery_id": "2079",
}

RUN: dict[str, Any] = {
    "id": "12",
    "created_at": "2026-11-24T09:00:00Z",
    "store": "main",
    "modules": ["contacts"],
    "direction": "both",
    "since": None,
    "dry_run": True,
    "repair_of": None,
    "scheduled": False,
    "started_by": "ops",
    "state": "running",
    "done": 1200,
    "total": 20100,
    "difference_count": 1,
    "started_at": "2026-11-24T09:00:01.204113Z",
    "finished_at": None,
    "next_attempt_at": "2026-11-24T09:00:00Z",
    "last_reason": None,
    "last_error": None,
}

DIFFERENCE: dict[str, Any] = {
    "id": "31",
    "module": "contacts",
    "plan": "update",
    "label": "Ada Lovelace <ada@shop.example>",
    "woocommerce_id": "7",
    "vtiger_id": "12x34",
    "reason": None,
    "message": "",
    "fields": [
        {"field": "phone", "woocommerce": "555 0199", "vtiger": "555 0100", "act": "to_vtiger"}
    ],
}

RUN_DETAIL: dict[str, Any] = RUN | {
    "outcomes": _NOTHING | {"unchanged": 1199},
    "waiting": 0,
    "rate": 184.6,
    "eta_seconds": 102.4,
    "expected": {
        "created": {"woocommerce": {"contacts": 12}, "vtiger": {"contacts": 240}},
        "updated": 0,
        "accounts": 12,
        "mailed": 12,
        "mails_known": True,
    },
    "question": None,
    "totals": [
        {
            "module": "contacts",
            "compared": 1200,
            "agreed": 1199,
            "found": {"agree": 0, "update": 1, "pair": 0, "create": 0, "skip": 0},
        }
    ],
    "differences": {"items": [DIFFERENCE], "next_cursor": None},
}

ACCEPTED = {"delivery_id": "2077"}
DUPLICATE = {"delivery_id": "2077", "duplicate": True}
REPLAYED = {"matched": 120, "replayed": 97, "duplicates": 3}
PING = {"ping": True}
CALLBACK_ACCEPTED = {"delivery_ids": ["2078"]}
CHANGES_ACCEPTED = {
    "service": "woo-vtiger",
    "delivery_ids": ["2079"],
    "duplicates": 0,
    "skipped": 1,
}
NO_CHANGES = {"service": "woo-vtiger", "delivery_ids": [], "duplicates": 1, "skipped": 0}

_ADDON_ENTRY: dict[str, Any] = {
    "at": "2026-11-24T12:03:05.118245Z",
    "store": "main",
    "module": "sales_orders",
    "target": "vtiger",
    "source_id": "123",
    "target_id": "6x78",
    "outcome": "updated",
    "reason": None,
    "message": "",
    "label": "#123",
    "url": "https://sync.example.com/ui/records/118",
}
ADDON_STATUS: dict[str, Any] = {
    "service": "woo-vtiger",
    "records": [
        {
            "id": "6x78",
            "module": "sales_orders",
            "stores": [
                {
                    "store": "main",
                    "state": "in_sync",
                    "partner": {
                        "id": "123",
                        "url": "https://shop.example.com/wp-admin/post.php?post=123&action=edit",
                    },
                    "last": _ADDON_ENTRY,
                    "unsettled": None,
                    "conflicts": 0,
                    "conflicts_url": "https://sync.example.com/ui/conflicts?store=main",
                }
            ],
        }
    ],
}
_ADDON_COUNT = {"count": 7, "url": "https://sync.example.com/ui/records?outcome=created"}
ADDON_SUMMARY: dict[str, Any] = {
    "service": "woo-vtiger",
    "url": "https://sync.example.com/",
    "tables": {
        "woocommerce": {"contacts": {"created": _ADDON_COUNT}},
        "vtiger": {"contacts": {"created": _ADDON_COUNT}},
    },
    "queue": {
        "pending": {"count": 2, "url": "https://sync.example.com/ui/deliveries?state=pending"}
    },
    "conflicts": {"count": 0, "url": "https://sync.example.com/ui/conflicts"},
    "recent": [_ADDON_ENTRY],
}

LIVE = {
    "status": "ok",
    "version": "0.1.0",
    "commit": "4124856",
    "built_at": "2026-11-24T08:00:00Z",
}
READY: dict[str, Any] = LIVE | {
    "checks": {"database": "ok", "migrations": "ok", "worker": "ok"},
    "queue": {"pending": 3, "processing": 0, "dead": 0, "workers": 1},
    "remotes": {
        "woocommerce:main": "ok",
        "vtiger": "down since 2026-11-24T09:15:01Z; next probe at 2026-11-24T09:15:31Z",
    },
}
INCIDENT: dict[str, Any] = {
    "id": "31",
    "kind": "webhook_broken",
    "system": "woocommerce",
    "store": "main",
    "subject": "order.updated",
    "message": "The shop disabled the webhook.",
    "began_at": "2026-11-24T09:15:01.902113Z",
    "last_seen_at": "2026-11-24T09:15:01.902113Z",
    "ended_at": "2026-11-24T09:15:02.118245Z",
    "mended": "It was replaced by a new one.",
    "remedy": "The service repairs it automatically and syncs the changes that were missed.",
}


def page_of(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"items": [item], "next_cursor": "AAY9bZ0vT3kAAAAAAAAEEpr3V8c_"}


def example(
    value: object, media_type: str = "application/json", *, status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """A route's `responses` with one example of success."""
    return {status: {"content": {media_type: {"example": value}}}}


METRICS = """# HELP woo_vtiger_deliveries Hints that want work or a person, by state.
# TYPE woo_vtiger_deliveries gauge
woo_vtiger_deliveries{state="pending"} 3.0
"""
