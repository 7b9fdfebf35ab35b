"""The second opinion: does a finished run's log keep rules 2.1, 3.1, 3.5 and 3.6? (rule 7.3)

It shares no code with the planner or the executor, and reads raw rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.check_ends import check_calls, check_returns, check_rows, is_complete
from engine.check_order import check_phases, check_plans
from engine.story import LogRow, read
from engine.verdict import Checked, Finding, Verdict

__all__ = ["Checked", "Finding", "LogRow", "Verdict", "check"]


def check(rows: Sequence[LogRow]) -> Verdict:
    """The verdict on a chain of linked runs: the run that asked for approval first, then the one that goes on.

    `rows` are all rows of each run in the order of their `seq`, run after run.
    """
    story = read(rows)
    findings = (
        *check_plans(story),
        *check_phases(story),
        *check_rows(story),
        *check_calls(story),
        *check_returns(story),
    )
    runs = len({row.run_id for row in rows})
    checked = Checked(runs, len(rows), len(story.batches), len(story.calls))
    complete = is_complete(story)
    return Verdict(complete and not findings, complete, findings, checked)
