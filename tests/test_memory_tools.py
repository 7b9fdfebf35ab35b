"""The tools by which an agent edits its own memory: what they do, what they refuse, and that no edit is ever lost."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from access.database import in_database
from agents.block_edits import EditProblem, appended, inserted, replaced, replaced_everywhere, rewritten
from agents.edited_memory import MemoryProblem, edit_block
from agents.memory import attach_blocks, make_blocks
from agents.models import Agent, AgentBlock, AgentTool, Block
from engine.specs import Outcome, ToolResult
from llms.testing import ScriptedClient, asks_for, says
from runs.equipping import equip
from runs.models import Message, ToolCall
from tests.workers import ToolboxDouble, ended, make_agent, send, working
from tools.built_in import ensure
from tools.direct import call_directly, call_for_agent
from tools.models import Tool
from tools.toolbox import Caller, Toolbox

LINES = "one\ntwo\nthree"


class TestEdits:
    """The texts themselves."""

    @pytest.mark.parametrize(
        ("edit", "before", "after"),
        [
            (inserted("new", -1), LINES, "one\ntwo\nthree\nnew"),
            (inserted("new", 0), LINES, "new\none\ntwo\nthree"),
            (inserted("new", 1), LINES, "one\nnew\ntwo\nthree"),
            (inserted("new", 3), LINES, "one\ntwo\nthree\nnew"),
            (inserted("new", -1), "", "new"),
            (inserted("new", 0), "", "new"),
            (inserted("two\nlines", 1), "one", "one\ntwo\nlines"),
            (replaced("two", "2"), LINES, "one\n2\nthree"),
            (replaced("\ntwo", ""), LINES, "one\nthree"),
            (replaced_everywhere("e", "E"), LINES, "onE\ntwo\nthrEE"),
            (appended("more"), "", "more"),
            (appended("more"), "one", "one\nmore"),
            (rewritten("fresh"), LINES, "fresh"),
        ],
    )
    def test_what_an_edit_gives(self, edit: Any, before: str, after: str) -> None:
        assert edit(before) == after

    @pytest.mark.parametrize(
        ("edit", "before", "why"),
        [
            (inserted("new", 4), LINES, "insert_line 4 is no line of this block, which has 3"),
            (inserted("new", -2), LINES, "insert_line -2 is no line"),
            (inserted("new", 1), "", "which has 0"),
            (replaced("four", "4"), LINES, "'four' does not stand in the block"),
            (replaced("a", "b"), "a\nb\na a", "3 times, in lines 1, 3, 3"),
            (replaced("", "b"), LINES, "memory_insert"),
            (replaced_everywhere("four", ""), LINES, "was not found"),
        ],
    )
    def test_what_an_edit_refuses(self, edit: Any, before: str, why: str) -> None:
        with pytest.raises(EditProblem, match=why):
            edit(before)


def an_agent(*blocks: dict[str, Any], name: str = "keeper") -> Agent:
    agent = Agent.objects.create(name=name, model="openai/gpt-4.1", parallel_tool_calls=True)
    attach_blocks(agent, make_blocks(blocks))
    return agent


def value_of(label: str) -> str:
    return Block.objects.get(label=label).value


def call(agent: Agent, name: str, arguments: str) -> ToolResult:
    (tool,) = ensure([name])
    return asyncio.run(call_for_agent(agent.pk, tool, arguments, equip))


@pytest.mark.django_db(transaction=True)
class TestCalls:
    """Calls of the tools, as a model makes them."""

    @pytest.mark.parametrize(
        ("name", "arguments", "after"),
        [
            ("memory_insert", '{"label": "human", "new_string": "Likes tea."}', "Name: Ada.\nLikes tea."),
            ("memory_insert", '{"label": "human", "new_string": "First.", "insert_line": 0}', "First.\nName: Ada."),
            ("memory_replace", '{"label": "human", "old_string": "Ada", "new_string": "Eve"}', "Name: Eve."),
            ("memory_rethink", '{"label": "human", "new_memory": "Nothing known."}', "Nothing known."),
            ("core_memory_append", '{"label": "human", "content": "Tall."}', "Name: Ada.\nTall."),
            (
                "core_memory_replace",
                '{"label": "human", "old_content": "Ada", "new_content": "Eve"}',
                "Name: Eve.",
            ),
            (
                "memory",
                '{"command": "str_replace", "path": "/memories/human", "old_string": "Ada", "new_string": "Eve"}',
                "Name: Eve.",
            ),
            (
                "memory",
                '{"command": "insert", "path": "human", "insert_line": 0, "insert_text": "First."}',
                "First.\nName: Ada.",
            ),
        ],
    )
    def test_a_tool_edits_the_block(self, name: str, arguments: str, after: str) -> None:
        agent = an_agent({"label": "human", "value": "Name: Ada."})
        result = call(agent, name, arguments)
        assert (result.outcome, value_of("human")) == (Outcome.SUCCESS, after), result.text
        assert "has been edited" in result.text

    def test_an_unknown_label_is_answered_with_those_that_there_are(self) -> None:
        agent = an_agent({"label": "human"}, {"label": "persona"})
        result = call(agent, "memory_insert", '{"label": "humans", "new_string": "x"}')
        assert (result.outcome, result.text) == (
            Outcome.ERROR,
            "Error executing function memory_insert: There is no memory block labelled `humans`. "
            "The blocks are: human, persona.",
        )

    def test_another_agents_block_is_not_there(self) -> None:
        agent, other = an_agent({"label": "human"}), an_agent({"label": "secret", "value": "x"}, name="other")
        for tool, arguments in (
            ("memory_rethink", '{"label": "secret", "new_memory": "y"}'),
            ("memory", '{"command": "view", "path": "secret"}'),
            ("memory", '{"command": "delete", "path": "secret"}'),
        ):
            assert call(agent, tool, arguments).outcome is Outcome.ERROR
        assert (value_of("secret"), other.blocks.count()) == ("x", 1)

    def test_a_read_only_block_stays_as_it_is(self) -> None:
        agent = an_agent({"label": "rules", "value": "Be kind.", "read_only": True})
        for tool, arguments in (
            ("memory_insert", '{"label": "rules", "new_string": "x"}'),
            ("memory", '{"command": "delete", "path": "rules"}'),
            ("memory", '{"command": "rename", "old_path": "rules", "new_path": "other"}'),
        ):
            result = call(agent, tool, arguments)
            assert (result.outcome, "read-only" in result.text) == (Outcome.ERROR, True)
        assert (value_of("rules"), agent.blocks.count()) == ("Be kind.", 1)

    def test_the_limit_is_told_in_numbers(self) -> None:
        agent = an_agent({"label": "human", "value": "x" * 90, "limit": 100})
        result = call(agent, "memory_insert", f'{{"label": "human", "new_string": "{"y" * 10}"}}')
        assert result.outcome is Outcome.ERROR
        assert "holds at most 100 characters, and would have 101" in result.text
        assert value_of("human") == "x" * 90
        assert (
            call(agent, "memory_insert", f'{{"label": "human", "new_string": "{"y" * 9}"}}').outcome is Outcome.SUCCESS
        )

    def test_the_tool_memory_makes_shows_renames_and_removes_blocks(self) -> None:
        agent = an_agent({"label": "human"})
        made = call(
            agent,
            "memory",
            '{"command": "create", "path": "/memories/plans", "description": "What is next", "file_text": "a\\nb"}',
        )
        assert made.outcome is Outcome.SUCCESS, made.text
        assert call(agent, "memory", '{"command": "view", "path": "/memories/plans"}').text == "1: a\n2: b"
        twice = call(agent, "memory", '{"command": "create", "path": "/memories/plans"}')
        assert "a block `plans` already" in twice.text
        renamed = call(
            agent, "memory", '{"command": "rename", "old_path": "/memories/plans", "new_path": "/memories/next"}'
        )
        assert renamed.outcome is Outcome.SUCCESS, renamed.text
        call(agent, "memory", '{"command": "rename", "path": "/memories/next", "description": "Soon"}')
        block = Block.objects.get(label="next")
        assert (block.value, block.description) == ("a\nb", "Soon")
        taken = call(agent, "memory", '{"command": "rename", "old_path": "next", "new_path": "human"}')
        assert taken.outcome is Outcome.ERROR
        assert call(agent, "memory", '{"command": "delete", "path": "/memories/next"}').outcome is Outcome.SUCCESS
        assert [block.label for block in agent.blocks.all()] == ["human"]
        assert Block.objects.filter(label="next").exists()  # detached, as documented; not deleted

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ('{"command": "create"}', "needs `path`"),
            ('{"command": "create", "path": "/memories/"}', "names no block"),
            ('{"command": "create", "path": "/memories/<b>"}', "cannot be a block's label"),
            ('{"command": "str_replace", "path": "human"}', "needs `old_string`"),
            ('{"command": "insert", "path": "human"}', "needs `insert_text`"),
            ('{"command": "rename", "old_path": "human"}', "needs `new_path`"),
            ('{"command": "burn"}', "must be one of"),
        ],
    )
    def test_an_incomplete_command_says_what_is_missing(self, arguments: str, why: str) -> None:
        result = call(an_agent({"label": "human"}), "memory", arguments)
        assert (result.outcome, why in result.text) == (Outcome.ERROR, True), result.text

    def test_outside_any_agent_there_is_no_memory_to_edit(self) -> None:
        (tool,) = ensure(["memory_insert"])
        result = asyncio.run(call_directly(tool, '{"label": "human", "new_string": "x"}'))
        assert (result.outcome, "there is none here" in result.text) == (Outcome.ERROR, True)

    def test_finishing_says_so(self) -> None:
        assert call(an_agent(), "memory_finish_edits", "{}").text == "Memory edits are finished."


@pytest.mark.django_db(transaction=True)
class TestNoEditIsLost:
    """Rule 3.8."""

    def test_edits_by_many_threads_of_agents_that_share_a_block_are_all_there(self) -> None:
        first, second = an_agent({"label": "shared"}), an_agent(name="other")
        AgentBlock.objects.create(agent=second, block=Block.objects.get())
        together = Barrier(8)

        def append(number: int) -> None:
            try:
                together.wait(20)
                edit_block((first, second)[number % 2].pk, "shared", appended(f"line {number}"))
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(append, range(8)))
        assert sorted(value_of("shared").split("\n")) == [f"line {number}" for number in range(8)]

    def test_an_edit_waits_for_the_one_before_it_and_sees_its_text(self) -> None:
        """An edit that began first but takes longer does not write over the one that came in between."""
        agent = an_agent({"label": "shared", "value": "start"})
        has_begun, seen = Barrier(2), []

        def slow(value: str) -> str:
            has_begun.wait(20)
            seen.append(value)
            return value + " slow"

        def quick(value: str) -> str:
            seen.append(value)
            return value + " quick"

        def run_slow() -> None:
            try:
                edit_block(agent.pk, "shared", slow)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as thread:
            task = thread.submit(run_slow)
            has_begun.wait(20)  # the slow one is inside its edit now
            edit_block(agent.pk, "shared", quick)
            task.result()
        assert (seen, value_of("shared")) == (["start", "start slow"], "start slow quick")

    def test_edits_by_two_processes_are_all_there(self, tmp_path: Path) -> None:
        agent = an_agent({"label": "shared"})
        processes = [self._process(agent, word, tmp_path) for word in ("left", "right")]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        expected = [f"{word} {number}" for word in ("left", "right") for number in range(100)]
        assert sorted(value_of("shared").split("\n")) == sorted(expected)

    def _process(self, agent: Agent, word: str, tmp_path: Path) -> subprocess.Popen[str]:
        name = connection.settings_dict["NAME"]
        url = f"sqlite:///{name}" if connection.vendor == "sqlite" else _postgres_url()
        script = (
            "import django; django.setup()\n"
            "from agents.block_edits import appended\n"
            "from agents.edited_memory import edit_block\n"
            "print('ready', flush=True); input()\n"
            f"for number in range(100): edit_block({agent.pk!r}, 'shared', appended(f'{word} {{number}}'))\n"
        )
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "ade.settings",
            "ADE_DATA_DIR": str(tmp_path),
        }
        return subprocess.Popen(
            [sys.executable, "-c", script],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    async def test_calls_of_one_batch_side_by_side_all_keep_their_edit(self) -> None:
        """With the switch on, as somebody may have set it."""
        agent = await in_database(self._keeper)
        calls = [("memory_insert", {"label": "human", "new_string": f"fact {number}"}) for number in range(6)]
        client = ScriptedClient(
            asks_for(*calls, ("memory_replace", {"label": "human", "old_string": "start", "new_string": "begin"})),
            says("Noted."),
        )
        async with working(client, ToolboxDouble(Toolbox(equip).of(Caller(agent.pk)))):
            run = await ended((await send(agent)).pk)
        assert run.status == "completed"
        value = await in_database(value_of, "human")
        assert sorted(value.split("\n")) == sorted(["begin", *(f"fact {number}" for number in range(6))])
        plan = await in_database(lambda: set(ToolCall.objects.values_list("mode", "state")))
        assert plan == {("parallel", "success")}
        # The next step's prompt has what the tools wrote.
        before, after = (request.messages[0].text for request in client.requests)
        assert ("start" in before, "fact 0" in before) == (True, False)
        assert all(f"fact {number}" in after for number in range(6))
        assert await in_database(Message.objects.filter(role="tool").count) == 1

    def _keeper(self) -> Agent:
        agent = make_agent()
        attach_blocks(agent, make_blocks([{"label": "human", "value": "start"}]))
        for tool in ensure(["memory_insert", "memory_replace"]):
            Tool.objects.filter(pk=tool.pk).update(enable_parallel_execution=True)
            AgentTool.objects.create(agent=agent, tool=tool)
        return agent


@pytest.mark.django_db
def test_an_edit_that_does_not_fit_leaves_the_block_alone() -> None:
    agent = an_agent({"label": "human", "value": "a"})
    with pytest.raises(MemoryProblem):
        edit_block(agent.pk, "human", replaced("b", "c"))
    assert value_of("human") == "a"


def _postgres_url() -> str:
    given = connection.settings_dict
    return f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
