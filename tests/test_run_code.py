"""The tool run_code: code runs in the sandbox, and what became of it comes back as JSON."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from engine.plan import PlannedCall
from engine.specs import Mode, Outcome, ToolCall, ToolResult, ToolSpec
from tests.conftest import need
from tools.code.running import RUN_CODE
from tools.direct import call_directly
from tools.models import Tool
from tools.sandboxes import sandboxes
from tools.toolbox import Caller, Equipment, Toolbox


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One loop, and so one sandbox, for all calls of this module."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(_close())
    loop.close()


async def _close() -> None:
    await sandboxes().close()


def row(**fields: Any) -> Tool:
    return Tool(name="run_code", tool_type=RUN_CODE.tool_type, json_schema=RUN_CODE.json_schema, **fields)


@pytest.fixture
def run(loop: asyncio.AbstractEventLoop) -> Any:
    def call(code: str, language: str = "python", equipment: Equipment | None = None, **fields: Any) -> ToolResult:
        arguments = json.dumps({"code": code, "language": language})
        tool = equipment.tool if equipment else row(network="off", **fields)
        return loop.run_until_complete(call_directly(tool, arguments, equipment))

    return call


def answer(result: ToolResult) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(result.text)
    return told


def test_the_last_expression_is_the_result_and_prints_are_logs(run: Any) -> None:
    result = run("import sys\nx = 6\nprint('six', x)\nprint('careful', file=sys.stderr)\nx * 7")
    assert result.outcome is Outcome.SUCCESS
    assert answer(result) == {"results": ["42"], "logs": {"stdout": ["six 6"], "stderr": ["careful"]}}
    assert (result.stdout, result.stderr) == ("six 6\n", "careful\n")


def test_functions_see_each_other_and_none_is_no_result(run: Any) -> None:
    code = "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\ntotal = [f(n) for n in range(4)]\nprint(total)"
    assert answer(run(code)) == {"results": [], "logs": {"stdout": ["[1, 1, 2, 6]"], "stderr": []}}


def test_an_error_is_told_with_the_lines_of_the_code(run: Any) -> None:
    result = run("print('before')\ndef f():\n    return {}['key']\nf()")
    error = answer(result)["error"]
    assert result.outcome is Outcome.ERROR
    assert (error["name"], error["value"]) == ("KeyError", "'key'")
    assert "line 3, in f" in error["traceback"]
    assert "return {}['key']" in error["traceback"]
    assert "python_cell" not in error["traceback"]
    assert answer(result)["logs"]["stdout"] == ["before"]


def test_code_that_is_no_python_is_an_error_too(run: Any) -> None:
    assert answer(run("x ="))["error"]["name"] == "SyntaxError"


def test_leaving_with_zero_is_no_error_and_with_another_code_is(run: Any) -> None:
    assert "error" not in answer(run("import sys\nprint(1)\nsys.exit()"))
    assert answer(run("raise SystemExit(3)"))["error"]["value"] == "3"


def test_a_process_that_dies_is_an_error(run: Any) -> None:
    result = run("import os\nprint('bye', flush=True)\nos._exit(9)")
    assert result.outcome is Outcome.ERROR
    assert answer(result)["error"]["name"] == "error"
    assert answer(result)["logs"]["stdout"] == ["bye"]


def test_code_that_takes_too_long_is_ended_and_keeps_what_it_printed(run: Any) -> None:
    result = run("import time\nprint('started', flush=True)\ntime.sleep(60)", timeout_seconds=1.0)
    assert result.outcome is Outcome.TIMEOUT
    assert (answer(result)["logs"]["stdout"], "timed out" in answer(result)["error"]["value"]) == (["started"], True)


def test_it_does_not_run_in_the_server(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SECRET", "hidden")
    told = answer(run("import os\n(os.getpid(), os.environ.get('SERVER_SECRET'))"))
    assert told["results"] != [f"({os.getpid()}, None)"]
    assert "hidden" not in told["results"][0]


def test_the_agents_variables_are_there_and_secrets_are_masked(run: Any) -> None:
    equipment = Equipment(row(network="off"), {"TOKEN": "s3cret-value-1"}, frozenset({"s3cret-value-1"}), None, None)
    result = run("import os\nprint(os.environ['TOKEN'])\nlen(os.environ['TOKEN'])", equipment=equipment)
    assert answer(result)["results"] == ["14"]
    assert "s3cret-value-1" not in result.text + result.stdout


def test_the_network_switch_holds(run: Any) -> None:
    code = "import socket\nsocket.create_connection(('127.0.0.1', 9), timeout=2)"
    assert answer(run(code))["error"]["name"] in ("PermissionError", "OSError")


def test_a_long_result_is_cut_and_kept_whole_beside(run: Any) -> None:
    result = run("'x' * 5000", return_char_limit=200)
    assert result.text.endswith("the limit is 200]")
    assert json.loads(result.full_text)["results"] == [repr("x" * 5000)]


@pytest.mark.parametrize("language", ["rust", ""])
def test_other_languages_are_refused_by_name(run: Any, language: str) -> None:
    result = run("1", language)
    assert (result.outcome, "language: must be one of" in result.text) == (Outcome.ERROR, True)


class TestNode:
    """JavaScript and TypeScript."""

    @pytest.fixture(autouse=True)
    def _node(self) -> None:
        need("node", "run_code runs JavaScript with it")

    @pytest.mark.parametrize(
        ("language", "code", "results"),
        [
            ("js", "const xs = [1, 2, 3];\nconsole.log('hi');\nxs.map((x) => x * 2)", ["[ 2, 4, 6 ]"]),
            ("js", "'a' + 'b'", ["ab"]),
            ("js", "const os = require('os'); console.log('hi'); typeof os.cpus", ["function"]),
            ("js", "console.log('hi'); await Promise.resolve(5); return 6", ["6"]),
            (
                "ts",
                "import { join } from 'node:path';\nconsole.log('hi');\nconst p: string = join('a', 'b');\np",
                ["a/b"],
            ),
            ("ts", "interface P { n: number }\nconst p: P = { n: 2 };\nconsole.log('hi');\np.n * 21", ["42"]),
            ("js", "console.log('hi'); new Promise((done) => setTimeout(() => done('late'), 20))", ["late"]),
        ],
    )
    def test_the_last_value_is_the_result(self, run: Any, language: str, code: str, results: list[str]) -> None:
        result = run(code, language)
        assert (result.outcome, answer(result)["results"]) == (Outcome.SUCCESS, results), result.text
        assert answer(result)["logs"]["stdout"] in (["hi"], [])

    def test_an_error_is_told_with_the_lines_of_the_code(self, run: Any) -> None:
        result = run("console.log('before');\nfunction f() { return null.x; }\nf();", "js")
        error = answer(result)["error"]
        assert (result.outcome, error["name"]) == (Outcome.ERROR, "TypeError")
        assert "code.ts:2" in error["traceback"]
        assert answer(result)["logs"]["stdout"] == ["before"]

    def test_something_thrown_that_is_no_error_is_told(self, run: Any) -> None:
        assert answer(run("throw 'just a text'", "js"))["error"]["value"] == "just a text"


def test_calls_side_by_side_do_not_see_each_other(loop: asyncio.AbstractEventLoop) -> None:
    """Each writes a file of the same name into its scratch directory and reads it again after all have."""

    async def call(number: int) -> ToolResult:
        tool = row(network="off")
        code = f"open('mine', 'w').write('{number}')\nimport os, time\ntime.sleep(0.3)\n(open('mine').read(), os.listdir())"

        async def equip(caller: Caller, tool_id: str) -> Equipment:
            return Equipment(tool)

        asked = ToolCall(f"call-{number}", tool.name, "", number)
        arguments = {"code": code, "language": "python"}
        planned = PlannedCall(asked, Mode.PARALLEL, "", ToolSpec(tool.pk, tool.name), arguments)
        return await Toolbox(equip).of(Caller(""))(planned, lambda stream, text: None)

    async def all_calls() -> list[ToolResult]:
        return await asyncio.gather(*(call(number) for number in range(4)))

    results = loop.run_until_complete(all_calls())
    assert [answer(result)["results"] for result in results] == [[f"('{number}', ['mine'])"] for number in range(4)]
