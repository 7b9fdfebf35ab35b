"""Stores hand-made logs as runs."""

from __future__ import annotations

from agents.models import Agent
from engine.events import ModelResponded, load
from engine.specs import CallState, RunStatus, StopReason
from runs.models import Run, RunEvent, Step, ToolCall
from runs.picture import RunPicture
from tests.run_logs import RunLog


def store(log: RunLog, agent: Agent, *, resumes: Run | None = None, upto: int | None = None) -> Run:
    """The run of a log, or of its first `upto` rows, with the rows that pages read beside the log."""
    rows = log.rows[:upto]
    picture = RunPicture(log.run_id).apply_all(rows)
    run = Run.objects.create(
        pk=log.run_id,
        agent=agent,
        status=picture.status if picture.is_ended else RunStatus.RUNNING,
        stop_reason=picture.stop_reason or "",
        resumes_run=resumes,
        input=[{"role": "user", "content": "Look up tides"}] if resumes is None else [],
        last_seq=len(rows),
        started_at=rows[0].at if rows else None,
        ended_at=picture.ended_at,
        call_count=len(picture.calls),
        batch_count=picture.batch_count,
        saved_seconds=picture.saved_seconds,
    )
    RunEvent.objects.bulk_create(
        RunEvent(run=run, seq=row.seq, type=row.type, at=row.at, data=row.data) for row in rows
    )
    _store_calls(run, log, picture)
    return run


def append(run: Run, log: RunLog, start: int, stop: int | None = None) -> None:
    """Store more rows of the same log, as a worker would: `start` and `stop` as in a slice."""
    rows = log.rows[start:stop]
    RunEvent.objects.bulk_create(
        RunEvent(run=run, seq=row.seq, type=row.type, at=row.at, data=row.data) for row in rows
    )
    run.last_seq = rows[-1].seq
    if rows[-1].type == "run.ended":
        run.status, run.stop_reason = RunStatus.COMPLETED, StopReason.END_TURN
        run.ended_at = rows[-1].at
    run.save()


def _store_calls(run: Run, log: RunLog, picture: RunPicture) -> None:
    for row in log.rows:
        event = load(row.type, row.data)
        if not isinstance(event, ModelResponded):
            continue
        step = Step.objects.create(pk=event.step_id, run=run, index=0, model="demo/planner", created_at=row.at)
        if event.calls:
            _store_batch(run, step, picture)
        return


def _store_batch(run: Run, step: Step, picture: RunPicture) -> None:
    for call in picture.steps[step.pk].calls:
        ToolCall.objects.create(
            pk=call.id,
            step=step,
            run=run,
            index=call.index,
            name=call.name,
            arguments=call.arguments,
            state=call.state,
            needs_approval=call.needs_decision and call.state is CallState.HELD,
            text=call.text,
            full_text="the whole return" if call.has_full_text else "",
            stdout="".join(piece.text for piece in call.output.pieces),
            started_at=call.started_at,
            ended_at=call.ended_at,
        )
