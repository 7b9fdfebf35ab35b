"""Pictures of stored runs: the log, and for a run that carries decisions out, what the run before left open."""

from __future__ import annotations

from collections.abc import Iterable

from engine.checker import LogRow, Verdict, check
from runs.follow import read_log
from runs.models import Run, RunEvent
from runs.picture import RunPicture, continued
from runs.remains import remains

_LONGEST_CHAIN = 200


def blank_picture(run: Run) -> RunPicture:
    """The picture of a run before the first row of its log."""
    if run.resumes_run_id is None:
        return RunPicture(run.pk)
    previous = Run.objects.get(pk=run.resumes_run_id)
    return continued(run.pk, picture_of(previous))


def log_of(run: Run) -> list[RunEvent]:
    """The log of a run; of one whose log has been pruned, what its rows still tell."""
    rows = read_log(run.pk)
    return remains(run) if not rows and run.is_ended and run.last_seq else rows


def picture_of(run: Run, upto: int | None = None) -> RunPicture:
    """The picture of a run as its log stands, or as it stood after row `upto`."""
    rows: Iterable[RunEvent] = log_of(run)
    if upto is not None:
        rows = (row for row in rows if row.seq <= upto)
    return blank_picture(run).apply_all(rows)


def linked_runs(run: Run) -> list[Run]:
    """The chain of runs that belong together, first to last: each carries out the decisions on the one before it."""
    chain = [run]
    while chain[0].resumes_run is not None and len(chain) < _LONGEST_CHAIN:
        chain.insert(0, chain[0].resumes_run)
    while (after := Run.objects.filter(resumes_run=chain[-1]).first()) and len(chain) < _LONGEST_CHAIN:
        chain.append(after)
    return chain


def verdict_on(run: Run) -> Verdict:
    """What the independent checker says about the whole chain (rules 5.2 and 7.3)."""
    rows = [LogRow(one.pk, row.seq, row.type, row.at, row.data) for one in linked_runs(run) for row in read_log(one.pk)]
    return check(rows)
