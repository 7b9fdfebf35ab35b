"""Tools in TypeScript, run by Node.js under the same walls as those in Python."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async

from sandbox import nodejs
from sandbox.forkserver import ForkServerSandbox
from sandbox.specs import Language, Limits, Network, Outcome, SandboxCall
from tests.conftest import need
from tests.pages import seed_actor
from tests.sandboxes import LEVELS, eventually, processes_of_calls, supervisors_with_leftovers
from tools.library import ToolProblem, change_tool, create_tool
from tools.toolbox import run_source, sandbox

LIMITS = Limits(seconds=60)
ADD = "export async function tool(a: number, b: number = 40): Promise<number> { console.log('adding'); return a + b }"
SCHEMA = {"name": "greet", "parameters": {"type": "object", "properties": {"name": {"type": "string"}}}}
GREET = "enum Tone { Loud = '!' }\nexport const greet = async (name: string): Promise<string> => `hello ${name}${Tone.Loud}`"


def call_of(source: str, *, limits: Limits = LIMITS, **arguments: Any) -> SandboxCall:
    return SandboxCall(
        source=source,
        function="tool",
        arguments=arguments,
        limits=limits,
        network=Network.OFF,
        language=Language.TYPESCRIPT,
        parameters=tuple(arguments),
    )


@pytest_asyncio.fixture(params=LEVELS.values(), ids=LEVELS.keys())
async def box(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ForkServerSandbox]:
    need("node", "TypeScript tools cannot be run")
    tmp_path.chmod(0o711)
    box = ForkServerSandbox(guards=request.param, scratch_root=tmp_path)
    await box.start()
    yield box
    assert processes_of_calls(tmp_path) == []
    assert await eventually(lambda: supervisors_with_leftovers(box) == [])
    await box.close()


async def test_arguments_go_by_name_defaults_hold_and_output_is_captured(box: ForkServerSandbox) -> None:
    result = await box.run(replace(call_of(ADD, b=1, a=2), arguments={"b": 1, "a": 2}))
    assert (result.outcome, result.text, result.stdout) == (Outcome.SUCCESS, "3", "adding\n"), result
    assert (await box.run(call_of(ADD, a=2))).text == "42"
    whole = "interface In { a: number }\nfunction tool(input: In) { return { got: input.a } }"
    assert (await box.run(call_of(whole, a=3))).text == '{"got":3}'


@pytest.mark.parametrize(
    ("source", "outcome", "text"),
    [
        ("function tool() { throw new RangeError('too far') }", Outcome.ERROR, "RangeError: too far"),
        ("function tool() { process.exit(0) }", Outcome.ERROR, ".*exited with code 0 before the function returned"),
        ("function tool() { process.kill(process.pid, 'SIGKILL') }", Outcome.ERROR, ".*killed by SIGKILL.*|.*EPERM.*"),
        ("function other() {}", Outcome.ERROR, "Error: the source defines no function 'tool'"),
        ("function tool( {", Outcome.ERROR, "SyntaxError: .*"),
        ("async function tool() { await new Promise(() => setInterval(() => 0, 1000)) }", Outcome.TIMEOUT, "timed out.*"),
        ("function tool() { while (true) {} }", Outcome.TIMEOUT, "timed out after 3 s"),
        ("function tool() { return require('fs').readFileSync(0, 'utf8').length }", Outcome.SUCCESS, "0"),
        ("function tool() { setTimeout(() => { throw new Error('later') }); return new Promise(() => 0) }", Outcome.ERROR, "Error: later"),
        ("import net from 'node:net'\nfunction tool() { return new Promise((_, no) => net.connect(80, '127.0.0.1').on('error', no)) }", Outcome.ERROR, ".*EACCES.*"),
    ],
    ids=["throws", "exits", "kills itself", "no function", "no syntax", "waits", "loops", "stdin", "late", "network"],
)  # fmt: skip
async def test_bad_tools_get_the_truth(box: ForkServerSandbox, source: str, outcome: Outcome, text: str) -> None:
    seconds = 3 if outcome is Outcome.TIMEOUT else 60

    result = await box.run(call_of(source, limits=Limits(seconds=seconds)))

    assert result.outcome is outcome, result
    said = result.text.removeprefix("Error executing function tool: ")
    assert re.fullmatch(text, said, re.DOTALL), result


async def test_a_tool_cannot_forge_its_report_by_writing_to_every_descriptor(box: ForkServerSandbox) -> None:
    forge = """
import fs from "node:fs"
function tool() {
  for (let fd = 3; fd < 64; fd++) try { fs.writeSync(fd, Buffer.alloc(64, 1)) } catch {}
  process.exit(0)
}
"""
    assert "before the function returned" in (await box.run(call_of(forge))).text


async def test_what_it_starts_ends_with_it(box: ForkServerSandbox) -> None:
    source = """
import { spawn } from "node:child_process"
function tool() { spawn("sleep", ["1000"], { detached: true, stdio: "inherit" }).unref(); return "gone" }
"""
    assert (await box.run(call_of(source))).text == "gone"


async def test_memory_that_is_no_heap_is_watched(box: ForkServerSandbox) -> None:
    source = """
async function tool() {
  const held: Buffer[] = []
  while (true) { held.push(Buffer.alloc(20_000_000, 1)); await new Promise(go => setTimeout(go, 10)) }
}
"""
    result = await box.run(call_of(source, limits=Limits(seconds=60, memory_bytes=300 << 20)))

    assert result.text.endswith("ended because it used more than 300 MiB of memory"), result


async def test_without_node_the_call_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    box = ForkServerSandbox(scratch_root=tmp_path)
    try:
        result = await box.run(call_of(ADD, a=1))
    finally:
        await box.close()

    assert result.text == f"Error executing function tool: {nodejs.NOT_INSTALLED}"


@pytest.mark.django_db(transaction=True)
async def test_a_tool_of_the_library_runs_with_its_given_schema() -> None:
    need("node", "TypeScript tools cannot be run")
    fields = {"source_type": "typescript", "json_schema": {**SCHEMA, "description": "Greets."}}
    tool = await sync_to_async(create_tool)(seed_actor(), source_code=GREET, fields=fields)
    try:
        assert (await run_source(tool, {"name": "Ada"}, None)).text == "hello Ada!"
    finally:
        await sandbox().close()

    louder = await sync_to_async(change_tool)(seed_actor(), tool, {"source_code": GREET + "\n"})
    assert (louder.name, louder.source_type, louder.description) == ("greet", "typescript", "Greets.")
    assert louder.json_schema == tool.json_schema


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("schema", "source", "problem"),
    [
        (None, GREET, "needs a json_schema with the name"),
        ({"name": "greet"}, GREET, "with the parameters"),
        ({**SCHEMA, "name": "meet"}, GREET, "defines no function meet"),
    ],
)
def test_a_schema_that_is_missing_or_of_another_function_is_refused(
    schema: dict[str, Any] | None, source: str, problem: str
) -> None:
    fields = {"source_type": "typescript", "json_schema": schema}
    with pytest.raises(ToolProblem, match=problem):
        create_tool(seed_actor(), source_code=source, fields=fields)
