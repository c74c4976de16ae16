"""SQLite for the PHP stand-ins: statements as JSON lines in, rows out; reads MySQL's CREATE TABLE.

Run by the PHP process as a child of its own, so that PHP needs no database extension.
"""

import json
import re
import sqlite3
import sys
from typing import Any


def sqlite_of(sql: str) -> str:
    """What SQLite spells otherwise in the statements that make tables."""
    if not sql.startswith("CREATE TABLE"):
        return sql
    sql = re.sub(
        r"BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", sql
    )
    sql = re.sub(r", KEY \w+ \([^)]*\)", "", sql)
    return re.sub(r"\) ENGINE=.*", ")", sql)


def answer(database: sqlite3.Connection, line: str) -> dict[str, Any]:
    sql, params = json.loads(line)
    try:
        cursor = database.execute(sqlite_of(sql), params)
        rows = [dict(row) for row in cursor.fetchall()]
        database.commit()
    except sqlite3.Error as error:
        return {"error": str(error)}
    return {"rows": rows, "affected": max(cursor.rowcount, 0)}


def main(path: str) -> None:
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA synchronous = OFF")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(database, line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
