"""The verdict on a sandbox day: the two tables, and whether both systems agree field by field."""

from dataclasses import dataclass, field

from rich.markup import escape

from app.cli.console import OUT
from app.cli.stage import STORE, Stage
from app.cli.tables import print_summary
from app.inbox.repository import count_open
from app.records import Outcome
from app.sync.comparison import Compared
from app.sync.drift import compare_store
from app.sync.run import modules_of
from app.synclog.totals import Summary, summary


@dataclass(slots=True)
class Verdict:
    """What was counted and compared once nothing was under way any more."""

    counts: Summary
    dead: int
    pairs: int = 0
    fields: int = 0
    kept: int = 0
    mails: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    differing: list[Compared] = field(default_factory=list)

    @property
    def failed(self) -> int:
        rows = (row for modules in self.counts.values() for row in modules.values())
        return max(self.dead, sum(row[Outcome.FAILED] for row in rows))

    @property
    def agrees(self) -> bool:
        return not self.differing and not self.failed

    def add(self, compared: Compared) -> None:
        if compared.skip is not None:
            self.left_out.append((compared.label, compared.skip.reason))
        elif not compared.agrees:
            self.differing.append(compared)
        else:
            self.pairs += 1
            self.fields += compared.checked
            self.kept += len(compared.fields)


async def judge(stage: Stage) -> Verdict:
    """Wait until all is settled, then read both systems whole. Raises Unsettled."""
    await stage.settle()
    async with stage.runtime.sessions() as session:
        counts = await summary(session)
        dead = (await count_open(session))["dead"]
    verdict = Verdict(counts, dead, mails=len(stage.sandbox.shop.mailbox.to_people()))
    for module in await modules_of(stage.runtime, STORE):
        async for compared in compare_store(stage.runtime, STORE, module=module):
            verdict.add(compared)
    return verdict


def print_verdict(verdict: Verdict) -> None:
    print_summary(verdict.counts)
    for compared in verdict.differing:
        _print_difference(compared)
    if verdict.failed:
        OUT.print(f"[red]{verdict.failed} records failed[/]: see GET /sync-log?outcome=failed")
    if verdict.agrees:
        extent = f"{verdict.pairs} pairs, {verdict.fields} fields"
        OUT.print(f"[green]Both systems agree[/]: {extent}{_but(verdict)}.")
    OUT.print(f"[dim]Customers were mailed {verdict.mails} times, had the shop been a real one.[/]")
    for label, reason in verdict.left_out:
        OUT.print(f"[dim]Left out: {escape(label)}, {reason}[/]")


def _but(verdict: Verdict) -> str:
    """Fields that cannot be the same: too long for the CRM, or not to be stored there."""
    return f", {verdict.kept} of them as near as the systems allow" if verdict.kept else ""


def _print_difference(compared: Compared) -> None:
    where = f"WooCommerce {compared.woo_id or '-'}, Vtiger {compared.vtiger_id or '-'}"
    OUT.print(f"[red]{compared.plan}[/]  {escape(compared.label)}  [dim]{where}[/]")
    for each in compared.unexplained:
        values = f"WooCommerce {each.woo!r}, Vtiger {each.vtiger!r}"
        OUT.print(f"    {each.field}: {escape(values)}  [dim]{each.act}[/]")
