"""What the checker says about a log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which a log breaks a rule ("2.1", "3.1", "3.5" or "3.6").

    `call_id` and `call_name` are "" where no single call is to blame; `text` is a sentence for a person.
    """

    rule: str
    call_id: str
    call_name: str
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """How much was looked at."""

    runs: int
    events: int
    batches: int
    calls: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`is_ok` where the log is whole and nothing was found.

    `is_complete` is false while the last run has not ended: then a call may still be running, and only what has
    happened so far was judged.
    """

    is_ok: bool
    is_complete: bool
    findings: tuple[Finding, ...]
    checked: Checked

    def broken(self, rule: str) -> tuple[Finding, ...]:
        """The findings against one rule."""
        return tuple(finding for finding in self.findings if finding.rule == rule)
