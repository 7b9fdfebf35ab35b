"""Runs the phases of a plan. The only place with concurrency (section 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from engine.events import CallEnded, CallQueued, CallStarted, CallWaiting
from engine.plan import Plan, PlannedCall
from engine.ports import CallTool, Need, Permits, Recorder
from engine.specs import Outcome, ToolResult

Gate = Callable[[PlannedCall], PlannedCall]
"""Asked right before a call starts; may settle it (tool rules, rule 4.2) or change its arguments."""


class OnEnd(Protocol):
    """Told of each call that has ended, in the order in which they do."""

    def __call__(self, name: str, result: ToolResult, *, has_run: bool) -> None: ...


def _ignore(name: str, result: ToolResult, *, has_run: bool) -> None:
    """For those who need not know."""


class Execution:
    """One batch being executed, for the agent `owner`. `attempts` are the starts of each call before this worker took
    over."""

    def __init__(
        self,
        step_id: str,
        *,
        call_tool: CallTool,
        recorder: Recorder,
        permits: Permits,
        gate: Gate = lambda call: call,
        on_end: OnEnd = _ignore,
        attempts: Mapping[str, int] | None = None,
        owner: str = "",
    ) -> None:
        self._step_id = step_id
        self._call_tool = call_tool
        self._recorder = recorder
        self._permits = permits
        self._gate = gate
        self._on_end = on_end
        self._attempts = attempts or {}
        self._owner = owner
        self._results: dict[str, ToolResult] = {}

    async def run(self, plan: Plan, finished: Mapping[str, ToolResult]) -> dict[str, ToolResult]:
        """Run phase after phase; a phase starts only when every call of the one before has ended (rule 3.1).

        Returns the results by call id. `finished` calls are neither run nor recorded again.
        """
        for phase in plan.phases:
            async with asyncio.TaskGroup() as group:
                for planned in phase.calls:
                    if planned.call.id in finished:
                        was_started = self._attempts.get(planned.call.id, 0) > 0
                        self._note(planned, finished[planned.call.id], has_run=was_started)
                    else:
                        group.create_task(self._run_call(planned))
        return self._results

    async def _run_call(self, planned: PlannedCall) -> None:
        planned = self._gate(planned)
        if planned.result is not None:
            attempt = 1 if planned.has_run_elsewhere else self._attempts.get(planned.call.id, 0)
            await self._end(planned, planned.result, attempt=attempt)
            return
        assert planned.tool is not None  # a plan gives every call a result or a tool
        need = Need(planned.call.id, planned.tool, self._owner)
        await self._permits.acquire(need, lambda reason: self._say_waiting(planned, reason))
        try:
            await self._start_and_end(planned)
        finally:
            self._permits.release(need)

    async def _start_and_end(self, planned: PlannedCall) -> None:
        call_id = planned.call.id
        attempt = self._attempts.get(call_id, 0) + 1
        await self._recorder.record(CallStarted(self._step_id, call_id, attempt))
        result = await self._call_tool(planned, lambda stream, text: self._recorder.output(call_id, stream, text))
        await self._end(planned, result, attempt=attempt)

    async def _end(self, planned: PlannedCall, result: ToolResult, *, attempt: int) -> None:
        await self._recorder.record(ended(self._step_id, result, attempt), results=(result,))
        self._note(planned, result, has_run=planned.result is None or planned.has_run_elsewhere)

    def _note(self, planned: PlannedCall, result: ToolResult, *, has_run: bool) -> None:
        self._results[planned.call.id] = result
        self._on_end(planned.call.name, result, has_run=has_run)

    async def _say_waiting(self, planned: PlannedCall, reason: str) -> None:
        await self._recorder.record(CallWaiting(self._step_id, planned.call.id, f"waiting: {reason}"))


def queued(step_id: str, plan: Plan, finished: Mapping[str, ToolResult]) -> tuple[CallQueued, ...]:
    """A `call.queued` for every call that has not ended yet, in the order of the plan."""
    return tuple(
        CallQueued(step_id, planned.call.id, planned.call.name, phase.index)
        for phase in plan.phases
        for planned in phase.calls
        if planned.call.id not in finished
    )


def ended(step_id: str, result: ToolResult, attempt: int) -> CallEnded:
    """The event of a result."""
    return CallEnded(
        step_id,
        result.call_id,
        Outcome(result.outcome),
        result.text,
        attempt,
        bool(result.full_text),
        result.stdout,
        result.stderr,
    )
