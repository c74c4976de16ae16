"""The add-on inside a CRM: what it enters, writes down and answers, and how it goes."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.vtiger.addon_package import addon_version
from tests.vtiger_addon.crm import Crm, build_crm

HANDLED = {
    "vtiger.entity.aftersave.final",
    "vtiger.entity.afterdelete",
    "vtiger.entity.afterrestore",
}
FIVE = ["Contacts", "Accounts", "Products", "Services", "SalesOrder"]
LATER = 10


def told(crm: Crm) -> list[tuple[int, str, str]]:
    return [(row["crmid"], row["module"], row["event"]) for row in crm.outbox()]


def page(crm: Crm) -> dict[str, Any]:
    [text] = crm.request(["page", "Settings_WooSync_Index_View", {}, True])
    shown: dict[str, Any] = json.loads(text)
    return shown


def test_an_installation_enters_handlers_task_operation_and_menu(crm: Crm) -> None:
    handlers = crm.sql("SELECT * FROM vtiger_eventhandlers")
    assert {row["event_name"] for row in handlers} == HANDLED
    assert {row["dependent_on"] for row in handlers} == {"[]"}
    [task] = crm.sql("SELECT * FROM vtiger_cron_task")
    assert (task["frequency"], task["status"], task["module"]) == (60, 1, "WooSync")
    assert (crm.root / task["handler_file"]).is_file()
    operations = crm.sql("SELECT * FROM vtiger_ws_operation ORDER BY operationid")
    assert [(each["name"], each["type"], each["prelogin"]) for each in operations] == [
        ("woosync_changes", "GET", 0),
        ("woosync_save", "POST", 0),
        ("woosync_read", "POST", 0),
    ]
    sql = "SELECT name FROM vtiger_ws_operation_parameters WHERE operationid = ? ORDER BY sequence"
    assert [[row["name"] for row in crm.sql(sql, each["operationid"])] for each in operations] == [
        ["since", "limit"],
        ["records", "seconds"],
        ["module", "ids", "since", "after", "limit"],
    ]
    [menu] = crm.sql("SELECT * FROM vtiger_settings_field WHERE name = 'WooSync'")
    assert (menu["blockid"], menu["active"]) == (8, 0)


def test_the_task_comes_before_those_that_may_die(bare_crm: Crm) -> None:
    """An Error in one task ends the run, so ours must not wait behind it."""
    (bare_crm.root / "dies.service").write_text("<?php throw new Error('dead');")
    bare_crm.sql("INSERT INTO vtiger_cron_task VALUES ('W', 'dies.service', 900, 1, 1, '', '')")
    bare_crm.install()
    tasks = bare_crm.sql("SELECT name FROM vtiger_cron_task ORDER BY sequence")
    assert [row["name"] for row in tasks] == ["WooSync", "W"]


def test_saves_deletions_and_restores_are_written_down(crm: Crm) -> None:
    crm.request(["act", 5, "Contacts", 1, "save"], ["act", 5, "Contacts", 1, "save"])
    crm.request(["act", 5, "Contacts", 1, "delete"])
    crm.request(["act", 5, "Contacts", 1, "restore"])
    assert [event for _, _, event in told(crm)] == ["created", "updated", "deleted", "restored"]


def test_a_new_order_is_told_as_created_although_it_has_its_id_before(crm: Crm) -> None:
    crm.request(["act", 6, "SalesOrder", 1, "save"], ["act", 6, "SalesOrder", 1, "save"])
    assert told(crm) == [(6, "SalesOrder", "created"), (6, "SalesOrder", "updated")]


def test_five_modules_are_told_and_no_others(crm: Crm) -> None:
    others = ["Emails", "Users", "Leads"]
    acts = [["act", number, name, 1, "save"] for number, name in enumerate(FIVE + others, 10)]
    crm.request(*acts)
    assert [module for _, module, _ in told(crm)] == FIVE


def test_modules_that_are_switched_off_are_not_written_down(crm: Crm) -> None:
    crm.save("Save", modules=["Contacts"])
    crm.request(["act", 5, "Contacts", 1, "save"], ["act", 6, "Products", 1, "save"])
    assert told(crm) == [(5, "Contacts", "created")]


@pytest.mark.parametrize("name", ["authenticatedUserId", "authenticated_user_id"])
def test_the_acting_user_is_the_sessions_not_the_workflows(crm: Crm, name: str) -> None:
    crm.request(["user", name, 5], ["current_user", 1], ["act", 5, "Contacts", 5, "save"])
    crm.age(LATER)
    assert [change["user_id"] for change in crm.changes()["changes"]] == ["19x5"]


@pytest.mark.parametrize(
    "wreck",
    [
        "DROP TABLE vtiger_woosync_outbox",
        "DROP TABLE vtiger_woosync_config",
        "ALTER TABLE vtiger_woosync_outbox RENAME COLUMN crmid TO other",
        "DELETE FROM vtiger_woosync_config",
    ],
)
def test_a_save_goes_on_whatever_is_broken(crm: Crm, wreck: str) -> None:
    crm.sql(wreck)
    assert crm.request(
        ["act", 5, "Contacts", 1, "save"],
        ["act", 5, "Contacts", 1, "delete"],
        ["act", 5, "Contacts", 1, "restore"],
    ) == ["done", "done", "done"]


def test_a_failure_is_kept_for_the_settings_page(crm: Crm) -> None:
    crm.sql("ALTER TABLE vtiger_woosync_outbox RENAME COLUMN event TO other")
    crm.request(["act", 5, "Contacts", 1, "save"])
    assert "was not written down" in page(crm)["WOOSYNC_FACTS"]["Last error"]


def test_a_missing_part_of_the_add_on_breaks_no_save(crm: Crm) -> None:
    (crm.root / "modules/WooSync/WooSyncState.php").write_text(
        "<?php throw new Error('half a file');"
    )
    assert crm.request(["act", 5, "Contacts", 1, "save"]) == ["done"]


def test_the_sweep_finds_what_no_event_told(crm: Crm) -> None:
    """Imports, scheduled workflows, changes of related records, undone imports."""
    crm.request(["act", 5, "Contacts", 1, "save"])
    crm.request(["store", 7, "Contacts"], ["store", 8, "Products"], ["store", 9, "Leads"])
    crm.request(["store", 8, "Products", 1, 1])
    crm.request(["cron"])
    assert told(crm) == [
        (5, "Contacts", "created"),
        (7, "Contacts", "created"),
        (8, "Products", "deleted"),
    ]
    crm.request(["cron"])
    assert len(crm.outbox()) == 3


def test_a_large_import_is_found_whole(crm: Crm) -> None:
    crm.request(*[["store", number, "Contacts"] for number in range(1, 2102)], ["cron"])
    assert len({row["crmid"] for row in crm.outbox()}) == len(crm.outbox()) == 2101


def test_a_record_that_is_gone_already_is_told_all_the_same(crm: Crm) -> None:
    """The recycle bin was emptied in between."""
    purge = "BEGIN DELETE FROM vtiger_crmentity; END"
    crm.sql(f"CREATE TRIGGER purge AFTER INSERT ON vtiger_crmentity {purge}")
    crm.request(["act", 5, "Contacts", 1, "save"])
    [row] = crm.outbox()
    assert (row["crmid"], row["modifiedtime"]) == (5, None)


def test_a_second_silent_change_is_found_again(crm: Crm) -> None:
    crm.request(["store", 7, "Contacts", 1, 0, "2099-01-01 00:00:00"], ["cron"])
    crm.request(["store", 7, "Contacts", 1, 0, "2099-01-01 00:00:01"], ["cron"])
    assert told(crm) == [(7, "Contacts", "created"), (7, "Contacts", "updated")]


def test_what_was_there_before_the_installation_is_not_told(bare_crm: Crm) -> None:
    bare_crm.request(["store", 7, "Contacts", 1, 0, "2020-01-01 00:00:00"])
    bare_crm.install()
    bare_crm.request(["cron"])
    assert bare_crm.outbox() == []


def test_without_cron_the_operation_itself_looks_for_silent_changes(crm: Crm) -> None:
    crm.request(["store", 7, "Contacts"])
    crm.configure(swept_at=0)
    crm.changes()
    assert told(crm) == [(7, "Contacts", "created")]


def test_two_sweeps_at_once_are_one(crm: Crm) -> None:
    crm.request(["store", 7, "Contacts"])
    crm.configure(sweep_turn=2**31 - 1)
    crm.request(["cron"])
    assert crm.outbox() == []


def test_changes_come_in_order_and_in_pages(crm: Crm) -> None:
    crm.request(*[["act", number, "Contacts", 1, "save"] for number in range(1, 6)])
    crm.request(["act", 3, "Contacts", 1, "delete"])
    crm.age(LATER)
    first = crm.changes(0, 4)
    second = crm.changes(first["last"], 4)
    assert [change["seq"] for change in first["changes"]] == [1, 2, 3, 4]
    assert (first["more"], first["last"], first["oldest"], first["newest"]) == (True, 4, 1, 6)
    assert [(change["id"], change["event"]) for change in second["changes"]] == [
        ("12x5", "created"),
        ("12x3", "deleted"),
    ]
    assert (second["more"], second["last"]) == (False, 6)
    assert crm.changes(6)["last"] == 6


def test_missing_parameters_are_the_beginning(crm: Crm) -> None:
    crm.request(["act", 5, "Contacts", 1, "save"])
    crm.age(LATER)
    assert len(crm.changes("", "")["changes"]) == 1


def test_young_rows_wait_and_those_after_them_too(crm: Crm) -> None:
    """Numbers are given out before rows can be seen: what follows a young row may not overtake."""
    crm.request(*[["act", number, "Contacts", 1, "save"] for number in (5, 6, 7)])
    crm.age(LATER)
    crm.sql("UPDATE vtiger_woosync_outbox SET created_at = created_at + 10 WHERE seq = 2")
    assert [change["seq"] for change in crm.changes()["changes"]] == [1]


def test_only_administrators_may_read_changes(crm: Crm) -> None:
    [text] = crm.request(["webservice", "woosync_changes", {"since": 0}, False])
    assert json.loads(text)["error"]["code"] == "ACCESS_DENIED"


def test_an_outbox_that_cannot_be_read_is_an_error_that_vtiger_knows(crm: Crm) -> None:
    crm.sql("DROP TABLE vtiger_woosync_outbox")
    [text] = crm.request(["webservice", "woosync_changes", {"since": 0}, True])
    assert json.loads(text)["error"]["code"] == "DATABASE_QUERY_ERROR"


def test_the_answer_tells_how_the_add_on_fares(crm: Crm) -> None:
    crm.request(["act", 5, "Contacts", 1, "save"], ["cron"])
    found = crm.changes()
    assert (found["version"], found["modules"], found["waiting"]) == (addon_version(), FIVE, 1)
    assert (found["abilities"], found["vtiger"]) == (["save", "read"], "8.2.0")
    assert found["now"] - found["cron_at"] < 60
    assert len(found["installation"]) == 16
    assert (found["url"], found["has_secret"]) == ("", False)
    crm.save("Save", url="https://sync.example.com/", secret="s3cret", modules=FIVE)
    found = crm.changes()
    assert found["url"] == "https://sync.example.com/callbacks/vtiger"
    assert found["has_secret"] is True


def test_a_cron_task_that_never_ran_is_missed_after_half_an_hour(crm: Crm) -> None:
    def is_missed() -> bool:
        return any("cron" in text for text in page(crm)["WOOSYNC_PROBLEMS"])

    installed = int(crm.config()["installed_at"])
    assert installed == crm.changes()["installed_at"]
    assert not is_missed()
    crm.configure(installed_at=installed - 1900)
    assert is_missed()
    crm.request(["cron"])
    assert not is_missed()
    crm.configure(cron_at=installed - 1900)
    assert is_missed()
    crm.request(["fire", "module.disabled"])
    crm.request(["fire", "module.enabled"])
    assert not is_missed()


def test_old_rows_go_but_for_the_newest(crm: Crm) -> None:
    crm.request(*[["act", number, "Contacts", 1, "save"] for number in (5, 6, 7)])
    crm.age(31 * 86_400)
    crm.request(["cron"])
    assert [row["seq"] for row in crm.outbox()] == [3]


def test_without_cron_old_rows_go_when_changes_are_read(crm: Crm) -> None:
    crm.request(*[["act", number, "Contacts", 1, "save"] for number in (5, 6)])
    crm.age(31 * 86_400)
    crm.configure(swept_at=0)
    assert [row["seq"] for row in crm.changes()["changes"]] == [2]


def test_disabling_stops_everything_and_enabling_begins_anew(crm: Crm) -> None:
    before = crm.config()["installation"]
    crm.request(["fire", "module.disabled"])
    assert crm.sql("SELECT * FROM vtiger_eventhandlers") == []
    assert crm.sql("SELECT * FROM vtiger_cron_task") == []
    assert crm.request(["webservice", "woosync_changes", {}, True]) == [""]
    assert any("switched off" in text for text in page(crm)["WOOSYNC_PROBLEMS"])
    crm.request(["fire", "module.enabled"])
    crm.request(["act", 5, "Contacts", 1, "save"])
    assert told(crm) == [(5, "Contacts", "created")]
    assert crm.config()["installation"] != before


def test_an_update_keeps_settings_and_outbox_and_enters_nothing_twice(crm: Crm) -> None:
    crm.save("Save", url="http://127.0.0.1:9", secret="s3cret", modules=["Contacts"])
    crm.request(["act", 5, "Contacts", 1, "save"])
    before = crm.everything()
    crm.unpack()
    crm.request(["import", "1.0.1"])
    after = crm.everything()
    kept = ("vtiger_woosync_config", "vtiger_woosync_outbox", "vtiger_settings_field")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    counted = ("vtiger_eventhandlers", "vtiger_ws_operation", "vtiger_ws_operation_parameters")
    assert [len(after[name]) for name in counted] == [len(before[name]) for name in counted]
    assert len(after["vtiger_cron_task"]) == 1


def test_an_update_from_before_the_writing_brings_what_it_needs(crm: Crm) -> None:
    """As 1.0 and 1.1 left a CRM: one operation, and no table of keys."""
    crm.request(["act", 5, "Contacts", 1, "save"])
    crm.sql("DROP TABLE vtiger_woosync_keys")
    crm.sql("DELETE FROM vtiger_ws_operation WHERE name <> 'woosync_changes'")
    crm.request(["import", addon_version()])
    assert len(crm.sql("SELECT * FROM vtiger_ws_operation")) == 3
    assert crm.sql("SELECT * FROM vtiger_woosync_keys") == []
    assert told(crm) == [(5, "Contacts", "created")]


def test_an_update_does_not_switch_on_what_is_switched_off(crm: Crm) -> None:
    crm.request(["fire", "module.disabled"])
    crm.request(["import", "1.0.1"])
    assert crm.sql("SELECT * FROM vtiger_eventhandlers") == []


@pytest.mark.parametrize("has_block", [True, False])
def test_an_uninstallation_leaves_nothing(bare_crm: Crm, has_block: bool) -> None:
    if not has_block:
        bare_crm.sql("DELETE FROM vtiger_settings_blocks")
    before, files = bare_crm.everything(), bare_crm.files()
    bare_crm.install()
    bare_crm.save("Save", url="https://sync.example.com", secret="s3cret", modules=FIVE)
    assert bare_crm.save("Uninstall")["success"]
    assert bare_crm.everything() == before
    assert bare_crm.files() == files
    bare_crm.install()
    bare_crm.request(["act", 5, "Contacts", 1, "save"])
    assert told(bare_crm) == [(5, "Contacts", "created")]


def test_the_secret_goes_in_and_never_out(crm: Crm) -> None:
    secret = 'S3cret & <"quoted">'
    crm.save("Save", url="https://sync.example.com/?a&b", secret=secret, modules=FIVE)
    crm.save("Save", url="https://sync.example.com/a&b", secret=secret, modules=FIVE)
    assert crm.config()["secret"] == secret
    assert crm.config()["url"] == "https://sync.example.com/a&b/callbacks/vtiger"
    assert page(crm)["WOOSYNC_HAS_SECRET"] is True
    crm.save("Save", url="https://sync.example.com", secret="", modules=FIVE)
    assert crm.config()["secret"] == secret
    [shown] = crm.request(["page", "Settings_WooSync_Index_View", {}, True])
    assert "S3cret" not in shown + json.dumps(crm.changes())


def test_an_address_that_is_none_is_refused_with_the_reason(crm: Crm) -> None:
    answer = crm.save("Save", url="sync.example.com", secret="s3cret", modules=FIVE)
    assert "https://" in answer["error"]["message"]
    assert "url" not in crm.config()


@pytest.mark.parametrize("action", ["Save", "Test", "Uninstall"])
def test_forms_need_an_admin_a_post_and_the_token(crm: Crm, action: str) -> None:
    name = f"Settings_WooSync_{action}_Action"
    before = crm.everything()
    form = {"method": "POST", "__vtrftk": "token", "url": "https://evil.example"}
    refused = crm.request(
        ["page", name, form, False],
        ["page", name, form | {"__vtrftk": ""}, True],
        ["page", name, form | {"method": "GET"}, True],
    )
    assert refused == ["Permission denied", "Unsupported request", "Invalid request"]
    assert crm.everything() == before


def test_another_choice_of_modules_begins_a_new_count(crm: Crm) -> None:
    """What happened to a module while it was off was not written down: readers must know."""
    before = crm.config()["installation"]
    crm.save("Save", modules=FIVE)
    assert crm.config()["installation"] == before
    crm.save("Save", modules=["Contacts"])
    assert crm.config()["installation"] != before


def test_unticked_boxes_are_a_choice_and_a_form_without_boxes_is_none(crm: Crm) -> None:
    crm.save("Save", url="https://sync.example.com", secret="s3cret")
    assert [name for name, on in page(crm)["WOOSYNC_MODULES"].items() if on] == FIVE
    crm.save("Save", url="https://sync.example.com", choose_modules="1")
    assert [name for name, on in page(crm)["WOOSYNC_MODULES"].items() if on] == []


def test_a_vtiger_that_does_not_fit_gets_a_clear_message_and_nothing_else(tmp_path: Path) -> None:
    crm = build_crm(tmp_path / "crm", "7.5.0")
    crm.install()
    assert crm.sql("SELECT * FROM vtiger_eventhandlers") == []
    assert crm.sql("SELECT * FROM vtiger_ws_operation") == []
    assert any("needs Vtiger 8" in text for text in page(crm)["WOOSYNC_PROBLEMS"])
