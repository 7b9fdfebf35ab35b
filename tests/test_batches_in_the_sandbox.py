"""Batches through the whole way of a run: planner, executor, toolbox, the real sandbox, and the log in the database."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from access.activity import Actor
from agents.memory import attach_blocks, make_blocks
from agents.models import Agent, AgentTool
from agents.variables import set_variable
from engine.checker import LogRow, check
from llms.testing import ScriptedClient, asks_for, says
from runs.database import in_database
from runs.dispatch import start_run
from runs.equipping import equip
from runs.follow import read_log
from runs.models import Message, Run, RunEvent, ToolCall
from tests.test_sandbox_corpus import CORPUS, Bad
from tests.workers import ended, make_agent, working
from tools.models import Tool
from tools.toolbox import Toolbox

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = "def good(n):\n    print('working on', n)\n    return n * 2"
MEET = """
import os, time

def meet(n):
    os.close(os.open(os.path.join(%r, f"here-{n}"), os.O_CREAT | os.O_WRONLY))
    deadline = time.monotonic() + 20
    while len(os.listdir(%r)) < 8:
        if time.monotonic() > deadline:
            raise TimeoutError("not all came")
        time.sleep(0.01)
    return n
"""
BRIEF = """
import os, time

def brief(n):
    path = os.path.join(%r, "alone")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    time.sleep(0.02)
    os.remove(path)
    return n
"""


def make_tool(name: str, source: str, parameters: dict[str, Any] | None = None, **fields: Any) -> Tool:
    schema = parameters or {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    fields = {"enable_parallel_execution": True, "network": "off", **fields}
    json_schema = {"name": name, "description": "", "parameters": schema}
    return Tool.objects.create(name=name, source_code=source, json_schema=json_schema, **fields)


def attach(agent: Agent, *tools: Tool) -> None:
    for tool in tools:
        AgentTool.objects.create(agent=agent, tool=tool)


async def execute(agent: Agent, client: ScriptedClient, max_steps: int = 200) -> Run:
    toolbox = Toolbox(equip)
    async with working(client, toolbox):
        message = [{"role": "user", "content": "go"}]
        run = await in_database(start_run, agent, message, started_by="test", max_steps=max_steps)
        return await ended(run.pk)


async def verdict_of(run: Run) -> Any:
    return check([LogRow(run.pk, row.seq, row.type, row.at, row.data) for row in await in_database(read_log, run.pk)])


def tool_name(number: int) -> str:
    return f"bad_{number}"


def rename(bad: Bad, number: int) -> str:
    return re.sub(r"\bbad\b", tool_name(number), bad.source)


@pytest.mark.timeout(300)
async def test_whatever_a_tool_does_its_siblings_and_its_run_go_on() -> None:
    def arrange() -> Agent:
        agent = make_agent()
        attach(agent, make_tool("good", GOOD))
        nothing = {"type": "object", "properties": {}}
        for number, bad in enumerate(CORPUS):
            attach(
                agent,
                make_tool(tool_name(number), rename(bad, number), nothing, timeout_seconds=bad.limits.seconds),
            )
        return agent

    agent = await in_database(arrange)
    batches = [asks_for(("good", {"n": 1}), tool_name(number), ("good", {"n": 2})) for number in range(len(CORPUS))]
    run = await execute(agent, ScriptedClient(*batches, says("Done.")))
    assert (run.status, run.stop_reason) == ("completed", "end_turn")
    messages = await in_database(lambda: list(Message.objects.filter(agent=agent, role="tool").order_by("position")))
    assert len(messages) == len(CORPUS)
    for bad, message in zip(CORPUS, messages, strict=True):
        before, middle, after = message.returns
        assert (before["outcome"], before["text"]) == ("success", "2"), bad.name
        assert (after["outcome"], after["text"]) == ("success", "4"), bad.name
        assert middle["outcome"] == bad.outcome, (bad.name, middle["text"][:300])
    ends = await in_database(
        lambda: Counter(row.data["call_id"] for row in RunEvent.objects.filter(run=run, type="call.ended"))
    )
    assert set(ends.values()) == {1}
    assert len(ends) == 3 * len(CORPUS)
    verdict = await verdict_of(run)
    assert verdict.is_ok, verdict.findings


@pytest.fixture
def shared_path(tmp_path: Path, settings: Any) -> Path:
    """A directory that tools may write to, whichever user they run as."""
    tmp_path.chmod(0o777)
    settings.ADE_TOOL_PATHS = (str(tmp_path),)
    return tmp_path


async def test_eight_parallel_calls_that_wait_for_each_other_all_succeed(shared_path: Path) -> None:
    agent = await in_database(make_agent)
    await in_database(lambda: attach(agent, make_tool("meet", MEET % (str(shared_path), str(shared_path)))))
    run = await execute(agent, ScriptedClient(asks_for(*[("meet", {"n": n}) for n in range(8)]), says("Done.")))
    outcomes = await in_database(lambda: list(ToolCall.objects.filter(run=run).values_list("state", "text")))
    assert [state for state, _ in outcomes] == ["success"] * 8, outcomes
    assert [text for _, text in outcomes] == [str(n) for n in range(8)]
    assert (await verdict_of(run)).is_ok


@pytest.mark.parametrize("switch", ["agent", "tool", "rules"])
async def test_with_either_switch_off_or_rules_no_two_calls_overlap(shared_path: Path, switch: str) -> None:
    def arrange() -> Agent:
        agent = make_agent(parallel=switch != "agent")
        if switch == "rules":
            agent.tool_rules = [{"type": "max_count_per_step", "tool_name": "brief", "max_count_limit": 100}]
            agent.save()
        attach(agent, make_tool("brief", BRIEF % str(shared_path), enable_parallel_execution=switch != "tool"))
        return agent

    agent = await in_database(arrange)
    run = await execute(agent, ScriptedClient(asks_for(*[("brief", {"n": n}) for n in range(8)]), says("Done.")))
    calls = await in_database(lambda: list(ToolCall.objects.filter(run=run).order_by("index")))
    assert [call.state for call in calls] == ["success"] * 8, [call.text for call in calls]
    spans = [(call.started_at, call.ended_at) for call in calls if call.started_at and call.ended_at]
    assert len(spans) == 8
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


SPY = """
import os

async def spy(agent_state):
    print("the token is", os.environ["TOKEN"][:6], flush=True)
    print(os.environ["TOKEN"][6:])
    assert "DJANGO_SETTINGS_MODULE" not in os.environ
    return [os.environ["TOKEN"], os.environ["REGION"], agent_state.name, agent_state.memory.get_block("human").value]
"""


async def test_a_tool_sees_its_agents_variables_and_memory_and_a_secret_is_never_shown() -> None:
    def arrange() -> Agent:
        agent = make_agent()
        me = Actor(None, "test")
        set_variable(me, agent, "TOKEN", "tok-12345678")
        set_variable(me, agent, "REGION", "north", is_secret=False)
        attach_blocks(agent, make_blocks([{"label": "human", "value": "Ada"}]))
        attach(agent, make_tool("spy", SPY, {"type": "object", "properties": {}}))
        return agent

    agent = await in_database(arrange)
    run = await execute(agent, ScriptedClient(asks_for("spy"), says("Done.")))
    call = await in_database(ToolCall.objects.get, run=run)
    assert (call.state, call.text) == ("success", '["•••", "north", "librarian", "Ada"]')
    shown = str(await in_database(lambda: list(RunEvent.objects.filter(run=run).values_list("data", flat=True))))
    assert "the token is" in shown
    assert "12345678" not in call.text + call.full_text
    assert "tok-12345678" not in shown + call.stdout


async def test_after_a_terminal_tool_the_others_are_skipped_and_say_so() -> None:
    def arrange() -> Agent:
        agent = make_agent()
        agent.tool_rules = [{"type": "exit_loop", "tool_name": "a"}]
        agent.save()
        attach(agent, *(make_tool(name, f"def {name}(n):\n    return '{name}'") for name in "abc"))
        return agent

    agent = await in_database(arrange)
    run = await execute(agent, ScriptedClient(asks_for(*[(name, {"n": 1}) for name in "abc"])))
    assert run.stop_reason == "tool_rule"
    calls = await in_database(lambda: list(ToolCall.objects.filter(run=run).order_by("index")))
    assert [call.state for call in calls] == ["success", "skipped", "skipped"]
    assert all("a ended the run" in call.text for call in calls[1:])
