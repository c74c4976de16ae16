"""Findings of checks: severity, message and remedy; and the check of clocks for both systems."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain import WooVtigerError


class Verdict(StrEnum):
    """The severity: `failed` keeps records from syncing, `warning` has disadvantages, `note` cannot
    be checked, `mended` was repaired."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILED = "failed"
    MENDED = "mended"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. `subject` is the key of a store, `vtiger` or `service`; `can_fix`
    states that `--fix` can repair it."""

    check: str
    subject: str
    verdict: Verdict
    message: str
    remedy: str = ""
    can_fix: bool = False

    def mended(self, message: str) -> "Finding":
        return replace(self, verdict=Verdict.MENDED, message=message, remedy="", can_fix=False)

    def still_there(self, why: str) -> "Finding":
        return replace(self, message=f"{self.message}; the repair failed: {why}")


@dataclass(frozen=True, slots=True)
class Subject:
    """Creates findings about one subject."""

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
    """Whether a finding keeps records from syncing."""
    return any(finding.verdict is Verdict.FAILED for finding in findings)


# Clocks: a shop refuses signatures with a wrong time, and the latest edit is misjudged

CHECK = "clock"
TOLERATED_S = 60.0
REMEDY = "Synchronize both clocks by NTP (`timedatectl set-ntp true`)."


def check_clock(subject: Subject, skew_seconds: float | None) -> list[Finding]:
    """Compare the clocks. `skew_seconds` is the lead of the other clock; None if it is unknown."""
    if skew_seconds is None:
        return []
    if abs(skew_seconds) <= TOLERATED_S:
        return [subject.ok(CHECK, f"within {TOLERATED_S:.0f} s of the service's clock")]
    ahead = "ahead" if skew_seconds > 0 else "behind"
    message = f"{abs(skew_seconds):.0f} s {ahead} the service's clock"
    return [subject.failed(CHECK, message, REMEDY)]
