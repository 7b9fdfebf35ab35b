"""Event logs made by hand, for tests that need one without running an agent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from engine import events as fact
from engine.events import Event, dump
from engine.specs import Mode, Outcome, RunStatus, StopReason
from llms.types import FinishReason, Usage

BEGINNING = datetime(2026, 3, 1, 9, 0, 0, tzinfo=UTC)


@dataclass(slots=True)
class Row:
    """A row of the log without a database."""

    seq: int
    type: str
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that the log's model asks for."""

    id: str
    name: str
    mode: Mode = Mode.PARALLEL
    arguments: str = '{"query": "tides"}'


@dataclass(slots=True)
class RunLog:
    """Writes the log of one run, a tenth of a second per event unless `after` says otherwise."""

    run_id: str = "run-1"
    began: datetime = BEGINNING
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0
    batch: tuple[str, ...] = ()

    def add(self, event: Event, after: float = 0.1) -> RunLog:
        self.seconds += after
        at = self.began + timedelta(seconds=self.seconds)
        self.rows.append(Row(len(self.rows) + 1, event.type, at, json.loads(json.dumps(dump(event)))))
        return self

    def starts(self, text: str = "Look up tides", resumes: str | None = None, attempt: int = 1) -> RunLog:
        messages = (fact.InputMessage("user", text),) if text else ()
        return self.add(fact.RunStarted("agent-1", "Librarian", "demo/planner", attempt, resumes, messages))

    def asks_model(self, step_id: str = "step-1", *, parallel: bool = True) -> RunLog:
        reason = "On: the model may ask for several tools at once, parallel-enabled ones run together"
        self.steps += 1
        tools = ("search_web", "search_database", "send_message")
        number, returns = self.steps - 1, self._take_returns()
        return self.add(
            fact.ModelRequested(step_id, number, "demo/planner", 2, tools, parallel, parallel, reason, (), returns)
        )

    def retries_model(self, step_id: str = "step-1", reason: str = "the provider answered 529") -> RunLog:
        return self.add(fact.ModelRetried(step_id, 1, reason, 0.5))

    def answers(
        self, step_id: str = "step-1", text: str = "", calls: Sequence[Asked] = (), reasoning: str = ""
    ) -> RunLog:
        finish = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
        asked = tuple(fact.RespondedCall(call.id, f"provider-{call.id}", call.name, call.arguments) for call in calls)
        usage = Usage(prompt_tokens=120, completion_tokens=30)
        return self.add(
            fact.ModelResponded(step_id, f"message-{step_id}", finish, text, reasoning, "", asked, usage), after=0.8
        )

    def plans(self, calls: Sequence[Asked], step_id: str = "step-1") -> RunLog:
        """Sequential calls first, one a phase, then the parallel ones together (rule 2.1)."""
        groups = phases_of(calls)
        self.batch = tuple(call.id for call in calls)
        self.add(fact.BatchPlanned(step_id, True, "Parallel tool calls are on", tuple(groups)))
        done = {row.data["call_id"] for row in self.rows if row.type == "call.ended"}
        for phase in groups:
            for call in phase.calls:
                if call.id in done:
                    continue
                self.add(fact.CallQueued(step_id, call.id, call.name, phase.index), after=0.001)
        return self

    def starts_call(self, call_id: str, step_id: str = "step-1", attempt: int = 1) -> RunLog:
        return self.add(fact.CallStarted(step_id, call_id, attempt), after=0.01)

    def waits(self, call_id: str, reason: str = "waiting: cap 2 of search_web", step_id: str = "step-1") -> RunLog:
        return self.add(fact.CallWaiting(step_id, call_id, reason), after=0.01)

    def prints(self, call_id: str, text: str, stream: str = "stdout") -> RunLog:
        return self.add(fact.CallOutput(call_id, stream, text))

    def ends_call(
        self,
        call_id: str,
        outcome: Outcome = Outcome.SUCCESS,
        text: str = "3 results",
        step_id: str = "step-1",
        after: float = 0.5,
    ) -> RunLog:
        starts = sum(row.type == "call.started" and row.data["call_id"] == call_id for row in self.rows)
        return self.add(fact.CallEnded(step_id, call_id, outcome, text, starts), after=after)

    def ends(
        self,
        stop_reason: StopReason = StopReason.END_TURN,
        status: RunStatus = RunStatus.COMPLETED,
        error: str = "",
    ) -> RunLog:
        return self.add(fact.RunEnded(status, stop_reason, self.steps, Usage(240, 60), error, self._take_returns()))

    def _take_returns(self) -> tuple[str, ...]:
        """The batch before joins the history, in the model's order (rule 3.6)."""
        returns, self.batch = self.batch, ()
        return returns


def phases_of(calls: Iterable[Asked]) -> list[fact.PhaseFact]:
    """The plan of these calls, made here apart from the planner."""
    numbered = list(enumerate(calls))
    alone = [[pair] for pair in numbered if pair[1].mode is Mode.SEQUENTIAL]
    together = [pair for pair in numbered if pair[1].mode is Mode.PARALLEL]
    return [
        fact.PhaseFact(index, group[0][1].mode, tuple(_planned(number, call) for number, call in group))
        for index, group in enumerate([*alone, *([together] if together else [])])
    ]


def _planned(index: int, call: Asked) -> fact.PlannedCallFact:
    reason = "parallel-enabled" if call.mode is Mode.PARALLEL else "its parallel switch is off"
    return fact.PlannedCallFact(call.id, call.name, index, call.mode, reason)


THREE_CALLS = (
    Asked("call-a", "search_web"),
    Asked("call-b", "search_database"),
    Asked("call-c", "send_message", Mode.SEQUENTIAL, '{"message": "I have started"}'),
)


def three_call_log() -> RunLog:
    """The reference page's example: send_message first, then the two searches side by side, then an answer."""
    log = RunLog().starts().asks_model()
    log.retries_model().answers(text="I will look it up.", calls=THREE_CALLS, reasoning="Two sources are better.")
    log.plans(THREE_CALLS).starts_call("call-c").ends_call("call-c", text="sent")
    log.starts_call("call-a").waits("call-b").prints("call-a", "asking the web\n").starts_call("call-b")
    log.prints("call-b", "SELECT 1\n").ends_call("call-b", text='{"rows": 3}').prints("call-a", "page 2\n", "stderr")
    log.ends_call("call-a", Outcome.ERROR, "The site did not answer")
    return log.asks_model("step-2").answers("step-2", "**Tides** follow the moon.").ends()


def held_log() -> RunLog:
    """A run that ends because two of its three calls need a decision."""
    log = RunLog().starts().asks_model().answers(calls=THREE_CALLS)
    log.add(fact.ApprovalRequested("step-1", ("call-a", "call-c")))
    return log.ends(StopReason.REQUIRES_APPROVAL)


def decided_log() -> RunLog:
    """The run that carries the decisions on `held_log` out."""
    log = RunLog("run-2", BEGINNING + timedelta(minutes=3)).starts("", resumes="run-1")
    decisions = (fact.DecisionFact("call-a", True), fact.DecisionFact("call-c", False, "not now"))
    log.add(fact.ApprovalDecided("step-1", decisions, "admin")).plans(THREE_CALLS)
    log.ends_call("call-c", Outcome.DENIED, "Denied: not now")
    log.starts_call("call-a").starts_call("call-b").ends_call("call-a").ends_call("call-b")
    return log.asks_model("step-2").answers("step-2", "Done.").ends()


def crashed_log() -> RunLog:
    """A worker dies while call-a runs; another one goes on: call-c stands, call-a is interrupted, call-b runs."""
    log = RunLog().starts().asks_model().answers(calls=THREE_CALLS).plans(THREE_CALLS)
    log.starts_call("call-c").ends_call("call-c", text="sent").starts_call("call-a").starts_call("call-b")
    log.starts("", attempt=2).plans(THREE_CALLS)
    log.ends_call("call-a", Outcome.INTERRUPTED, "It may or may not have taken effect", after=0.01)
    log.starts_call("call-b", attempt=2).ends_call("call-b")
    return log.asks_model("step-2").answers("step-2", "Done.").ends()


def wide_log(count: int, *, is_ended: bool = True) -> RunLog:
    """One batch of `count` parallel calls."""
    calls = [Asked(f"call-{number}", f"tool_{number % 7}") for number in range(count)]
    log = RunLog().starts().asks_model().answers(calls=calls).plans(calls)
    for call in calls:
        log.starts_call(call.id)
    for call in calls if is_ended else calls[: count // 2]:
        log.ends_call(call.id, Outcome.ERROR if call.id.endswith("77") else Outcome.SUCCESS, after=0.01)
    return log.ends() if is_ended else log
