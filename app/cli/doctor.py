"""`doctor`: all checks, their findings, and the remedies."""

from dataclasses import asdict

import typer

from app.cli.console import OUT, new_table, print_json, run, styled
from app.cli.context import chosen_stores, load_cli_settings
from app.cli.failures import FAILED
from app.doctor.checkup import examine
from app.doctor.findings import Finding, Verdict, worst

MARKS = {
    Verdict.OK: ("✓", "green"),
    Verdict.MENDED: ("repaired", "green"),
    Verdict.NOTE: ("note", "blue"),
    Verdict.WARNING: ("warning", "yellow"),
    Verdict.FAILED: ("failed", "red"),
}


def doctor(*, store: str | None, fix: bool, json: bool) -> None:
    settings = load_cli_settings()
    found = run(examine(settings, chosen_stores(settings, store), fix=fix))
    if json:
        print_json([asdict(finding) for finding in found])
    else:
        _print(found)
    if worst(found):
        raise typer.Exit(FAILED)


def _print(found: list[Finding]) -> None:
    table = new_table("", "Where", "Check", "Found")
    for finding in found:
        remedy = f"\n→ {finding.remedy}" if finding.remedy else ""
        message = styled(finding.message, (remedy, "dim"))
        table.add_row(styled(MARKS[finding.verdict]), finding.subject, finding.check, message)
    OUT.print(table)
    bad = [finding for finding in found if finding.verdict in {Verdict.FAILED, Verdict.WARNING}]
    fixable = sum(finding.can_fix for finding in bad)
    OUT.print(_summary(len(bad), fixable), style="" if bad else "green")


def _summary(bad: int, fixable: int) -> str:
    if not bad:
        return "No problems were found."
    text = f"{bad} problem{'' if bad == 1 else 's'} found"
    return (
        f"{text}, {fixable} can be repaired by `woo-vtiger doctor --fix`."
        if fixable
        else f"{text}."
    )
