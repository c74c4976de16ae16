"""The verdict on a sandbox day: the two tables, and whether both systems agree field by field."""

from dataclasses import dataclass, field

from app.cli.console import OUT, styled
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
        failed = f"{verdict.failed} records failed"
        OUT.print(styled((failed, "red"), ": see GET /sync-log?outcome=failed"))
    if verdict.agrees:
        extent = f"{verdict.pairs} pairs, {verdict.fields} fields"
        OUT.print(styled(("Both systems agree", "green"), f": {extent}{_but(verdict)}."))
    mailed = f"Customers were mailed {verdict.mails} times, had the shop been a real one."
    OUT.print(mailed, style="dim")
    for label, reason in verdict.left_out:
        OUT.print(f"Left out: {label}, {reason}", style="dim")


def _but(verdict: Verdict) -> str:
    """Fields that cannot be the same: too long for the CRM, or not to be stored there."""
    return f", {verdict.kept} of them as near as the systems allow" if verdict.kept else ""


def _print_difference(compared: Compared) -> None:
    where = f"WooCommerce {compared.woo_id or '-'}, Vtiger {compared.vtiger_id or '-'}"
    OUT.print(styled((compared.plan, "red"), f"  {compared.label}  ", (where, "dim")))
    for each in compared.unexplained:
        values = f"WooCommerce {each.woo!r}, Vtiger {each.vtiger!r}"
        OUT.print(styled(f"    {each.field}: {values}  ", (each.act, "dim")))
