"""MCP servers over the API, against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from access.keys import first_person, make_api_key
from access.models import Activity
from agents.roster import set_approval
from mcp_servers import pool
from mcp_servers.models import McpServer, McpTool
from mcp_servers.reach import HttpReach, store_reach
from tests.mcp_servers import TinyServer, stdio_config
from tests.pages import a_tool, an_agent, seed_actor
from tools.library import ToolProblem, change_tool, upsert_tool
from tools.models import Tool

pytestmark = pytest.mark.django_db(transaction=True)

Json = dict[str, Any]
Ask = Callable[..., Awaitable[Any]]
NOBODY = "mcp_server-00000000-0000-4000-8000-000000000000"
NAMES = ["add", "die", "env_of", "fail", "hang", "meet", "picture"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyServer]:
    """A server over streamable HTTP that asks for a token."""
    server = TinyServer(tmp_path_factory.mktemp("mcp"), "streamable_http", "--token", "let-me-in").start()
    yield server
    server.kill()


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Asks the API with a key and gives the answer's JSON."""
    key = await sync_to_async(lambda: make_api_key(first_person(), "tests"))()
    client, headers = AsyncClient(), {"Authorization": f"Bearer {key}"}

    async def send(method: str, path: str, body: Json | None = None, status: int = 200) -> Any:
        sent = {"data": body, "content_type": "application/json"} if body is not None else {}
        answer = await getattr(client, method)(f"/v1/mcp-servers{path}", headers=headers, **sent)
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    yield send
    await pool.close_connections()


def config_of(tiny: TinyServer, **more: Any) -> Json:
    return {**tiny.config, "auth_token": "let-me-in", **more}


async def added(ask: Ask, tiny: TinyServer, name: str = "tiny", **more: Any) -> Json:
    server: Json = await ask("post", "/", {"server_name": name, "config": config_of(tiny, **more)})
    return server


async def test_a_server_is_added_with_its_tools_and_shown_flat_with_its_secrets_masked(
    ask: Ask, tiny: TinyServer
) -> None:
    made = await added(ask, tiny, custom_headers={"x-team": "secret-team"})
    assert made["id"].startswith("mcp_server-")
    assert made == {
        "id": made["id"],
        "server_name": "tiny",
        "mcp_server_type": "streamable_http",
        "server_url": tiny.url,
        "auth_header": None,
        "auth_token": "•••",
        "custom_headers": {"x-team": "•••"},
    }
    assert await ask("get", f"/{made['id']}") == made
    assert await ask("get", "/") == [made]
    tools = await ask("get", f"/{made['id']}/tools")
    assert [tool["name"] for tool in tools] == NAMES
    add = tools[0]
    assert (add["tool_type"], add["tags"], add["enable_parallel_execution"]) == ("external_mcp", ["mcp:tiny"], False)
    assert add["json_schema"]["name"] == "add"
    assert add["json_schema"]["parameters"]["required"] == ["a"]
    assert add["json_schema"]["parameters"]["properties"]["a"]["type"] == "integer"
    assert add["metadata_"]["mcp"] == {
        "server_id": made["id"],
        "server_name": "tiny",
        "tool_name": "add",
        "annotations": {"readOnlyHint": True},
    }
    assert await ask("get", f"/{made['id']}/tools/{add['id']}") == add
    stored = await McpServer.objects.aget()
    assert b"let-me-in" not in bytes(stored.encrypted_secrets)
    assert "secret-team" not in str(stored.config)


async def test_tools_run_with_a_result_in_either_case(ask: Ask, tiny: TinyServer) -> None:
    made = await added(ask, tiny)
    ids = {tool["name"]: tool["id"] for tool in await ask("get", f"/{made['id']}/tools")}
    good = await ask("post", f"/{made['id']}/tools/{ids['add']}/run", {"args": {"a": 40}})
    assert (good["status"], good["func_return"], good["agent_state"]) == ("success", "42", None)
    bad = await ask("post", f"/{made['id']}/tools/{ids['fail']}/run", {"args": {"why": "no luck"}})
    assert (bad["status"], bad["func_return"]) == ("error", None)
    assert "no luck" in bad["stderr"][-1]
    wrong = await ask("post", f"/{made['id']}/tools/{ids['add']}/run", {"args": {"a": "x"}})
    assert wrong["status"] == "error"
    assert "a" in wrong["stderr"][-1]


async def test_what_does_not_answer_is_not_added_and_says_what_came(ask: Ask, tiny: TinyServer) -> None:
    answer = await ask("post", "/", {"server_name": "tiny", "config": config_of(tiny, auth_token="wrong")}, status=400)
    assert "HTTP 401 Unauthorized: no entry with this token" in answer["detail"]
    assert answer["error"]["type"] == "mcp_error"
    nobody = {"mcp_server_type": "sse", "server_url": "http://127.0.0.1:9/sse", "auth_token": "hidden-token"}
    answer = await ask("post", "/", {"server_name": "nobody", "config": nobody}, status=400)
    assert "nobody" in answer["detail"]
    assert "hidden-token" not in str(answer)
    assert await McpServer.objects.acount() == 0
    assert await Tool.objects.acount() == 0


@pytest.mark.parametrize(
    ("config", "status", "says"),
    [
        ({"mcp_server_type": "streamable_http", "server_url": "ftp://example.org"}, 400, "whole URL"),
        ({"mcp_server_type": "streamable_http"}, 400, "whole URL"),
        ({"mcp_server_type": "carrier_pigeon", "server_url": "http://127.0.0.1"}, 422, "carrier_pigeon"),
        ({"server_url": "http://127.0.0.1"}, 422, "mcp_server_type"),
        ({"mcp_server_type": "sse", "server_url": "http://a", "custom_headers": {"a b": "c"}}, 400, "HTTP header"),
        ({"mcp_server_type": "sse", "server_url": "http://a", "custom_headers": {"a": "b\r\nc: d"}}, 400, "one line"),
        ({"mcp_server_type": "stdio", "command": "true", "args": []}, 400, "ADE_MCP_STDIO"),
    ],
)
async def test_a_wrong_configuration_is_refused_with_what_to_do(ask: Ask, config: Json, status: int, says: str) -> None:
    answer = await ask("post", "/", {"server_name": "wrong", "config": config}, status=status)
    assert says in answer["detail"]
    assert await McpServer.objects.acount() == 0


async def test_names_are_unique_and_unknown_ids_are_404(ask: Ask, tiny: TinyServer) -> None:
    made = await added(ask, tiny)
    answer = await ask("post", "/", {"server_name": "tiny", "config": config_of(tiny)}, status=409)
    assert "already" in answer["detail"]
    await ask("get", f"/{NOBODY}", status=404)
    await ask("get", "/tiny", status=422)
    other = await sync_to_async(a_tool)()
    await ask("get", f"/{made['id']}/tools/{other.pk}", status=404)


async def test_a_change_keeps_what_is_not_sent_and_asks_the_server_before_it_is_stored(
    ask: Ask, tiny: TinyServer
) -> None:
    made = await added(ask, tiny, custom_headers={"x-team": "blue"})
    path = f"/{made['id']}"
    renamed = await ask("patch", path, {"server_name": "small", "config": {"mcp_server_type": "streamable_http"}})
    assert (renamed["server_name"], renamed["auth_token"], renamed["server_url"]) == ("small", "•••", tiny.url)
    tools = await ask("get", f"{path}/tools")
    assert {tuple(tool["tags"]) for tool in tools} == {("mcp:small",)}
    assert {tool["metadata_"]["mcp"]["server_name"] for tool in tools} == {"small"}
    # What was read from us can be sent back: the mask means that it stays.
    again = {key: value for key, value in renamed.items() if key not in ("id", "server_name")}
    assert await ask("patch", path, {"config": again}) == renamed
    refused = {"config": {"mcp_server_type": "streamable_http", "auth_token": "wrong"}}
    await ask("patch", path, refused, status=400)
    assert await ask("get", path) == renamed
    ids = {tool["name"]: tool["id"] for tool in tools}
    run = await ask("post", f"{path}/tools/{ids['add']}/run", {"args": {"a": 1}})
    assert run["func_return"] == "3"
    bare = await ask("patch", path, {"config": {"mcp_server_type": "streamable_http", "custom_headers": None}})
    assert (bare["custom_headers"], bare["auth_token"]) == (None, "•••")
    lines = [line.changes async for line in Activity.objects.filter(target_id=made["id"])]
    assert "let-me-in" not in str(lines)
    assert "blue" not in str(lines)


async def test_a_change_without_a_configuration_makes_no_sense(ask: Ask, tiny: TinyServer) -> None:
    made = await added(ask, tiny)
    await ask("patch", f"/{made['id']}", {"server_name": "other"}, status=422)


async def test_a_server_goes_with_its_tools_and_leaves_the_others(ask: Ask, tiny: TinyServer) -> None:
    made = await added(ask, tiny)
    mine = await sync_to_async(a_tool)()
    tool = await Tool.objects.aget(name="add")
    agent = await sync_to_async(an_agent)("Librarian", tool, mine)
    assert await ask("delete", f"/{made['id']}", status=204) is None
    assert [tool.name async for tool in Tool.objects.all()] == ["count_words"]
    assert [tool.name async for tool in agent.tools.all()] == ["count_words"]
    await ask("delete", f"/{made['id']}", status=404)


async def test_a_name_that_the_library_has_already_gets_the_servers_before_it(ask: Ask, tiny: TinyServer) -> None:
    mine = await sync_to_async(a_tool)("add")
    made = await added(ask, tiny, "my tiny")
    tools = {tool["metadata_"]["mcp"]["tool_name"]: tool for tool in await ask("get", f"/{made['id']}/tools")}
    assert (tools["add"]["name"], tools["add"]["json_schema"]["name"]) == ("my_tiny_add", "my_tiny_add")
    assert tools["env.of"]["name"] == "env_of"
    assert (await Tool.objects.aget(name="add")).pk == mine.pk
    run = await ask("post", f"/{made['id']}/tools/{tools['add']['id']}/run", {"args": {"a": 1, "b": 1}})
    assert run["func_return"] == "2"


async def test_somebodys_own_tool_takes_the_name_and_the_servers_tool_keeps_its_agents_and_rules(
    ask: Ask, tiny: TinyServer
) -> None:
    made = await added(ask, tiny)
    theirs = await Tool.objects.aget(name="add")
    agent = await sync_to_async(an_agent)("Librarian", theirs)
    await sync_to_async(set_approval)(seed_actor(), agent, "add", True)
    mine, is_new = await sync_to_async(upsert_tool)(
        seed_actor(),
        source_code='def add(a: int) -> int:\n    """Add.\n\n    Args:\n        a: It.\n    """\n    return a',
        fields={},
    )
    assert (is_new, mine.tool_type, mine.name) == (True, "custom", "add")
    await theirs.arefresh_from_db()
    assert (theirs.name, theirs.json_schema["name"], theirs.tool_type) == ("tiny_add", "tiny_add", "external_mcp")
    await agent.arefresh_from_db()
    assert [rule["tool_name"] for rule in agent.tool_rules] == ["tiny_add"]
    run = await ask("post", f"/{made['id']}/tools/{theirs.pk}/run", {"args": {"a": 1}})
    assert run["func_return"] == "3"
    assert await ask("patch", f"/{made['id']}/refresh") == {"deleted": [], "updated": [], "added": []}


async def test_what_the_server_says_of_a_tool_is_not_changed_here_and_its_switches_are(
    ask: Ask, tiny: TinyServer
) -> None:
    await added(ask, tiny)
    tool = await Tool.objects.aget(name="add")
    change = sync_to_async(change_tool)
    with pytest.raises(ToolProblem, match="tool of an MCP server"):
        await change(seed_actor(), tool, {"description": "mine"})
    changed = await change(
        seed_actor(), tool, {"enable_parallel_execution": True, "metadata": {"own": 1}, "description": tool.description}
    )
    assert changed.metadata is not None
    assert (changed.enable_parallel_execution, changed.metadata["own"]) == (True, 1)
    assert changed.metadata["mcp"]["tool_name"] == "add"


async def test_a_refresh_says_what_is_new_changed_and_gone_and_leaves_switches_alone(
    ask: Ask, tmp_path: Path, settings: Any
) -> None:
    settings.ADE_MCP_STDIO = True
    made = await ask("post", "/", {"server_name": "local", "config": stdio_config(tmp_path, TOKEN="in-the-env")})
    assert made["env"] == {"TOKEN": "•••"}
    assert (made["mcp_server_type"], made["args"][1]) == ("stdio", "stdio")
    path = f"/{made['id']}"
    assert await ask("patch", f"{path}/refresh") == {"deleted": [], "updated": [], "added": []}
    await Tool.objects.filter(name__in=["add", "hang"]).aupdate(enable_parallel_execution=True, timeout_seconds=7)
    await Tool.objects.filter(name="hang").aupdate(description="an older text")
    (tmp_path / "second").touch()
    synced = await ask("patch", f"{path}/refresh?agent_id=agent-1")
    assert (synced["added"], sorted(synced["deleted"]), synced["updated"]) == (
        ["newcomer"],
        ["fail", "picture"],
        ["hang"],
    )
    kept = {tool.name: tool async for tool in Tool.objects.all()}
    assert kept["hang"].description == "Report progress and never return."
    for name in ("add", "hang"):
        assert (kept[name].enable_parallel_execution, kept[name].timeout_seconds) == (True, 7)
    run = await ask("post", f"{path}/tools/{kept['env_of'].pk}/run", {"args": {"name": "TOKEN"}})
    # The server's own secret comes back only masked, even when its tool gives it away.
    assert run["func_return"] is not None
    assert "in-the-env" not in str(run)


async def test_a_server_that_has_gone_keeps_its_tools_and_says_so(ask: Ask, tiny: TinyServer) -> None:
    made = await added(ask, tiny)
    gone = await McpServer.objects.aget()
    store_reach(gone, HttpReach(gone.kind, "http://127.0.0.1:9/mcp"))  # type: ignore[arg-type]
    await gone.asave()
    answer = await ask("patch", f"/{made['id']}/refresh", status=400)
    assert "cannot connect to http://127.0.0.1:9" in answer["detail"]
    assert await McpTool.objects.acount() == len(NAMES)
    assert "cannot connect" in (await McpServer.objects.aget()).last_error


def test_lists_ask_the_database_the_same_number_of_times_however_long_they_are() -> None:
    from django.db import connection

    client = Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'tests')}"})

    def fill(first: int, last: int) -> McpServer:
        for number in range(first, last):
            server = McpServer(server_name=f"s{number}")
            store_reach(server, HttpReach(server.kind, "http://127.0.0.1:9"))  # type: ignore[arg-type]
            server.save()
        return McpServer.objects.earliest("created_at")

    def add_tools(server: McpServer, first: int, last: int) -> None:
        for number in range(first, last):
            tool = Tool.objects.create(name=f"t{number}", tool_type="external_mcp")
            McpTool.objects.create(tool=tool, server=server, remote_name=tool.name)

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        return len(captured)

    server = fill(0, 2)
    add_tools(server, 0, 2)
    paths = ["/v1/mcp-servers/", f"/v1/mcp-servers/{server.pk}/tools"]
    few = [queries(path) for path in paths]
    fill(2, 30)
    add_tools(server, 2, 60)
    assert [queries(path) for path in paths] == few
