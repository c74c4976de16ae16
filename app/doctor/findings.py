"""What a check found: how bad it is, in one sentence, and what to do about it. The check of clocks,
which both systems share."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain import WooVtigerError


class Verdict(StrEnum):
    """`failed` keeps records from syncing; `warning` costs something; `note` cannot be checked."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILED = "failed"
    MENDED = "mended"


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is a store's key, `vtiger` or `service`; `can_fix` that `--fix` would mend it."""

    check: str
    subject: str
    verdict: Verdict
    message: str
    remedy: str = ""
    can_fix: bool = False

    def mended(self, message: str) -> "Finding":
        return replace(self, verdict=Verdict.MENDED, message=message, remedy="", can_fix=False)

    def still_there(self, why: str) -> "Finding":
        return replace(self, message=f"{self.message}; mending it failed: {why}")


@dataclass(frozen=True, slots=True)
class Subject:
    """Makes findings about one thing."""

    name: str

    def ok(self, check: str, message: str) -> Finding:
        return Finding(check, self.name, Verdict.OK, message)

    def note(self, check: str, message: str, remedy: str) -> Finding:
        return Finding(check, self.name, Verdict.NOTE, message, remedy)

    def warning(self, check: str, message: str, remedy: str, *, can_fix: bool = False) -> Finding:
        return Finding(check, self.name, Verdict.WARNING, message, remedy, can_fix)

    def failed(self, check: str, message: str, remedy: str, *, can_fix: bool = False) -> Finding:
        return Finding(check, self.name, Verdict.FAILED, message, remedy, can_fix)

    def error(self, check: str, error: WooVtigerError, remedy: str) -> Finding:
        return self.failed(check, str(error), remedy)


def worst(findings: Iterable[Finding]) -> bool:
    """Whether anything keeps records from syncing."""
    return any(finding.verdict is Verdict.FAILED for finding in findings)


# Clocks that differ: a shop refuses signatures of another hour, the newest edit is misjudged.

CHECK = "clock"
TOLERATED_S = 60.0
REMEDY = "Let NTP set both clocks (`timedatectl set-ntp true`)."


def check_clock(subject: Subject, skew_seconds: float | None) -> list[Finding]:
    """`skew_seconds`: how far the other clock is ahead of ours; None where nothing told it."""
    if skew_seconds is None:
        return []
    if abs(skew_seconds) <= TOLERATED_S:
        return [subject.ok(CHECK, f"within {TOLERATED_S:.0f} s of ours")]
    ahead = "ahead" if skew_seconds > 0 else "behind"
    message = f"{abs(skew_seconds):.0f} s {ahead} of ours"
    return [subject.failed(CHECK, message, REMEDY)]
