"""The two tables of the Sync Log: what was done in each system, by module."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from app.cli.console import OUT, new_table, styled
from app.errors import System
from app.module_facts import LABELS
from app.records import Module, Outcome
from app.synclog.totals import Summary

TITLES = {System.WOOCOMMERCE: "WooCommerce", System.VTIGER: "Vtiger CRM"}
COLUMNS = (Outcome.CREATED, Outcome.UPDATED, Outcome.DELETED, Outcome.SKIPPED, Outcome.FAILED)


def print_summary(counts: Summary) -> None:
    for table in _tables(counts):
        OUT.print(table, "")


def _tables(counts: Summary) -> Iterator[Table]:
    headings = tuple(outcome.title() for outcome in COLUMNS)
    for system, title in TITLES.items():
        table = new_table("Module", *headings, numbers=headings, title=title)
        for module in Module:
            row = counts[system][module]
            table.add_row(LABELS[module], *(_cell(outcome, row[outcome]) for outcome in COLUMNS))
        yield table


def _cell(outcome: Outcome, count: int) -> Text:
    style = "dim" if not count else "red" if outcome is Outcome.FAILED else ""
    return styled((str(count), style))
