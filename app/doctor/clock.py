"""Clocks that differ: a shop refuses signatures of another hour, the newest edit is misjudged."""

from app.doctor.findings import Finding, Subject

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
