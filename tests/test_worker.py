"""Runs from Send to their end: what is recorded, in which order, and what a second worker finds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agents.models import Agent
from engine.checker import LogRow, check
from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Decision, Outcome, ToolResult
from engine.testing import FakeToolbox
from llms.testing import ScriptedClient, asks_for, says
from runs.database import in_database
from runs.dispatch import AgentBusy, NothingPending, PendingApproval, WrongCalls, cancel_runs, decide, start_run
from runs.follow import read_log
from runs.models import Message, Run, RunEvent, ToolCall
from runs.takeover import PENDING_APPROVAL_TEXT
from tests.workers import ToolboxDouble, ended, make_agent, working

pytestmark = pytest.mark.django_db(transaction=True)


async def send(agent: Agent, text: str = "Hello", **options: Any) -> Run:
    return await in_database(start_run, agent, [{"role": "user", "content": text}], started_by="test", **options)


async def log_of(*runs: Run) -> list[LogRow]:
    rows = []
    for run in runs:
        rows += [LogRow(run.pk, row.seq, row.type, row.at, row.data) for row in await in_database(read_log, run.pk)]
    return rows


async def types_of(run: Run) -> list[str]:
    return [row.type for row in await in_database(read_log, run.pk)]


async def test_a_mixed_batch_runs_as_planned_and_the_checker_agrees() -> None:
    agent = await in_database(make_agent, ("search", True), "write", ("look", True))
    client = ScriptedClient(asks_for("search", "write", "look"), says("Done."))
    toolbox = FakeToolbox()
    async with working(client, toolbox):
        run = await ended((await send(agent)).pk)
    assert (run.status, run.stop_reason, run.call_count) == ("completed", "end_turn", 3)
    rows = await log_of(run)
    plan = next(row.data for row in rows if row.type == "batch.planned")
    assert [[call["name"] for call in phase["calls"]] for phase in plan["phases"]] == [["write"], ["search", "look"]]
    verdict = check(rows)
    assert verdict.is_ok, verdict.findings
    returns = await in_database(lambda: Message.objects.get(agent=agent, role="tool").returns)
    assert [item["name"] for item in returns] == ["search", "write", "look"]
    assert toolbox.most_together(["search", "look"]) == 2


async def test_the_history_goes_on_in_the_next_run() -> None:
    agent = await in_database(make_agent, "write")
    client = ScriptedClient(asks_for("write"), says("Done."), says("Again."))
    async with working(client):
        await ended((await send(agent, "one")).pk)
        await ended((await send(agent, "two")).pk)
    assert [message.role for message in client.requests[-1].messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    call, answer = client.requests[-1].messages[1].calls[0], client.requests[-1].messages[2]
    assert call.id == answer.call_id


async def test_a_second_message_waits_its_turn() -> None:
    agent = await in_database(make_agent)
    first, second = await send(agent, "one"), await send(agent, "two")
    with pytest.raises(AgentBusy):
        await send(agent, "three", rejects_when_busy=True)
    async with working(ScriptedClient(says("1"), says("2"))):
        await ended(second.pk)
    first = await in_database(Run.objects.get, pk=first.pk)
    second = await in_database(Run.objects.get, pk=second.pk)
    assert first.ended_at and second.started_at and first.ended_at <= second.started_at


async def test_a_retry_of_the_same_message_attaches_to_its_run() -> None:
    agent = await in_database(make_agent)
    first = await send(agent, digest="d")
    assert (await send(agent, digest="d", retry_count=1)).pk == first.pk
    assert (await send(agent, digest="d", retry_count=0)).pk != first.pk


async def approval_agent() -> Agent:
    def make() -> Agent:
        agent = make_agent(("free", True), ("risky", True))
        agent.tool_rules = [{"type": "requires_approval", "tool_name": "risky"}]
        agent.save()
        return agent

    return await in_database(make)


async def pending_ids(agent: Agent) -> list[str]:
    calls = ToolCall.objects.filter(run__agent=agent, needs_approval=True).order_by("index")
    return await in_database(lambda: [call.pk for call in calls])


async def test_nothing_runs_before_the_decision_and_then_each_call_gets_its_return() -> None:
    agent = await approval_agent()
    client = ScriptedClient(asks_for("free", "risky", "risky"), says("Done."))
    toolbox = FakeToolbox()
    async with working(client, toolbox):
        asked = await ended((await send(agent)).pk)
        assert (asked.status, asked.stop_reason) == ("completed", "requires_approval")
        assert toolbox.ran == []
        ids = await pending_ids(agent)
        with pytest.raises(PendingApproval) as pending:
            await send(agent, "hurry")
        assert list(pending.value.call_ids) == ids
        with pytest.raises(WrongCalls) as wrong:
            await in_database(decide, agent, [Decision(ids[0], True)], decided_by="me")
        assert all(call_id in wrong.value.text for call_id in ids)
        choice = [Decision(ids[0], True), Decision(ids[1], False, "too risky")]
        carried = await in_database(decide, agent, choice, decided_by="me")
        again = await in_database(decide, agent, list(reversed(choice)), decided_by="me")
        assert again.pk == carried.pk
        carried = await ended(carried.pk)
    assert carried.stop_reason == "end_turn"
    returns = await in_database(lambda: Message.objects.get(agent=agent, role="tool").returns)
    assert [item["outcome"] for item in returns] == ["success", "success", "denied"]
    assert "too risky" in returns[2]["text"]
    verdict = check(await log_of(asked, carried))
    assert verdict.is_ok, verdict.findings
    with pytest.raises(NothingPending):
        await in_database(decide, agent, [Decision("call_x", True)], decided_by="me")


async def test_a_waiting_message_ends_when_the_run_before_it_asks_for_approval() -> None:
    agent = await approval_agent()
    first, second = await send(agent), await send(agent, "two")
    async with working(ScriptedClient(asks_for("risky"))):
        await ended(first.pk)
        second = await ended(second.pk)
    assert (second.status, second.error) == ("failed", PENDING_APPROVAL_TEXT)


async def test_cancelling_a_run_that_waits_for_approval_denies_its_calls() -> None:
    agent = await approval_agent()
    client = ScriptedClient(asks_for("free", "risky"), says("Fine."))
    async with working(client):
        asked = await ended((await send(agent)).pk)
        answers = await in_database(cancel_runs, agent)
        assert answers == {asked.pk: "cancelled"}
        resumed = await in_database(lambda: Run.objects.get(resumes_run=asked))
        assert (await ended(resumed.pk)).status == "cancelled"
        assert (await ended((await send(agent, "go on")).pk)).stop_reason == "end_turn"
    returns = [message.is_error for message in client.requests[-1].messages if message.role == "tool"]
    assert returns == [True, True]


class Endless:
    """Calls that run until they are cancelled."""

    def __init__(self, running: int) -> None:
        self.all_run = asyncio.Event()
        self._left = running
        self.cancelled: list[str] = []

    async def call(self, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        if planned.call.name == "quick":
            return ToolResult(planned.call.id, Outcome.SUCCESS, "quick")
        on_output("stdout", "working\n")
        self._left -= 1
        if not self._left:
            self.all_run.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.append(planned.call.id)
        raise AssertionError


async def test_cancel_tells_of_each_call_what_became_of_it_and_the_next_message_works() -> None:
    agent = await in_database(make_agent, "quick", ("slow", True), "never")
    client = ScriptedClient(asks_for("quick", "slow", "slow"), says("Fine."))
    tools = Endless(2)
    async with working(client, ToolboxDouble(tools.call)):
        run = await send(agent)
        await tools.all_run.wait()
        assert await in_database(cancel_runs, agent) == {run.pk: "cancelled"}
        run = await ended(run.pk)
        assert (run.status, run.stop_reason) == ("cancelled", "cancelled")
        assert len(tools.cancelled) == 2
        await ended((await send(agent, "go on")).pk)
    returns = await in_database(lambda: Message.objects.get(agent=agent, role="tool").returns)
    assert [item["outcome"] for item in returns] == ["success", "cancelled", "cancelled"]
    verdict = check(await log_of(run))
    assert verdict.is_ok, verdict.findings


async def test_a_run_left_by_a_dead_worker_goes_on_after_its_last_finished_call() -> None:
    agent = await in_database(make_agent, "quick", ("slow", True))
    tools = Endless(2)
    async with working(ScriptedClient(asks_for("slow", "quick", "slow")), ToolboxDouble(tools.call)):
        run = await send(agent)
        await tools.all_run.wait()
    assert (await in_database(Run.objects.get, pk=run.pk)).status == "running"
    toolbox = FakeToolbox()
    client = ScriptedClient(says("Done."))
    async with working(client, toolbox):
        run = await ended(run.pk)
    assert run.stop_reason == "end_turn"
    assert toolbox.ran == []
    returns = await in_database(lambda: Message.objects.get(agent=agent, role="tool").returns)
    assert [item["outcome"] for item in returns] == ["interrupted", "success", "interrupted"]
    verdict = check(await log_of(run))
    assert verdict.is_ok, verdict.findings


async def test_output_and_deltas_are_stored_and_the_log_has_no_gap() -> None:
    agent = await in_database(make_agent, ("slow", True))
    tools = Endless(1)
    async with working(ScriptedClient(asks_for("slow", text="I will look.")), ToolboxDouble(tools.call)):
        run = await send(agent)
        await tools.all_run.wait()
        while "call.output" not in await types_of(run):
            await asyncio.sleep(0.01)
    seqs: Sequence[int] = await in_database(
        lambda: list(RunEvent.objects.filter(run=run).order_by("seq").values_list("seq", flat=True))
    )
    assert list(seqs) == list(range(1, len(seqs) + 1))
    texts = await in_database(lambda: [delta.text for delta in run.deltas.filter(kind="text")])
    assert "".join(texts) == "I will look."
