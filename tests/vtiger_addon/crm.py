"""A folder that passes for a Vtiger: stand-ins, a database, and the add-on's zip unpacked in it."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from app.vtiger.addon_package import addon_version, build_package

HERE = Path(__file__).parent
TABLES = """
CREATE TABLE vtiger_tab (tabid INTEGER PRIMARY KEY, name TEXT, version TEXT, isentitytype INT);
CREATE TABLE vtiger_profile2tab (profileid INT, tabid INT, permissions INT);
CREATE TABLE vtiger_app2tab (tabid INT, appname TEXT, sequence INT, visible INT);
CREATE TABLE vtiger_links (linkid INTEGER PRIMARY KEY, tabid INT, linktype TEXT, linklabel TEXT,
    linkurl TEXT, linkicon TEXT, sequence INT);
INSERT INTO vtiger_tab VALUES (4, 'Contacts', '8.2.0', 1);
INSERT INTO vtiger_profile2tab VALUES (1, 4, 0);
INSERT INTO vtiger_app2tab VALUES (4, 'TOOLS', 3, 1);
INSERT INTO vtiger_links VALUES (1, 4, 'HEADERSCRIPT', 'Other', 'modules/Other.js', '', 0);
CREATE TABLE vtiger_crmentity (crmid INTEGER PRIMARY KEY, setype TEXT, modifiedby INT,
    createdtime TEXT, modifiedtime TEXT, deleted INT, label TEXT);
CREATE TABLE vtiger_contactdetails (contactid INTEGER PRIMARY KEY, lastname TEXT, email TEXT,
    account_id TEXT, contact_no TEXT);
CREATE TABLE vtiger_account (accountid INTEGER PRIMARY KEY, accountname TEXT);
CREATE TABLE vtiger_products (productid INTEGER PRIMARY KEY, productname TEXT, unit_price TEXT,
    currency_id INT DEFAULT 1);
CREATE TABLE vtiger_service (serviceid INTEGER PRIMARY KEY, servicename TEXT, unit_price TEXT,
    currency_id INT DEFAULT 1);
CREATE TABLE vtiger_salesorder (salesorderid INTEGER PRIMARY KEY, subject TEXT, account_id TEXT,
    hdnTaxType TEXT, hdnSubTotal TEXT, hdnGrandTotal TEXT, pre_tax_total TEXT,
    conversion_rate TEXT, compound_taxes_info TEXT);
CREATE TABLE vtiger_inventoryproductrel (lineitem_id INTEGER PRIMARY KEY AUTOINCREMENT, id INT,
    productid INT, sequence_no INT, quantity TEXT, listprice TEXT, comment TEXT, description TEXT,
    discount_amount TEXT, discount_percent TEXT, tax1 TEXT, tax2 TEXT);
CREATE TABLE vtiger_inventorychargesrel (recordid INT, charges TEXT);
CREATE TABLE vtiger_inventorytaxinfo (taxid INT, taxname TEXT, method TEXT, deleted INT);
CREATE TABLE vtiger_producttaxrel (productid INT, taxid INT, taxpercentage TEXT);
CREATE TABLE vtiger_productcurrencyrel (productid INT, currencyid INT, actual_price TEXT);
CREATE TABLE vtiger_currency_info (id INT, currency_status TEXT, deleted INT);
CREATE TABLE vtiger_modentity_num (num_id INT, semodule TEXT, prefix TEXT, cur_id TEXT, active INT);
CREATE TABLE vtiger_freetags (id INT, tag TEXT, visibility TEXT);
CREATE TABLE vtiger_freetagged_objects (tag_id INT, tagger_id INT, object_id INT, module TEXT,
    tagged_on TEXT);
CREATE TABLE vtiger_users (id INT);
CREATE TABLE vtiger_groups (groupid INT);
CREATE TABLE vtiger_crmentity_seq (id INT);
INSERT INTO vtiger_crmentity_seq VALUES (0);
CREATE TABLE forms (id INT, form TEXT);
CREATE TABLE faults (pattern TEXT, number INT, times INT);
INSERT INTO vtiger_inventorytaxinfo VALUES (1, 'tax1', 'Simple', 0), (2, 'tax2', 'Simple', 0);
INSERT INTO vtiger_modentity_num VALUES (4, 'Contacts', 'CON', '008', 1);
INSERT INTO vtiger_users VALUES (1), (5);
INSERT INTO vtiger_groups VALUES (2);
INSERT INTO vtiger_currency_info VALUES (1, 'Active', 0), (2, 'Active', 0), (3, 'Inactive', 0);
CREATE TABLE vtiger_eventhandlers (event_name TEXT, handler_path TEXT, handler_class TEXT,
    cond TEXT, is_active INT, dependent_on TEXT);
CREATE TABLE vtiger_eventhandler_module (module_name TEXT, handler_class TEXT);
CREATE TABLE vtiger_ws_entity (id INT, name TEXT);
CREATE TABLE vtiger_ws_operation (operationid INT, name TEXT, handler_path TEXT,
    handler_method TEXT, type TEXT, prelogin INT);
CREATE TABLE vtiger_ws_operation_parameters (operationid INT, name TEXT, type TEXT, sequence INT);
CREATE TABLE vtiger_cron_task (name TEXT UNIQUE, handler_file TEXT UNIQUE, frequency INT,
    status INT, sequence INT, module TEXT, description TEXT);
CREATE TABLE vtiger_settings_blocks (blockid INT, label TEXT, sequence INT);
CREATE TABLE vtiger_settings_field (fieldid INT, blockid INT, name TEXT, iconpath TEXT,
    description TEXT, linkto TEXT, sequence INT, active INT);
INSERT INTO vtiger_ws_entity VALUES (12, 'Contacts'), (11, 'Accounts'), (14, 'Products'),
    (26, 'Services'), (6, 'SalesOrder'), (19, 'Users'), (33, 'LineItem'), (21, 'Currency'),
    (20, 'Groups');
INSERT INTO vtiger_settings_blocks VALUES (8, 'LBL_INTEGRATION', 8);
INSERT INTO vtiger_settings_field VALUES (1, 8, 'USERS', '', '', 'index.php?module=Users', 1, 0);
"""
PLACES = {
    "settings/views/": "modules/Settings/WooSync/views/",
    "settings/actions/": "modules/Settings/WooSync/actions/",
    "settings/models/": "modules/Settings/WooSync/models/",
    "cron/": "cron/modules/WooSync/",
    "modules/WooSync/": "modules/WooSync/",
    "layouts/": "layouts/",
    "languages/": "languages/",
}


def place_of(name: str) -> str | None:
    """Where Module Manager puts a file of the zip; None where it ignores it (contract page
    Vtiger extension §1)."""
    for prefix, folder in PLACES.items():
        if name.startswith(prefix):
            return folder + name.removeprefix(prefix)
    return None


@dataclass(frozen=True, slots=True)
class Crm:
    """One CRM; every `request` is a PHP process of its own, as with PHP's own server."""

    root: Path
    version: str = "8.2.0"

    @property
    def database(self) -> Path:
        return self.root / "crm.sqlite"

    def request(self, *steps: Sequence[Any]) -> list[Any]:
        """The results of steps done in one request, one after the other."""
        done = self._run(steps)
        assert done.returncode == 0, done.stderr + done.stdout
        results: list[Any] = json.loads(done.stdout)["results"]
        return results

    def _run(self, steps: Sequence[Sequence[Any]]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["php", "-d", "display_errors=stderr", "-d", "memory_limit=128M", "crm.php"],
            cwd=self.root,
            env=os.environ | self._environment(),
            input=json.dumps(steps),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _environment(self) -> Mapping[str, str]:
        return {
            "CRM_PYTHON": sys.executable,
            "CRM_BRIDGE": str(HERE / "bridge.py"),
            "CRM_DATABASE": str(self.database),
            "CRM_VERSION": self.version,
        }

    def unpack(self) -> None:
        """The files of the zip, where Module Manager puts them."""
        with ZipFile(BytesIO(build_package().content)) as package:
            for name in package.namelist():
                if place := place_of(name):
                    target = self.root / place
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(package.read(name))

    def install(self) -> None:
        self.unpack()
        self.request(["import", addon_version()])

    def sql(self, statement: str, *params: Any) -> list[dict[str, Any]]:
        with sqlite3.connect(self.database) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous = OFF")
            return [dict(row) for row in connection.execute(statement, params).fetchall()]

    def config(self) -> dict[str, str]:
        rows = self.sql("SELECT name, value FROM vtiger_woosync_config")
        return {row["name"]: row["value"] for row in rows}

    def configure(self, **values: Any) -> None:
        for name, value in values.items():
            self.sql("REPLACE INTO vtiger_woosync_config VALUES (?, ?)", name, str(value))

    def outbox(self) -> list[dict[str, Any]]:
        return self.sql("SELECT * FROM vtiger_woosync_outbox ORDER BY seq")

    def age(self, seconds: int) -> None:
        """Time passes for the rows that are there."""
        self.sql("UPDATE vtiger_woosync_outbox SET created_at = created_at - ?", seconds)

    def save(self, page: str, **values: Any) -> dict[str, Any]:
        """An admin sends a form of the settings page."""
        form = {"method": "POST", "__vtrftk": "token", **values}
        [text] = self.request(["page", f"Settings_WooSync_{page}_Action", form, True])
        answer: dict[str, Any] = json.loads(text)
        return answer

    def page(self, name: str, values: Mapping[str, Any], user: Any = True) -> str:
        """What a page of the add-on answers an administrator, or a user with the numbers of the
        records that are theirs to see and to edit."""
        [text] = self.request(["page", name, values, user])
        return str(text)

    def changes(self, since: int | str = 0, limit: int | str = 100) -> dict[str, Any]:
        """The result of woosync_changes for an administrator."""
        query = {"since": since, "limit": limit}
        [text] = self.request(["webservice", "woosync_changes", query, True])
        result: dict[str, Any] = json.loads(text)["result"]
        return result

    def add(self, number: int, module: str) -> None:
        """A record's row that all modules have; without a label, as after an import."""
        sql = "INSERT INTO vtiger_crmentity (crmid, setype, deleted) VALUES (?, ?, 0)"
        self.sql(sql, number, module)

    def save_records(self, *items: Mapping[str, Any], seconds: str = "") -> list[dict[str, Any]]:
        """The answers of woosync_save for an administrator."""
        query = {"records": json.dumps(items), "seconds": seconds}
        [text] = self.request(["webservice", "woosync_save", query, True])
        answers: list[dict[str, Any]] = json.loads(text)["result"]["records"]
        return answers

    def save_and_end(self, *items: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The same where the process ends within a save, and nobody encodes its result."""
        done = self._run([["webservice", "woosync_save", {"records": json.dumps(items)}, True]])
        answers: list[dict[str, Any]] = json.loads(done.stdout)["result"]["records"]
        return answers

    def read_records(self, module: str, **query: Any) -> dict[str, Any]:
        """The result of woosync_read for an administrator."""
        [text] = self.request(["webservice", "woosync_read", {"module": module} | query, True])
        result: dict[str, Any] = json.loads(text)["result"]
        return result

    def statements(self) -> list[str]:
        """What the database was told in the last request."""
        return (self.root / "crm.sqlite.log").read_text().splitlines()

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables but the counters of ids."""
        names = self.sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        tables = [row["name"] for row in names]
        kept = [name for name in tables if not name.endswith("_seq") and name != "sqlite_sequence"]
        return {name: self.sql(f"SELECT * FROM {name} ORDER BY 1") for name in kept}  # noqa: S608

    def files(self) -> set[str]:
        return {
            path.relative_to(self.root).as_posix()
            for path in self.root.rglob("*")
            if not path.name.startswith("crm.sqlite")
        }


def build_crm(root: Path, version: str = "8.2.0") -> Crm:
    """A CRM without the add-on."""
    shutil.copytree(HERE / "standins", root, dirs_exist_ok=True)
    for folder in ("modules/Settings", "cron/modules", "layouts/v7/modules/Settings"):
        (root / folder).mkdir(parents=True)
    crm = Crm(root, version)
    with sqlite3.connect(crm.database) as connection:
        connection.executescript(TABLES)
    return crm
