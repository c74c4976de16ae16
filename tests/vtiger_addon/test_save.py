"""woosync_save: what is asked for is written once and whole or not at all, and told."""

import json
from typing import Any

import pytest

from tests.vtiger_addon.crm import Crm

OWNER = "19x5"
Item = dict[str, Any]


def contact(key: str, lastname: str = "Doe", **fields: str) -> Item:
    fields = {"lastname": lastname, "assigned_user_id": OWNER} | fields
    return {"key": key, "action": "create", "module": "Contacts", "fields": fields}


def revision(key: str, module: str, record: str, **fields: Any) -> Item:
    return {"key": key, "action": "revise", "module": module, "id": record, "fields": fields}


def statuses(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["status"] for answer in answers]


def names(crm: Crm) -> list[str]:
    return [row["lastname"] for row in crm.sql("SELECT * FROM vtiger_contactdetails ORDER BY 1")]


def fail(crm: Crm, pattern: str, number: int, times: int = 1) -> None:
    crm.sql("INSERT INTO faults VALUES (?, ?, ?)", pattern, number, times)


def test_records_are_written_in_order_and_shown(crm: Crm) -> None:
    account = {"accountname": "A & B <i>", "assigned_user_id": OWNER}
    first, second = crm.save_records(
        {"key": "key-account", "action": "create", "module": "Accounts", "fields": account},
        contact("key-contact", 'O\'Neil & "Sons"', email="a@example.com"),
    )
    assert (first["key"], first["status"], first["code"]) == ("key-account", "saved", None)
    assert first["record"]["accountname"] == "A & B <i>"
    assert second["record"] == {
        "id": second["id"],
        "label": "O&#039;Neil &amp; &quot;Sons&quot;",
        "lastname": 'O\'Neil & "Sons"',
        "email": "a@example.com",
        "account_id": "",
        "modifiedby": "5",
        "tags": "",
    }
    assert [row["event"] for row in crm.outbox()] == ["created", "created"]


def test_a_key_writes_once(crm: Crm) -> None:
    [first] = crm.save_records(contact("key-once"))
    [again] = crm.save_records(contact("key-once", "Other"))
    assert (again["status"], again["id"]) == ("known", first["id"])
    assert again["record"]["lastname"] == "Doe"
    [revised] = crm.save_records(revision("key-rev1", "Contacts", first["id"], lastname="Roe"))
    crm.save_records(revision("key-rev2", "Contacts", first["id"], lastname="Poe"))
    [repeated] = crm.save_records(revision("key-rev1", "Contacts", first["id"], lastname="Roe"))
    assert (revised["status"], repeated["status"]) == ("saved", "known")
    assert names(crm) == ["Poe"]


def test_a_key_can_be_asked_for_without_writing(crm: Crm) -> None:
    [unknown] = crm.save_records({"key": "key-asked", "action": "ask"})
    [saved] = crm.save_records(contact("key-asked"))
    [known] = crm.save_records({"key": "key-asked", "action": "ask"})
    assert (unknown["status"], known["status"], known["id"]) == ("unknown", "known", saved["id"])
    assert len(names(crm)) == 1


def test_a_known_record_that_is_deleted_is_shown_no_more(crm: Crm) -> None:
    [saved] = crm.save_records(contact("key-gone"))
    deletion = {"key": "key-del1", "action": "delete", "module": "Contacts", "id": saved["id"]}
    [deleted] = crm.save_records(deletion)
    [known, again] = crm.save_records(contact("key-gone"), deletion | {"key": "key-del2"})
    assert (deleted["status"], deleted["id"], deleted["record"]) == ("saved", saved["id"], None)
    assert (known["status"], known["id"], known["record"]) == ("known", saved["id"], None)
    assert (again["status"], again["code"]) == ("refused", "ACCESS_DENIED")
    assert [row["event"] for row in crm.outbox()] == ["created", "deleted"]


def test_refusals_are_told_as_the_web_service_tells_them_and_hurt_no_other(crm: Crm) -> None:
    account = {"accountname": "Acme", "assigned_user_id": OWNER}
    create = {"action": "create", "module": "Accounts", "fields": account}
    [saved] = crm.save_records(create | {"key": "key-acme1"})
    before = crm.everything()
    answers = crm.save_records(
        create | {"key": "key-acme2"},
        contact("key-empty", ""),
        revision("key-missing", "Contacts", "12x99999", lastname="X"),
        revision("key-other", "Contacts", saved["id"], accountname="X"),
    )
    assert [(answer["status"], answer["code"]) for answer in answers] == [
        ("refused", "0"),
        ("refused", "MANDATORY_FIELDS_MISSING"),
        ("refused", "ACCESS_DENIED"),
        ("refused", "INVALID_ID_ATTRIBUTE"),
    ]
    assert answers[0]["message"] == "Duplicate(s) detected!"
    after = crm.everything()
    assert {name: after[name] for name in before} == before
    assert statuses(crm.save_records(contact("key-empty"))) == ["saved"]


@pytest.mark.parametrize("module", ["Contacts", "SalesOrder"])
@pytest.mark.parametrize("owner", ["19x99", "20x99", "12x5"])
def test_an_owner_who_is_not_there_ends_no_call(crm: Crm, module: str, owner: str) -> None:
    """Vtiger itself ends the process, with all records that would have followed."""
    line = {"productid": "14x1", "quantity": "1", "listprice": "1"}
    fields = {"lastname": "X", "subject": "X", "assigned_user_id": owner}
    lines = {"LineItems": [line]} if module == "SalesOrder" else {}
    wrong = {"key": "key-owner", "action": "create", "module": module, "fields": fields | lines}
    refused, saved = crm.save_records(wrong, contact("key-after", assigned_user_id="20x2"))
    assert (refused["status"], refused["code"]) == ("refused", "ACCESS_DENIED")
    assert saved["status"] == "saved"


def test_a_failure_in_a_save_leaves_nothing_and_the_others_are_saved(crm: Crm) -> None:
    answers = crm.save_records(
        contact("key-good1", "first"), contact("key-broken", "breaks"), contact("key-good2", "last")
    )
    assert statuses(answers) == ["saved", "failed", "saved"]
    assert answers[1]["code"] == "INTERNAL_SERVER_ERROR"
    assert names(crm) == ["first", "last"]
    assert len(crm.outbox()) == len(crm.sql("SELECT * FROM vtiger_crmentity")) == 2
    assert len(crm.sql("SELECT * FROM vtiger_woosync_keys")) == 2


def test_a_table_of_ids_that_is_missing_is_made_outside_of_the_transaction(crm: Crm) -> None:
    """At the first use of a fresh CRM; making it within would commit half a record."""
    crm.sql("DROP TABLE vtiger_crmentity_seq")
    answers = crm.save_records(contact("key-broken", "breaks"), contact("key-good1"))
    assert statuses(answers) == ["failed", "saved"]
    assert answers[0]["code"] == "INTERNAL_SERVER_ERROR"
    assert len(crm.sql("SELECT * FROM vtiger_crmentity")) == len(names(crm)) == 1
    assert [row["idem"] for row in crm.sql("SELECT idem FROM vtiger_woosync_keys")] == ["key-good1"]


def test_no_record_gets_the_id_of_one_that_failed(crm: Crm) -> None:
    """Vtiger caches by id in a process."""
    good, _, last = crm.save_records(
        contact("key-good1"), contact("key-broken", "breaks"), contact("key-good2")
    )
    assert int(last["id"][3:]) > int(good["id"][3:]) + 100


def test_a_deadlock_in_the_middle_of_a_save_is_tried_again(crm: Crm) -> None:
    """It ends the transaction, and Vtiger goes on: the other half must not be saved by itself."""
    fail(crm, "REPLACE INTO vtiger_contactdetails", 1213)
    [answer] = crm.save_records(contact("key-deadlock"))
    assert answer["status"] == "saved"
    assert len(crm.sql("SELECT * FROM vtiger_crmentity")) == len(names(crm)) == 1


@pytest.mark.parametrize("number", [1205, 1213])
@pytest.mark.parametrize("pattern", ["REPLACE INTO vtiger_contactdetails", "INTO .*woosync_keys"])
def test_what_stays_locked_is_told_and_nothing_is_left(crm: Crm, pattern: str, number: int) -> None:
    fail(crm, pattern, number, 3)
    locked, other = crm.save_records(contact("key-locked", "first"), contact("key-other", "last"))
    assert (locked["status"], locked["code"]) == ("failed", "LOCK_TIMEOUT")
    assert (other["status"], names(crm)) == ("saved", ["last"])
    assert len(crm.sql("SELECT * FROM vtiger_crmentity")) == 1


def test_another_writer_that_does_not_end_is_a_lock_timeout(crm: Crm) -> None:
    (crm.root / "crm.sqlite.held").touch()
    [answer] = crm.save_records(contact("key-locked"))
    assert (answer["status"], answer["code"]) == ("failed", "LOCK_TIMEOUT")


@pytest.mark.parametrize("number", [2006, 2013])
def test_a_lost_connection_ends_the_call_without_an_answer(crm: Crm, number: int) -> None:
    """Nobody knows what was committed: the keys tell it later."""
    fail(crm, "^COMMIT$", number)
    query = {"records": json.dumps([contact("key-lost")]), "seconds": ""}
    with pytest.raises(AssertionError, match="WooSyncConnectionLost"):
        crm.request(["webservice", "woosync_save", query, True])


@pytest.mark.parametrize("end", ["dies", "exhausts memory"])
def test_a_process_that_ends_in_a_save_rolls_back_and_answers(crm: Crm, end: str) -> None:
    """The connection outlives the process, and with it an open transaction would."""
    items = [contact("key-first", "first"), contact("key-end1", end), contact("key-last", "last")]
    first, ended, last = crm.save_and_end(*items)
    assert (first["status"], last["status"]) == ("saved", "not_reached")
    assert (ended["status"], ended["code"]) == ("failed", "INTERNAL_SERVER_ERROR")
    assert names(crm) == ["first"]
    told = crm.statements()
    after = told[told.index("ROLLBACK") + 1 :]
    assert after[0] == "DO RELEASE_LOCK(CONCAT('woosync.', MD5(DATABASE())))"
    assert "SET SESSION innodb_lock_wait_timeout = 50" in after
    assert statuses(crm.save_records(items[0], items[2])) == ["known", "saved"]


def test_each_write_is_one_transaction_under_the_lock(crm: Crm) -> None:
    crm.save_records(contact("key-one11"), contact("key-two22"))
    told = [text.split("(")[0] for text in crm.statements()]
    lock, begin, end, unlock = marks = [
        "SELECT GET_LOCK",
        "START TRANSACTION",
        "COMMIT",
        "DO RELEASE_LOCK",
    ]
    first = [lock, begin, end, begin, end, unlock]  # with the numbers of both
    assert [text for text in told if text in marks] == [*first, *marks]
    begun = told.index("START TRANSACTION")
    assert "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'" not in told[begun:]
    assert "SET AUTOCOMMIT=1" in told[:begun]
    assert "SET AUTOCOMMIT=1" not in told[begun:]


def numbers(crm: Crm) -> list[str]:
    return [row["contact_no"] for row in crm.sql("SELECT * FROM vtiger_contactdetails ORDER BY 1")]


def counter(crm: Crm) -> str:
    [row] = crm.sql("SELECT cur_id FROM vtiger_modentity_num")
    return str(row["cur_id"])


def test_numbers_are_taken_before_the_transactions_of_the_records(crm: Crm) -> None:
    """Who saves while a record's transaction is open would read, and use, the same number."""
    crm.save_records(*(contact(f"key-{letter}-number") for letter in "abc"))
    assert numbers(crm) == ["CON008", "CON009", "CON010"]
    assert counter(crm) == "011"
    told = crm.statements()
    taken = [at for at, text in enumerate(told) if text.startswith("UPDATE vtiger_modentity_num")]
    records = [at for at, text in enumerate(told) if "woosync_keys" in text]
    assert len(taken) == 1
    assert taken[0] < told.index("COMMIT") < records[0]


def test_numbers_of_records_that_are_not_saved_are_for_the_next_ones(crm: Crm) -> None:
    answers = crm.save_records(
        contact("key-broken", "breaks"), contact("key-good1"), contact("key-empty", "")
    )
    assert statuses(answers) == ["failed", "saved", "refused"]
    assert (numbers(crm), counter(crm)) == (["CON008"], "009")
    crm.save_records(contact("key-good1"))
    assert counter(crm) == "009"


def test_a_module_whose_numbers_cannot_be_counted_is_left_to_vtiger(crm: Crm) -> None:
    crm.sql("UPDATE vtiger_modentity_num SET active = 0")
    crm.sql("INSERT INTO vtiger_modentity_num VALUES (5, 'Accounts', 'ACC', 'x', 1)")
    account = {"accountname": "A", "assigned_user_id": OWNER}
    item = {"key": "key-account", "action": "create", "module": "Accounts", "fields": account}
    assert statuses(crm.save_records(item)) == ["saved"]


def test_nothing_leaks_from_one_record_to_the_next(crm: Crm) -> None:
    """A workflow leaves its administrator as the acting user, a failed save the bulk mode."""
    crm.save_records(contact("key-flow1", "workflow"), contact("key-next1", "prints"))
    assert [json.loads(row["form"]) for row in crm.sql("SELECT form FROM forms")] == [
        {"current_user": 5, "bulk": False, "request": False}
    ] * 2
    assert {row["modifiedby"] for row in crm.sql("SELECT * FROM vtiger_crmentity")} == {5}


def test_what_time_does_not_allow_is_said_and_not_written(crm: Crm) -> None:
    items = [contact("key-first", "first"), contact("key-later", "later")]
    first, later = crm.save_records(*items, seconds="0.000001")
    assert (first["status"], later["status"], later["key"]) == ("saved", "not_reached", "key-later")
    assert names(crm) == ["first"]
    assert statuses(crm.save_records(*items)) == ["known", "saved"]


def test_what_memory_does_not_allow_is_said_and_not_written(crm: Crm) -> None:
    items = [contact("key-large", "memory"), contact("key-later", "later")]
    assert statuses(crm.save_records(*items)) == ["saved", "not_reached"]
    assert names(crm) == ["memory"]


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (5, "key"),
        ({"key": "short", "action": "ask"}, "key"),
        ({"key": "no spaces in keys", "action": "ask"}, "key"),
        (contact("key-wrong") | {"action": "merge"}, "action"),
        (contact("key-wrong") | {"module": "Leads"}, "module"),
        (contact("key-wrong") | {"fields": {}}, "fields"),
        (contact("key-wrong") | {"action": "revise", "id": "12"}, "id"),
        ({"key": "key-wrong", "action": "delete", "module": "Contacts"}, "id"),
    ],
)
def test_a_malformed_item_is_refused_by_itself(crm: Crm, item: Any, fault: str) -> None:
    wrong, good = crm.save_records(item, contact("key-right"))
    assert (wrong["status"], wrong["code"]) == ("refused", "INVALID_RECORD")
    assert wrong["message"].startswith(fault)
    assert good["status"] == "saved"


@pytest.mark.parametrize(
    "records",
    ["", "{}", "no JSON", [contact("key-twice")] * 2, [contact(f"key-{n:04}") for n in range(101)]],
)
def test_a_call_that_is_no_list_of_items_is_refused_as_a_whole(crm: Crm, records: Any) -> None:
    text = records if isinstance(records, str) else json.dumps(records)
    [answer] = crm.request(["webservice", "woosync_save", {"records": text}, True])
    assert json.loads(answer)["error"]["code"] == "INVALID_RECORDS"
    assert names(crm) == []


@pytest.mark.parametrize("operation", ["woosync_save", "woosync_read"])
def test_only_administrators_may_write_and_read(crm: Crm, operation: str) -> None:
    query = {"records": json.dumps([contact("key-user1")]), "module": "Contacts"}
    [answer] = crm.request(["webservice", operation, query, False])
    assert json.loads(answer)["error"]["code"] == "ACCESS_DENIED"
    assert names(crm) == []


def test_old_keys_go_with_the_outbox(crm: Crm) -> None:
    crm.save_records(contact("key-old11"), contact("key-new11"))
    sql = "UPDATE vtiger_woosync_keys SET at = at - 31 * 86400 WHERE idem = 'key-old11'"
    crm.sql(sql)
    crm.request(["cron"])
    assert [row["idem"] for row in crm.sql("SELECT idem FROM vtiger_woosync_keys")] == ["key-new11"]
