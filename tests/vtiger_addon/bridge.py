"""SQLite for the PHP stand-ins: statements as JSON lines in, rows out; reads MySQL's dialect.

Run by the PHP process as a child of its own, so that PHP needs no database extension. The table
`faults` holds what shall fail: a pattern of statements, MySQL's number of the error, how often.
"""

import json
import re
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import Any

DUPLICATE, DEADLOCK, OTHER = 1062, 1213, 1064


class Bridge:
    """One connection, in autocommit as MySQL's is."""

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.row_factory = sqlite3.Row
        self.database.execute("PRAGMA synchronous = OFF")
        held = Path(f"{path}.held")  # the lock, by somebody else
        self.database.create_function("CONCAT", -1, lambda *texts: "".join(map(str, texts)))
        self.database.create_function("GET_LOCK", 2, lambda _name, _seconds: int(not held.exists()))
        self.database.create_function("RELEASE_LOCK", 1, lambda _name: 1)
        self.database.create_function("MD5", 1, str)
        self.database.create_function("DATABASE", 0, lambda: "crm")
        self.failed: Counter[str] = Counter()
        self.log = Path(f"{path}.log").open("w")  # noqa: SIM115 as long as the process

    def answer(self, line: str) -> dict[str, Any]:
        sql, params = json.loads(line)
        print(sql, file=self.log, flush=True)
        try:
            if number := self.fault(sql):
                return {"error": f"fault {number}", "number": number}
            if re.match("create table", sql, re.IGNORECASE) and self.database.in_transaction:
                self.database.execute("COMMIT")  # as MySQL does it
            cursor = self.database.execute(sqlite_of(sql), params)
            rows = [dict(row) for row in cursor.fetchall()]
        except sqlite3.IntegrityError as error:
            return {"error": str(error), "number": DUPLICATE}
        except sqlite3.Error as error:
            return {"error": str(error), "number": OTHER}
        return {"rows": rows, "affected": max(cursor.rowcount, 0)}

    def fault(self, sql: str) -> int:
        """The number of the error that this statement shall have, 0 for none."""
        for row in self.database.execute("SELECT * FROM faults").fetchall():
            if re.search(row["pattern"], sql) and self.failed[row["pattern"]] < row["times"]:
                self.failed[row["pattern"]] += 1
                if row["number"] == DEADLOCK and self.database.in_transaction:
                    self.database.execute("ROLLBACK")  # which ends the whole transaction in MySQL
                return int(row["number"])
        return 0


def sqlite_of(sql: str) -> str:
    """What SQLite spells otherwise."""
    if sql.startswith(("SET ", "DO ")):
        return "SELECT 1"
    sql = re.sub(r"^START TRANSACTION$", "BEGIN", sql)
    sql = re.sub(r" (FOR UPDATE|LOCK IN SHARE MODE)$", "", sql)
    sql = sql.replace("@@innodb_lock_wait_timeout", "50")
    if not sql.startswith("CREATE TABLE"):
        return sql
    sql = re.sub(
        r"BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", sql
    )
    sql = sql.replace("CHARACTER SET ascii COLLATE ascii_bin ", "")
    sql = re.sub(r", KEY \w+ \([^)]*\)", "", sql)
    return re.sub(r"\) ENGINE=.*", ")", sql)


def main(path: str) -> None:
    bridge = Bridge(path)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(bridge.answer(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
