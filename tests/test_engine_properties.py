"""Any batch, any switches, any failures and any caps keep the rules; the checker agrees (sections 2, 3, 5 and 6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.checker import LogRow, check
from engine.events import BatchPlanned, CallEnded, CallStarted, Event, ModelResponded, RunStarted, load
from engine.loop import World, run_agent
from engine.permits import LocalPermits
from engine.plan import PlannedCall
from engine.planner import CallIds
from engine.ports import Need
from engine.rule_solver import PastCall
from engine.rules import ConstrainChildTools, ExitLoop, MaxCountPerStep, RequiredBeforeExit, RunFirst, ToolRule
from engine.specs import (
    AgentSpec,
    Decision,
    OpenBatch,
    Outcome,
    ParallelSupport,
    RunOutcome,
    StopReason,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from engine.testing import Behaviour, FakeToolbox, MemoryRecorder, WorkerDied
from engine.turn import Turn
from llms.testing import Line, ScriptedClient, asks_for, says
from llms.types import ModelMessage, RequestedCall, Role

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
NAMES = ("t0", "t1", "t2", "t3")
WRONG_ARGUMENTS = ("", "{", '{"n": "x"}', "[]", "null")


@dataclass
class Case:
    """A script, tools and switches; `agents` are the agent at each load, the last one ever after."""

    agents: list[AgentSpec]
    batches: list[list[RequestedCall]]
    behaviours: list[Behaviour]
    max_calls: int = 64
    goodbyes: int = 1
    loaded: list[AgentSpec] = field(default_factory=list)
    plans: list[tuple[AgentSpec, BatchPlanned]] = field(default_factory=list)

    async def load_agent(self) -> AgentSpec:
        self.loaded.append(self.agents[min(len(self.loaded), len(self.agents) - 1)])
        return self.loaded[-1]

    def note(self, event: Event) -> None:
        if isinstance(event, BatchPlanned):
            self.plans.append((self.loaded[-1], event))

    def behave(self, planned: PlannedCall) -> Behaviour:
        assert planned.arguments is not None
        return self.behaviours[int(planned.arguments["n"])]

    def lines(self) -> list[Line]:
        return [*(asks_for(*batch) for batch in self.batches), *[says("Done.")] * self.goodbyes]


@dataclass
class Played:
    """What came of a case."""

    outcome: RunOutcome
    recorder: MemoryRecorder
    toolbox: FakeToolbox
    client: ScriptedClient
    permits: LocalPermits

    def events(self) -> list[Event]:
        return [load(row.type, row.data) for row in self.recorder.rows]

    def ended(self) -> dict[str, CallEnded]:
        return {event.call_id: event for event in self.events() if isinstance(event, CallEnded)}

    def responses(self) -> list[ModelResponded]:
        return [event for event in self.events() if isinstance(event, ModelResponded) and event.calls]


def opening() -> list[ModelMessage]:
    return [ModelMessage(Role.USER, "Go.")]


async def play(case: Case, turn: Turn | None = None, recorder: MemoryRecorder | None = None) -> Played:
    """Run the case to its end, or to where the recorder dies."""
    recorder = recorder or MemoryRecorder()
    recorder.on_event = case.note
    toolbox, permits = FakeToolbox(case.behave), LocalPermits(case.max_calls)
    client = ScriptedClient(*case.lines())
    attempt = 1 + sum(row.type == "run.started" and row.run_id == recorder.run_id for row in recorder.rows)
    await recorder.record(RunStarted("agent-1", "Ann", "demo/x", attempt))
    world = World(case.load_agent, lambda handle: (client, "x"), toolbox.call, recorder, permits, max_steps=20)
    try:
        outcome = await run_agent(turn or Turn(opening()), world)
    except* WorkerDied:
        outcome = RunOutcome(StopReason.ERROR, 0, (turn or Turn([])).usage, "died")
    return Played(outcome, recorder, toolbox, client, permits)


tools = st.builds(
    lambda name, is_parallel, cap, group, is_safe: ToolSpec(
        f"id-{name}", name, "", SCHEMA, is_parallel, False, cap, group, is_safe_to_retry=is_safe
    ),
    st.just(""),
    st.booleans(),
    st.sampled_from([None, None, 1, 2]),
    st.sampled_from(["", "", "g", "h"]),
    st.booleans(),
)


@st.composite
def toolsets(draw: st.DrawFn) -> tuple[ToolSpec, ...]:
    return tuple(replace(draw(tools), id=f"id-{name}", name=name) for name in NAMES)


@st.composite
def agents(draw: st.DrawFn, rules: tuple[ToolRule, ...] = ()) -> AgentSpec:
    support = draw(st.sampled_from([ParallelSupport(True, True), ParallelSupport(False, False, "not with this model")]))
    wants = draw(st.sampled_from([True, True, False]))
    return AgentSpec(
        "agent-1", "Ann", "demo/x", tools=draw(toolsets()), rules=rules, wants_parallel=wants, support=support
    )


@st.composite
def scripts(draw: st.DrawFn, max_batches: int = 3) -> tuple[list[list[RequestedCall]], list[Behaviour]]:
    behaviours: list[Behaviour] = []
    batches = []
    for _ in range(draw(st.integers(1, max_batches))):
        batch = []
        for _ in range(draw(st.integers(1, 6))):
            name = draw(st.sampled_from((*NAMES, *NAMES, "unknown")))
            arguments = json.dumps({"n": len(behaviours)})
            if draw(st.integers(0, 7)) == 0:
                arguments = draw(st.sampled_from(WRONG_ARGUMENTS))
            batch.append(RequestedCall(draw(st.sampled_from(["", "call_0", "x", "y"])), name, arguments))
            outcome = draw(st.sampled_from([Outcome.SUCCESS, Outcome.SUCCESS, Outcome.ERROR, Outcome.TIMEOUT]))
            text, prints = f"return {len(behaviours)}", draw(st.sampled_from(["", "a line\n"]))
            behaviours.append(Behaviour(outcome, text, draw(st.integers(0, 6)), prints))
        batches.append(batch)
    return batches, behaviours


@st.composite
def cases(draw: st.DrawFn, rules: st.SearchStrategy[tuple[ToolRule, ...]] | None = None) -> Case:
    own_rules = draw(rules) if rules is not None else ()
    loads = draw(st.lists(agents(own_rules), min_size=1, max_size=4))
    batches, behaviours = draw(scripts())
    return Case(loads, batches, behaviours, draw(st.sampled_from([1, 2, 3, 64])))


def can_run(call: RequestedCall) -> bool:
    return call.name != "unknown" and call.arguments not in WRONG_ARGUMENTS


def expected_phases(batch: Sequence[RequestedCall], agent: AgentSpec) -> list[list[int]]:
    """Rules 2.1, 2.2 and 2.3 said once more, by place in the model's order."""
    is_on = agent.wants_parallel and agent.support.is_supported and not agent.rules
    enabled = {tool.name for tool in agent.tools if tool.is_parallel} if is_on else set()
    together = [place for place, call in enumerate(batch) if call.name in enabled and can_run(call)]
    alone = [[place] for place in range(len(batch)) if place not in together]
    return [*alone, together] if together else alone


def assert_green(rows: Sequence[LogRow]) -> None:
    verdict = check(rows)
    assert verdict.findings == ()
    assert verdict.is_ok


@given(cases())
def test_any_batch_is_planned_and_kept_as_the_rules_say(case: Case) -> None:
    played = asyncio.run(play(case))
    played.client.verify()
    assert_green(played.recorder.rows)
    assert len(case.plans) == len(case.batches)
    for batch, (agent, plan) in zip(case.batches, case.plans, strict=True):
        places = [[call.index for call in phase.calls] for phase in plan.phases]
        assert places == expected_phases(batch, agent)


@given(cases())
def test_no_call_is_ever_dropped_and_each_gets_its_own_return(case: Case) -> None:
    played = asyncio.run(play(case))
    ended = played.ended()
    responses = played.responses()
    ids = [call.id for response in responses for call in response.calls]
    assert "" not in ids
    assert len(set(ids)) == len(ids) == sum(len(batch) for batch in case.batches)
    for batch, response in zip(case.batches, responses, strict=True):
        for asked, call in zip(batch, response.calls, strict=True):
            assert (call.name, call.arguments, call.provider_id) == (asked.name, asked.arguments, asked.id)
            if can_run(asked):
                behaviour = case.behaviours[json.loads(asked.arguments)["n"]]
                assert (ended[call.id].outcome, ended[call.id].text) == (behaviour.outcome, behaviour.text)
            else:
                assert ended[call.id].outcome is Outcome.ERROR
                assert call.id not in played.toolbox.ran


@given(cases())
def test_returns_join_the_history_in_the_models_order(case: Case) -> None:
    played = asyncio.run(play(case))
    ended = played.ended()
    messages = list(played.client.requests[-1].messages[1:])
    for response in played.responses():
        answer, returns = messages[0], messages[1 : 1 + len(response.calls)]
        wanted = [call.id for call in response.calls]
        assert [call.id for call in answer.calls] == wanted
        assert [message.call_id for message in returns] == wanted
        assert [message.text for message in returns] == [ended[call_id].text for call_id in wanted]
        messages = messages[1 + len(response.calls) :]
    assert messages == []


@given(cases())
def test_caps_and_lock_groups_hold_and_are_given_back(case: Case) -> None:
    case.agents = case.agents[:1]
    played = asyncio.run(play(case))
    toolset = case.agents[0].tools
    assert played.toolbox.most_together(NAMES) <= case.max_calls
    for tool in toolset:
        assert played.toolbox.most_together([tool.name]) <= (tool.max_concurrency or 64)
    for group in ("g", "h"):
        assert played.toolbox.most_together([tool.name for tool in toolset if tool.lock_group == group]) <= 1

    async def refuse(reason: str) -> None:
        raise AssertionError(f"something was not given back: {reason}")

    async def take_all() -> None:
        for number in range(case.max_calls):
            need = Need(f"call-{number}", ToolSpec(f"other-{number}", "other"))
            await played.permits.acquire(need, refuse)

    asyncio.run(take_all())


@given(st.integers(2, 10), st.booleans())
def test_parallel_calls_really_overlap_and_others_never_do(size: int, is_on: bool) -> None:
    """Each call waits until all have started: with the flag on all of them succeed."""
    tool = ToolSpec("id-t0", "t0", "", SCHEMA, is_parallel=True)
    agent = AgentSpec("agent-1", "Ann", "demo/x", tools=(tool,), wants_parallel=is_on)
    batch = [RequestedCall("", "t0", json.dumps({"n": n})) for n in range(size)]
    case = Case([agent], [batch], [Behaviour(turns=3 * size)] * size)
    played = asyncio.run(play(case))
    assert_green(played.recorder.rows)
    assert played.toolbox.most_together(["t0"]) == (size if is_on else 1)


# Tool rules (section 4)

rule_sets = st.lists(
    st.one_of(
        st.builds(RunFirst, st.sampled_from(NAMES)),
        st.builds(ExitLoop, st.sampled_from(NAMES)),
        st.builds(MaxCountPerStep, st.sampled_from(NAMES), st.integers(0, 2)),
        st.builds(ConstrainChildTools, st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES)).map(tuple)),
        st.builds(RequiredBeforeExit, st.just("t0")),
    ),
    min_size=1,
    max_size=4,
).map(tuple)


@given(cases(rules=rule_sets))
def test_with_tool_rules_nothing_overlaps_and_a_terminal_tool_is_the_last_that_runs(case: Case) -> None:
    rules = case.agents[0].rules
    case.goodbyes = 20 if any(isinstance(rule, RequiredBeforeExit) for rule in rules) else 1
    played = asyncio.run(play(case))
    assert_green(played.recorder.rows)
    assert played.toolbox.most_together(NAMES) <= 1
    names = {call.id: call.name for response in played.responses() for call in response.calls}
    ran = [names[call_id] for call_id in played.toolbox.ran]
    terminal = {rule.tool_name for rule in rules if isinstance(rule, ExitLoop)}
    assert not terminal.intersection(ran[:-1])
    assert (played.outcome.stop_reason is StopReason.TOOL_RULE) == bool(terminal.intersection(ran[-1:]))
    for rule in rules:
        if isinstance(rule, MaxCountPerStep):
            assert ran.count(rule.tool_name) <= rule.max_count_limit
    first = {rule.tool_name for rule in rules if isinstance(rule, RunFirst)}
    if first <= terminal:  # what must be called before the end goes before a first tool that ends the run
        first |= {rule.tool_name for rule in rules if first and isinstance(rule, RequiredBeforeExit)}
    assert not first or not ran or ran[0] in first


def test_after_a_terminal_tool_the_others_are_skipped_and_say_so() -> None:
    toolset = tuple(ToolSpec(f"id-{name}", name, "", SCHEMA, is_parallel=True) for name in NAMES)
    agent = AgentSpec("agent-1", "Ann", "demo/x", tools=toolset, rules=(ExitLoop("t0"),), wants_parallel=True)
    batch = [RequestedCall("", name, '{"n": 0}') for name in ("t0", "t1", "t2")]
    case = Case([agent], [batch], [Behaviour(turns=3)])
    played = asyncio.run(play(case))
    assert_green(played.recorder.rows)
    assert played.outcome.stop_reason is StopReason.TOOL_RULE
    outcomes = [event.outcome for event in played.ended().values()]
    assert outcomes == [Outcome.SUCCESS, Outcome.SKIPPED, Outcome.SKIPPED]
    assert all("t0" in event.text for event in played.ended().values() if event.outcome is Outcome.SKIPPED)


def test_arguments_that_a_rule_prescribes_need_not_be_given_by_the_model() -> None:
    tool = ToolSpec("id-t0", "t0", "", SCHEMA)
    agent = AgentSpec("agent-1", "Ann", "demo/x", tools=(tool,), rules=(RunFirst("t0", {"n": 0}),))
    case = Case([agent], [[RequestedCall("", "t0", "{}")]], [Behaviour(text="prescribed")])
    played = asyncio.run(play(case))
    assert [event.text for event in played.ended().values()] == ["prescribed"]


def test_a_wrong_argument_is_overridden_by_the_prescribed_one_and_refused_without_it() -> None:
    tool = ToolSpec("id-t0", "t0", "", SCHEMA)
    agent = AgentSpec("agent-1", "Ann", "demo/x", tools=(tool,), rules=(RunFirst("t0", {"n": 0}),))
    batch = [RequestedCall("", "t0", '{"n": "x"}'), RequestedCall("", "t0", '{"n": "x"}')]
    played = asyncio.run(play(Case([agent], [batch], [Behaviour()])))
    assert [event.outcome for event in played.ended().values()] == [Outcome.SUCCESS, Outcome.ERROR]
    assert len(played.toolbox.ran) == 1


def test_a_prescribed_argument_that_does_not_fit_is_an_error_return() -> None:
    tool = ToolSpec("id-t0", "t0", "", SCHEMA)
    agent = AgentSpec("agent-1", "Ann", "demo/x", tools=(tool,), rules=(RunFirst("t0", {"n": "x"}),))
    played = asyncio.run(play(Case([agent], [[RequestedCall("", "t0", "{}")]], [])))
    assert [event.outcome for event in played.ended().values()] == [Outcome.ERROR]
    assert played.toolbox.ran == []


# Approval (section 5)


@given(cases(), st.data())
def test_nothing_runs_before_the_decision_and_all_is_told_after_it(case: Case, data: st.DataObject) -> None:
    case.batches = case.batches[:1]
    asking = data.draw(st.sets(st.sampled_from(NAMES), min_size=1))
    case.agents = [
        replace(agent, tools=tuple(replace(tool, requires_approval=tool.name in asking) for tool in agent.tools))
        for agent in case.agents
    ]
    first = asyncio.run(play(case))
    assert_green(first.recorder.rows)
    held = [call for call in case.batches[0] if call.name in asking and can_run(call)]
    assert (first.outcome.stop_reason is StopReason.REQUIRES_APPROVAL) == bool(held)
    if not held:
        return
    assert first.toolbox.ran == []
    batch = open_batch(first.recorder.rows)
    approved = {call.id: data.draw(st.booleans()) for call in batch.calls if call.name in asking}
    pending = next(row for row in first.recorder.rows if row.type == "approval.requested").data["call_ids"]
    decisions = tuple(Decision(call_id, approved[call_id], "no thanks") for call_id in pending)
    turn = Turn([*opening(), answer_of(batch)], batch=replace(batch, decisions=decisions), steps=1)
    first.recorder.run_id = "run-2"
    case.batches = []
    second = asyncio.run(play(case, turn, first.recorder))
    assert_green(second.recorder.rows)
    denied = {call_id for call_id in pending if not approved[call_id]}
    assert not denied.intersection(second.toolbox.ran)
    for call_id in denied:
        assert second.ended()[call_id].outcome is Outcome.DENIED
        assert "no thanks" in second.ended()[call_id].text


# A worker that dies (rule 6.2)


def answer_of(batch: OpenBatch) -> ModelMessage:
    asked = tuple(RequestedCall(call.id, call.name, call.arguments) for call in batch.calls)
    return ModelMessage(Role.ASSISTANT, calls=asked)


def open_batch(rows: Sequence[LogRow]) -> OpenBatch:
    """The last batch of a log as the next worker finds it."""
    events = [load(row.type, row.data) for row in rows]
    response = next(event for event in reversed(events) if isinstance(event, ModelResponded))
    calls = tuple(ToolCall(call.id, call.name, call.arguments, index) for index, call in enumerate(response.calls))
    ends = [event for event in events if isinstance(event, CallEnded) and event.step_id == response.step_id]
    starts = [event.call_id for event in events if isinstance(event, CallStarted) and event.step_id == response.step_id]
    finished = {end.call_id: ToolResult(end.call_id, end.outcome, end.text) for end in ends}
    running = frozenset(starts) - frozenset(finished)
    return OpenBatch(response.step_id, calls, (), finished, {call: starts.count(call) for call in starts}, running)


@given(cases(), st.data())
def test_a_worker_may_die_after_any_row_of_a_batch(case: Case, data: st.DataObject) -> None:
    case.batches = case.batches[:1]
    whole = asyncio.run(play(replace(case, loaded=[], plans=[])))
    types = [row.type for row in whole.recorder.rows]
    rows_before_batch = types.index("model.responded") + 1
    last_end = max(place for place, event_type in enumerate(types) if event_type == "call.ended")
    recorder = MemoryRecorder(dies_at=data.draw(st.integers(rows_before_batch, last_end)))
    first = asyncio.run(play(case, recorder=recorder))
    recorder.dies_at = None
    batch = open_batch(recorder.rows)
    turn = Turn([*opening(), answer_of(batch)], batch=batch, steps=1)
    case.batches = []
    second = asyncio.run(play(case, turn, recorder))
    assert_green(recorder.rows)
    assert not set(batch.finished).intersection(second.toolbox.ran)
    is_safe = {tool.name: tool.is_safe_to_retry for tool in case.loaded[-2].tools}
    for call in batch.calls:
        if call.id in batch.running and not is_safe[call.name]:
            assert second.ended()[call.id].outcome is Outcome.INTERRUPTED
            assert call.id not in second.toolbox.ran
    assert first.outcome.error == "died"


def test_a_terminal_tool_that_had_ended_before_the_crash_still_ends_the_run() -> None:
    toolset = tuple(ToolSpec(f"id-{name}", name, "", SCHEMA) for name in NAMES)
    agent = AgentSpec("agent-1", "Ann", "demo/x", tools=toolset, rules=(ExitLoop("t0"),))
    calls = CallIds().identify((RequestedCall("", "t0", '{"n": 0}'), RequestedCall("", "t1", '{"n": 0}')))
    done = ToolResult(calls[0].id, Outcome.SUCCESS, "sent")
    batch = OpenBatch("step-1", calls, finished={done.call_id: done}, attempts={done.call_id: 1})
    case = Case([agent], [], [Behaviour()])
    played = asyncio.run(play(case, Turn([*opening(), answer_of(batch)], batch=batch, steps=1)))
    assert played.outcome.stop_reason is StopReason.TOOL_RULE
    assert played.toolbox.ran == []


def test_calls_that_had_ended_before_the_crash_count_for_the_rules() -> None:
    toolset = tuple(ToolSpec(f"id-{name}", name, "", SCHEMA) for name in NAMES)
    agent = AgentSpec("agent-1", "Ann", "demo/x", tools=toolset, rules=(MaxCountPerStep("t0", 1),))
    calls = CallIds().identify((RequestedCall("", "t0", '{"n": 0}'), RequestedCall("", "t0", '{"n": 0}')))
    done = ToolResult(calls[0].id, Outcome.SUCCESS, "once")
    batch = OpenBatch("step-1", calls, finished={done.call_id: done}, attempts={done.call_id: 1})
    played = asyncio.run(
        play(Case([agent], [], [Behaviour()]), Turn([*opening(), answer_of(batch)], batch=batch, steps=1))
    )
    assert "max_count_per_step" in played.ended()[calls[1].id].text
    assert played.toolbox.ran == []


@pytest.mark.parametrize("provider_ids", [["call_0"] * 3, ["", "", ""], ["a", "b", "a"]])
def test_empty_and_repeated_ids_are_replaced_before_planning(provider_ids: list[str]) -> None:
    calls = CallIds().identify(tuple(RequestedCall(provider_id, "t0", "{}") for provider_id in provider_ids))
    again = CallIds().identify(tuple(RequestedCall(provider_id, "t0", "{}") for provider_id in provider_ids))
    assert len({call.id for call in (*calls, *again)}) == 6
    assert [call.index for call in calls] == [0, 1, 2]


def test_calls_of_the_run_that_asked_for_approval_count_too() -> None:
    past = [PastCall("t0", "earlier", Outcome.SUCCESS)]
    toolset = tuple(ToolSpec(f"id-{name}", name, "", SCHEMA) for name in NAMES)
    agent = AgentSpec("agent-1", "Ann", "demo/x", tools=toolset, rules=(MaxCountPerStep("t0", 1),))
    case = Case([agent], [[RequestedCall("", "t0", '{"n": 0}')]], [Behaviour()])
    played = asyncio.run(play(case, Turn(opening(), past=past)))
    assert played.toolbox.ran == []
