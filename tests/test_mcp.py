"""Calls of MCP tools: over all transports, beside slow, failing and dead ones, alone and through whole runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from access.activity import Actor
from agents.models import Agent, AgentTool
from engine.plan import PlannedCall
from engine.specs import Mode, Outcome, ToolCall, ToolResult, ToolSpec
from llms.testing import AskedCall, ScriptedClient, asks_for, says
from mcp_servers import connection as connections
from mcp_servers.calling import call_mcp
from mcp_servers.library import add_server, read_wanted
from mcp_servers.models import McpServer
from mcp_servers.pool import close_connections, pool
from mcp_servers.problems import Unreachable
from mcp_servers.results import text_of
from mcp_servers.tool_rows import parameters_of
from runs.database import in_database
from runs.dispatch import start_run
from runs.equipping import equip
from runs.follow import read_log
from runs.models import Run, RunEvent
from runs.models import ToolCall as CallRow
from tests.mcp_servers import TinyServer, stdio_config, until
from tests.workers import ended, make_agent, working
from tools.models import Tool
from tools.toolbox import Equipment, Toolbox

pytestmark = pytest.mark.django_db(transaction=True)

ACTOR = Actor(None, "test")
TRANSPORTS = ["streamable_http", "streamable_http --legacy", "sse", "stdio"]


@pytest.fixture(autouse=True)
async def no_connection_is_left(settings: Any) -> AsyncIterator[None]:
    settings.ADE_MCP_STDIO = True
    yield
    await close_connections()


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[TinyServer]:
    server = TinyServer(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def http_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TinyServer]]:
    """One server for each way over HTTP."""
    made = {name: TinyServer(tmp_path_factory.mktemp("mcp"), *name.split()) for name in TRANSPORTS if name != "stdio"}
    yield made
    for server in made.values():
        server.kill()


@dataclass(frozen=True)
class Reached:
    """A server as rows; its tools leave files in `directory`."""

    row: McpServer
    directory: Path


@pytest.fixture(params=TRANSPORTS)
async def any_server(request: pytest.FixtureRequest, http_servers: dict[str, TinyServer], tmp_path: Path) -> Reached:
    """The same server over each of the transports."""
    if request.param == "stdio":
        return Reached(await stored(stdio_config(tmp_path)), tmp_path)
    server = http_servers[request.param]
    if not server.is_running:
        server.start()
    return Reached(await stored(server.config), server.directory)


async def stored(config: dict[str, Any], name: str = "tiny") -> McpServer:
    """The server as rows, with its tools."""
    given = dict(config)
    wanted = await in_database(read_wanted, name, given.pop("mcp_server_type"), given)
    return await add_server(ACTOR, wanted)


async def call(name: str, output: list[str] | None = None, /, **arguments: Any) -> ToolResult:
    """Call a tool of the library as the toolbox does."""
    tool = await Tool.objects.aget(name=name)
    planned = PlannedCall(ToolCall(f"call-{name}", name, "", 0), Mode.PARALLEL, "", ToolSpec(tool.pk, name), arguments)

    def note(stream: str, text: str) -> None:
        if output is not None:
            output.append(text)

    return await call_mcp(Equipment(tool), planned, note)


async def limit(name: str, **fields: Any) -> None:
    await Tool.objects.filter(name=name).aupdate(**fields)


def process_of(directory: Path) -> int:
    return int((directory / "pid").read_text())


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{process}/status").read_text()


async def test_calls_share_one_connection_and_overlap(any_server: Reached) -> None:
    results = await asyncio.gather(*[call("meet", n=n, most=4) for n in range(4)], call("add", a=1))
    assert [(result.outcome, result.text) for result in results] == [
        *[(Outcome.SUCCESS, f"met {n}") for n in range(4)],
        (Outcome.SUCCESS, "3"),
    ]


async def test_an_error_of_the_tool_is_the_result_of_its_call_alone(any_server: Reached) -> None:
    failed, good = await asyncio.gather(call("fail", why="no luck"), call("add", a=1))
    assert (failed.outcome, good.text) == (Outcome.ERROR, "3")
    assert failed.text.startswith("Error executing function fail: ")
    assert "no luck" in failed.text


async def test_a_slow_call_times_out_alone_is_told_to_stop_and_has_told_its_progress(any_server: Reached) -> None:
    await call("add", a=1)
    await limit("hang", timeout_seconds=3)
    output: list[str] = []
    hung, good = await asyncio.gather(call("hang", output, name="slow"), call("add", a=5))
    assert (hung.outcome, good.text) == (Outcome.TIMEOUT, "7")
    assert "longer than 3 seconds" in hung.text
    assert output == ["[1/3] slow has begun\n"]
    assert hung.stderr == "[1/3] slow has begun\n"
    await until((any_server.directory / "slow.cancelled").exists)
    # The connection lives: the server answers everything else.
    assert (await call("add", a=1)).text == "3"


async def test_a_cancelled_call_leaves_at_once_and_the_server_is_told(any_server: Reached) -> None:
    task = asyncio.create_task(call("hang", name="dropped"))
    await until((any_server.directory / "dropped.began").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until((any_server.directory / "dropped.cancelled").exists)
    assert (await call("add", a=1)).text == "3"


async def test_a_server_that_dies_under_a_call_is_told_truthfully_and_not_asked_again(any_server: Reached) -> None:
    result = await call("die")
    assert result.outcome is Outcome.ERROR
    assert "the connection to the MCP server tiny was lost" in result.text
    assert "It may have carried out the call, or part of it." in result.text
    assert (any_server.directory / "died").exists()
    if any_server.row.kind == "stdio":
        assert "the last words" in result.text
        assert (await call("add", a=1)).text == "3"  # in a new process


async def test_a_program_ends_with_its_connection(tmp_path: Path) -> None:
    await stored(stdio_config(tmp_path))
    assert (await call("add", a=1)).text == "3"
    process = process_of(tmp_path)
    assert is_alive(process)
    await call("add", a=2)
    assert process_of(tmp_path) == process
    await close_connections()
    await until(lambda: not is_alive(process))


async def test_a_connection_without_calls_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.3)
    await stored(stdio_config(tmp_path))
    await call("add", a=1)
    process = process_of(tmp_path)
    await until(lambda: not is_alive(process))
    assert (await call("add", a=1)).text == "3"


@pytest.mark.parametrize("options", [[], ["--legacy"]])
async def test_a_server_that_came_back_is_connected_to_anew_for_calls_that_were_not_sent(
    tmp_path: Path, options: list[str]
) -> None:
    with TinyServer(tmp_path, "streamable_http", *options) as tiny:
        await stored(tiny.config)
        assert (await call("add", a=1)).text == "3"
        tiny.kill()
        gone = await call("add", a=1)
        assert (gone.outcome, "The call was not sent." in gone.text) == (Outcome.ERROR, True), gone.text
        assert tiny.url.removesuffix("/mcp") in gone.text
        tiny.start()
        back = await asyncio.gather(*[call("meet", n=n, most=2) for n in range(2)])
        assert [result.text for result in back] == ["met 0", "met 1"]


async def test_a_frozen_server_is_given_up_and_the_next_call_finds_the_new_one(
    tiny: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_PROBE_SECONDS", 0.2)
    server = await stored(tiny.config)
    assert (await call("add", a=1)).text == "3"
    held = pool()._held[server.pk].connection
    tiny.freeze()
    await limit("add", timeout_seconds=0.5)
    assert (await call("add", a=1)).outcome is Outcome.TIMEOUT
    await until(lambda: not held.is_open)
    tiny.kill()
    tiny.start()
    await limit("add", timeout_seconds=10)
    assert (await call("add", a=1)).text == "3"


async def test_one_request_that_fails_ends_no_other(tiny: TinyServer, tmp_path: Path) -> None:
    await stored(tiny.config)
    first = asyncio.create_task(call("meet", n=1, most=2))
    hanging = asyncio.create_task(call("hang", name="beside"))
    await until((tmp_path / "beside.began").exists)
    (tmp_path / "broken").touch()
    failed = await call("add", a=1)
    (tmp_path / "broken").unlink()
    assert (failed.outcome, "HTTP 500 Internal Server Error: out of order" in failed.text) == (Outcome.ERROR, True)
    assert (await call("meet", n=2, most=2)).text == "met 2"
    assert (await first).text == "met 1"
    assert not hanging.done()
    hanging.cancel()


async def test_an_old_program_is_told_of_a_cancel_and_its_own_errors_end_nothing(tmp_path: Path) -> None:
    await stored(stdio_config(tmp_path, "old-stdio"), "old")
    process = process_of(tmp_path)
    task = asyncio.create_task(call("hang"))
    await until((tmp_path / "old.began").exists)
    started = process_of(tmp_path)
    refused = await call("odd")
    assert (refused.outcome, "too many requests" in refused.text) == (Outcome.ERROR, True)
    task.cancel()
    await until(lambda: "notifications/cancelled" in (tmp_path / "heard.txt").read_text())
    assert (await call("quick")).text == "quick"
    assert process_of(tmp_path) == started != process


async def test_a_program_that_cannot_start_says_why(tmp_path: Path) -> None:
    nothing = {"mcp_server_type": "stdio", "command": str(tmp_path / "nothing"), "args": []}
    with pytest.raises(Unreachable, match="No such file"):
        await stored(nothing)
    broken = {"mcp_server_type": "stdio", "command": "python3", "args": ["-c", "import sys; sys.exit('no licence')"]}
    with pytest.raises(Unreachable, match="no licence"):
        await stored(broken)
    assert await McpServer.objects.acount() == 0


async def test_a_program_is_not_started_once_that_is_switched_off(tmp_path: Path, settings: Any) -> None:
    await stored(stdio_config(tmp_path))
    (tmp_path / "pid").unlink()
    settings.ADE_MCP_STDIO = False
    result = await call("add", a=1)
    assert (result.outcome, "ADE_MCP_STDIO" in result.text) == (Outcome.ERROR, True)
    assert not (tmp_path / "pid").exists()


async def test_a_program_sees_its_own_variables_and_none_of_the_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADE_SECRET_KEY", "of-the-server")
    await stored(stdio_config(tmp_path, REGION="eu"))
    assert '"eu"' in (await call("env_of", name="REGION")).text
    assert "null" in (await call("env_of", name="ADE_SECRET_KEY")).text


async def test_a_new_configuration_gets_a_new_connection(tmp_path: Path) -> None:
    server = await stored(stdio_config(tmp_path, NUMBER="1"))
    assert '"1"' in (await call("env_of", name="NUMBER")).text
    from mcp_servers.library import change_server

    given = {key: value for key, value in stdio_config(tmp_path, NUMBER="2").items() if key != "mcp_server_type"}
    await change_server(ACTOR, server, kind="stdio", given=given)
    assert '"2"' in (await call("env_of", name="NUMBER")).text


async def test_calls_under_way_end_well_when_the_server_is_reached_otherwise_meanwhile(tmp_path: Path) -> None:
    server = await stored(stdio_config(tmp_path, NUMBER="1"))
    first = asyncio.create_task(call("meet", n=1, most=2))
    old = pool()._held
    await until(lambda: bool(old) and old[server.pk].connection.is_open)
    begun = old[server.pk].connection
    await until(lambda: begun._in_flight == 1)
    pool().forget(server.pk)
    await until(lambda: not begun.is_open)
    second = await call("add", a=1)
    assert (second.text, pool()._held[server.pk].connection is begun) == ("3", False)
    assert not first.done()
    first.cancel()
    await until(lambda: begun._owner is not None and begun._owner.done())


async def test_returns_are_cut_for_the_model_and_pictures_are_described(tiny: TinyServer) -> None:
    await stored(tiny.config)
    await limit("env_of", return_char_limit=5)
    cut = await call("env_of", name="HOME")
    assert cut.text.startswith(cut.full_text[:5] + "... [return cut: ")
    assert (await call("picture")).text == "[image: image/png, 8 bytes]"


def test_what_is_no_text_is_described_and_structure_stands_in_for_missing_text() -> None:
    from mcp_types import BlobResourceContents, CallToolResult, EmbeddedResource, ResourceLink, TextResourceContents

    blob = EmbeddedResource(resource=BlobResourceContents(uri="file:///b", mime_type="x/y", blob="AAAA"))
    text = EmbeddedResource(resource=TextResourceContents(uri="file:///t", text="inside"))
    link = ResourceLink(uri="https://example.org", name="page", mime_type="text/html")
    assert text_of(CallToolResult(content=[blob, text, link])).splitlines() == [
        "[resource file:///b: x/y, 3 bytes]",
        "[resource file:///t]",
        "inside",
        "[resource https://example.org: page; text/html]",
    ]
    assert text_of(CallToolResult(content=[], structured_content={"ä": 1})) == '{"ä": 1}'
    assert text_of(CallToolResult(content=[])) == "None"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {"type": "object", "properties": {}}),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"a": True}},
            {"type": "object", "properties": {"a": {}}},
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "anyOf": [{"required": ["a"], "properties": {"b": {"type": "integer"}}}, {"$ref": "#/$defs/c"}],
                "$defs": {"c": {"required": ["a", "c"], "properties": {"c": {}}}},
            },
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {}},
                "required": ["a"],
                "$defs": {"c": {"required": ["a", "c"], "properties": {"c": {}}}},
            },
        ),
        ({"type": "nonsense"}, {"type": "object", "properties": {}}),
    ],
)
def test_schemas_are_brought_into_the_form_that_providers_take(schema: Any, expected: Any) -> None:
    assert parameters_of(schema) == expected


async def run_batch(agent: Agent, *calls: AskedCall) -> Run:
    async with working(ScriptedClient(asks_for(*calls), says("Done.")), Toolbox(equip)):
        message = [{"role": "user", "content": "go"}]
        run = await in_database(start_run, agent, message, started_by="test", max_steps=5)
        return await ended(run.pk)


async def agent_with(*names: str) -> Agent:
    def make() -> Agent:
        agent = make_agent()
        for name in names:
            AgentTool.objects.create(agent=agent, tool=Tool.objects.get(name=name))
        return agent

    return await in_database(make)


async def test_in_a_run_mcp_calls_overlap_beside_a_dead_server_and_a_custom_tool(
    tiny: TinyServer, tmp_path: Path
) -> None:
    with TinyServer(tmp_path) as dead:
        await stored(tiny.config)
        await stored(dead.config, "dead")
    parameters = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    await Tool.objects.acreate(
        name="double",
        source_code="def double(n):\n    return n * 2",
        json_schema={"name": "double", "description": "", "parameters": parameters},
    )
    for name in ("meet", "dead_add", "double"):
        await limit(name, enable_parallel_execution=True, network="off")
    agent = await agent_with("meet", "dead_add", "double", "add")
    meet = [("meet", {"n": n, "most": 2}) for n in range(2)]
    run = await run_batch(agent, *meet, ("dead_add", {"a": 1}), ("double", {"n": 21}), ("add", {"a": 1}))
    assert (run.status, run.stop_reason) == ("completed", "end_turn")
    rows = await in_database(lambda: list(CallRow.objects.filter(run=run).order_by("index")))
    assert [(row.name, row.mode, row.state) for row in rows] == [
        ("meet", "parallel", "success"),
        ("meet", "parallel", "success"),
        ("dead_add", "parallel", "error"),
        ("double", "parallel", "success"),
        ("add", "sequential", "success"),
    ]
    assert [row.text for row in rows if row.state == "success"] == ["met 0", "met 1", "42", "3"]
    assert "cannot connect" in rows[2].text
    log = await in_database(read_log, run.pk)
    # The switch of `add` is off: it ran before the parallel ones, in the order of the modes.
    started = [row.data["call_id"] for row in log if row.type == "call.started"]
    assert started[0] == rows[4].pk


async def test_caps_and_lock_groups_hold_for_mcp_tools(tiny: TinyServer) -> None:
    await stored(tiny.config)
    await limit("add", enable_parallel_execution=True, max_concurrency=1)
    await limit("env_of", enable_parallel_execution=True, lock_group="one")
    agent = await agent_with("add", "env_of")
    calls: list[AskedCall] = [*[("add", {"a": n}) for n in range(4)], *[("env_of", {"name": "A"}) for _ in range(3)]]
    run = await run_batch(agent, *calls)
    rows = {row.pk: row for row in await in_database(lambda: list(CallRow.objects.filter(run=run)))}
    assert {row.state for row in rows.values()} == {"success"}
    running: set[str] = set()
    for event in await in_database(lambda: list(RunEvent.objects.filter(run=run).order_by("seq"))):
        if event.type == "call.started":
            name = rows[event.data["call_id"]].name
            assert name not in {rows[other].name for other in running}
            running.add(event.data["call_id"])
        elif event.type == "call.ended":
            running.discard(event.data["call_id"])


async def test_an_mcp_tool_waits_for_its_approval(tiny: TinyServer) -> None:
    await stored(tiny.config)
    agent = await agent_with("add")
    agent.tool_rules = [{"type": "requires_approval", "tool_name": "add"}]
    await agent.asave()
    run = await run_batch(agent, ("add", {"a": 1}))
    assert run.stop_reason == "requires_approval"


async def test_the_worker_closes_the_connections_of_its_process_when_it_stops(tmp_path: Path) -> None:
    await stored(stdio_config(tmp_path))
    agent = await agent_with("add")
    run = await run_batch(agent, ("add", {"a": 1}))
    assert run.status == "completed"
    await until(lambda: not is_alive(process_of(tmp_path)))
