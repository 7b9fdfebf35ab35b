"""A run as its event log tells it: a fold of rows, the same for page load, reload and live stream (rule 7.1).

Knows no database and no template. Feed it rows in order of `seq`; a row it has already seen changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, assert_never

from engine import events as fact
from engine.specs import CallState, Outcome, RunStatus, StopReason
from llms.types import Usage
from runs.picture_parts import CallPicture, Change, Part, PhasePicture, RetryPicture, StepPicture


class LogRow(Protocol):
    """A row of the event log; `RunEvent` is one."""

    seq: int
    type: str
    at: datetime
    data: Any


Changes = tuple[Change, ...]


@dataclass(slots=True)
class RunPicture:
    """What has happened so far. `seq` is the last row that went in."""

    run_id: str
    seq: int = 0
    status: RunStatus = RunStatus.CREATED
    stop_reason: StopReason | None = None
    error: str = ""
    agent_id: str = ""
    agent_name: str = ""
    model: str = ""
    attempt: int = 0
    resumes_run_id: str | None = None
    messages: tuple[fact.InputMessage, ...] = ()
    started_at: datetime | None = None
    last_at: datetime | None = None
    ended_at: datetime | None = None
    usage: Usage = field(default_factory=Usage)
    compactions: list[fact.ContextCompacted] = field(default_factory=list)
    steps: dict[str, StepPicture] = field(default_factory=dict)
    calls: dict[str, CallPicture] = field(default_factory=dict)
    decided_by: str = ""

    def apply(self, row: LogRow) -> Changes:
        """Take one row in and say what it changed, each thing once."""
        if row.seq <= self.seq:
            return ()
        self.seq, self.last_at = row.seq, row.at
        event = fact.load(row.type, row.data)
        match event:
            case fact.RunStarted():
                return self._start(event, row)
            case fact.ModelRequested():
                return self._ask(event, row)
            case fact.ModelRetried():
                return self._ask_again(event, row)
            case fact.ModelResponded():
                return self._answer(event, row)
            case fact.BatchPlanned():
                return self._plan(event, row)
            case fact.CallQueued() | fact.CallWaiting() | fact.CallStarted() | fact.CallEnded():
                return self._move(event, row)
            case fact.CallOutput():
                return self._print(event, row)
            case fact.ApprovalRequested():
                return self._hold(event)
            case fact.ApprovalDecided():
                return self._decide(event)
            case fact.ContextCompacted():
                self.usage = self.usage + event.usage
                self.compactions.append(event)
                return (Change(Part.RUN),)
            case fact.RunEnded():
                return self._end(event, row)
        assert_never(event)

    def apply_all(self, rows: Iterable[LogRow]) -> RunPicture:
        for row in rows:
            self.apply(row)
        return self

    @property
    def is_ended(self) -> bool:
        return self.status.is_ended

    @property
    def ordered_steps(self) -> list[StepPicture]:
        return list(self.steps.values())

    @property
    def pending_calls(self) -> list[CallPicture]:
        """The calls that a person has yet to decide."""
        return [call for call in self.calls.values() if call.needs_decision and call.state is CallState.HELD]

    @property
    def batch_count(self) -> int:
        return sum(1 for step in self.steps.values() if step.calls)

    @property
    def saved_seconds(self) -> float:
        return sum(step.saved_seconds for step in self.steps.values())

    def _start(self, event: fact.RunStarted, row: LogRow) -> Changes:
        self.status, self.attempt, self.model = RunStatus.RUNNING, event.attempt, event.model
        self.agent_id, self.agent_name = event.agent_id, event.agent_name
        self.resumes_run_id, self.messages = event.resumes_run_id, event.messages
        self.started_at = self.started_at or row.at
        lost = [call for call in self.calls.values() if call.state in {CallState.RUNNING, CallState.WAITING}]
        for call in lost:
            # The worker that ran it has died; nobody knows how long that attempt took.
            call.state, call.started_at, call.waiting_at = CallState.QUEUED, None, None
        return (Change(Part.RUN), *(Change(Part.CALL, call.id) for call in lost))

    def _ask(self, event: fact.ModelRequested, row: LogRow) -> Changes:
        step = self._step(event.step_id, event.step_index)
        step.model, step.since_seq, step.requested_at = event.model, row.seq, step.requested_at or row.at
        step.parallel, step.parallel_reason = event.parallel, event.reason
        return (Change(Part.STEP, step.id), Change(Part.RUN))

    def _ask_again(self, event: fact.ModelRetried, row: LogRow) -> Changes:
        step = self._step(event.step_id)
        step.retries.append(RetryPicture(row.at, event.attempt, event.reason, event.wait_seconds))
        if event.discards_deltas:
            step.since_seq = row.seq
        return (Change(Part.MODEL, step.id),)

    def _answer(self, event: fact.ModelResponded, row: LogRow) -> Changes:
        step = self._step(event.step_id)
        step.responded_at, step.text, step.reasoning = row.at, event.text, event.reasoning
        step.finish, step.usage = event.finish.value, event.usage
        self.usage = self.usage + event.usage
        for index, asked in enumerate(event.calls):
            call = self._call(asked.id, step.id, asked.name)
            call.index, call.arguments = index, asked.arguments
        return (Change(Part.STEP, step.id), Change(Part.RUN))

    def _plan(self, event: fact.BatchPlanned, row: LogRow) -> Changes:
        step = self._step(event.step_id)
        step.planned_at, step.plan_parallel, step.plan_reason = row.at, event.parallel, event.reason
        step.phases = [self._phase(step.id, phase, row.at) for phase in event.phases]
        step.calls.sort(key=lambda call: call.index)
        return (Change(Part.BATCH, step.id), Change(Part.RUN))

    def _phase(self, step_id: str, phase: fact.PhaseFact, at: datetime) -> PhasePicture:
        calls = []
        for planned in phase.calls:
            call = self._call(planned.id, step_id, planned.name)
            call.index, call.mode, call.reason, call.phase = planned.index, planned.mode, planned.reason, phase.index
            if call.state is CallState.HELD:
                call.state = CallState.QUEUED
            calls.append(call)
        return PhasePicture(step_id, phase.index, phase.mode, sorted(calls, key=lambda call: call.index), at)

    def _move(
        self, event: fact.CallQueued | fact.CallWaiting | fact.CallStarted | fact.CallEnded, row: LogRow
    ) -> Changes:
        call = self._call(event.call_id, event.step_id)
        match event:
            case fact.CallQueued():
                call.state, call.queued_at, call.name = CallState.QUEUED, row.at, event.name
            case fact.CallWaiting():
                call.state, call.waits_for = CallState.WAITING, event.reason
                call.waiting_at = call.waiting_at or row.at
            case fact.CallStarted():
                call.state, call.started_at, call.attempt = CallState.RUNNING, row.at, event.attempt
            case fact.CallEnded():
                call.state, call.ended_at, call.text = event.outcome, row.at, event.text
                call.has_full_text = event.has_full_text
        changed = (Change(Part.CALL, call.id), Change(Part.PHASE, call.step_id, call.phase))
        if isinstance(event, fact.CallEnded):
            return (*changed, *self._close_phase(call), Change(Part.RUN))
        return (*changed, Change(Part.RUN)) if isinstance(event, fact.CallStarted) else changed

    def _close_phase(self, last: CallPicture) -> Changes:
        """With the phase's last call it is known which one was critical: perhaps one that ended before."""
        phase = next((one for one in self.steps[last.step_id].phases if one.index == last.phase), None)
        critical = phase.critical_call if phase else None
        if critical is None:
            return ()
        critical.is_critical = True
        return (Change(Part.CALL, critical.id),) if critical is not last else ()

    def _print(self, event: fact.CallOutput, row: LogRow) -> Changes:
        call = self.calls.get(event.call_id)
        if call is None:
            return ()
        call.output.add(row.seq, event.stream, event.text)
        return (Change(Part.OUTPUT, call.id),)

    def _hold(self, event: fact.ApprovalRequested) -> Changes:
        step = self._step(event.step_id)
        for call_id in event.call_ids:
            self._call(call_id, step.id).needs_decision = True
            self._call(call_id, step.id).is_clients = call_id in event.client_ids
        for call in step.calls:
            if not call.is_ended:
                call.state = CallState.HELD
        return (Change(Part.BATCH, step.id), Change(Part.RUN))

    def _decide(self, event: fact.ApprovalDecided) -> Changes:
        step = self._step(event.step_id)
        self.decided_by = event.decided_by
        for decision in event.decisions:
            call = self._call(decision.call_id, step.id)
            call.decision = _decided(decision)
            call.decision_reason, call.needs_decision = decision.reason, False
        for call in step.calls:
            if call.state is CallState.HELD:
                call.state = CallState.QUEUED
        return (Change(Part.BATCH, step.id), Change(Part.RUN))

    def _end(self, event: fact.RunEnded, row: LogRow) -> Changes:
        self.status, self.stop_reason, self.error = event.status, event.stop_reason, event.error
        self.ended_at, self.usage = row.at, event.usage
        unanswered = [step for step in self.steps.values() if step.is_streaming]
        return (*(Change(Part.STEP, step.id) for step in unanswered), Change(Part.END), Change(Part.RUN))

    def _step(self, step_id: str, index: int | None = None) -> StepPicture:
        step = self.steps.get(step_id)
        if step is None:
            step = self.steps[step_id] = StepPicture(step_id, len(self.steps) if index is None else index)
        return step

    def _call(self, call_id: str, step_id: str, name: str = "") -> CallPicture:
        call = self.calls.get(call_id)
        if call is None:
            step = self._step(step_id)
            call = self.calls[call_id] = CallPicture(call_id, name or "?", step_id, len(step.calls))
            step.calls.append(call)
        elif name:
            call.name = name
        return call


def _decided(decision: fact.DecisionFact) -> str:
    if decision.is_returned:
        return "run by the client"
    return "approved" if decision.is_approved else "denied"


def continued(run_id: str, previous: RunPicture) -> RunPicture:
    """The empty picture of a run that carries out the decisions on the last step of `previous` (rule 5.2).

    That step was answered in the run before, so its text and calls are not in this run's own log.
    """
    picture = RunPicture(run_id)
    held = [step for step in previous.steps.values() if any(call.state is CallState.HELD for call in step.calls)]
    for step in deepcopy(held):
        step.is_carried_over = True
        picture.steps[step.id] = step
        picture.calls.update({call.id: call for call in step.calls})
    return picture


def tally(calls: Iterable[CallPicture]) -> Mapping[str, int]:
    """How many calls stand where, in the order of interest: running first, then what went wrong."""
    order = [CallState.RUNNING, CallState.WAITING, CallState.QUEUED, CallState.HELD]
    counts: dict[str, int] = {str(state): 0 for state in (*order, *Outcome)}
    for call in calls:
        counts[str(call.state)] += 1
    return {state: count for state, count in counts.items() if count}
