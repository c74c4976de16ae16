"""The walk of `make walk` runs, and counts what it says."""

from io import StringIO

import pytest
from rich.console import Console

from benchmarks.walk import measure, table_of

pytestmark = pytest.mark.anyio


async def test_a_walk_is_counted_and_told_in_a_table(emptied_database_url: str) -> None:
    walk = await measure(emptied_database_url, "customer.updated")

    files, functions, calls, switches, transactions, statements, commits, remote_calls = walk.row()
    assert 0 < files < functions < calls
    assert files <= switches < calls
    assert 0 < commits <= transactions <= statements
    assert remote_calls == 2, (
        "Vtiger's record is read and written, the shop's came with the webhook"
    )
    assert {"api/receivers.py", "sync/merge.py", "synclog/repository.py"} < set(walk.files)
    assert not [file for file in walk.files if file.startswith("sandbox")]

    printed = StringIO()
    Console(file=printed, width=200).print(table_of({"customer.updated": walk}))
    assert f"{calls:,}" in printed.getvalue()
