"""The pages of MCP servers, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

from access.models import Person
from mcp_servers import pool
from mcp_servers.models import McpServer, McpTool
from mcp_servers.reach import HttpReach, StdioReach, reach_of, store_reach
from tests.mcp_servers import TinyServer, stdio_config
from tests.pages import an_agent, forbidden_in, htmx, signed_in, text_of, toast_of
from tools.hints import hints_of
from tools.models import Tool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyServer]:
    server = TinyServer(tmp_path_factory.mktemp("mcp"), "streamable_http", "--token", "let-me-in").start()
    yield server
    server.kill()


@pytest.fixture
async def browser() -> AsyncClient:
    browser = AsyncClient()
    person = await Person.objects.acreate(username="nadia", is_staff=True, is_superuser=True)
    await browser.aforce_login(person)
    return browser


def form(tiny: TinyServer, **more: str) -> dict[str, str]:
    return {"server_name": "tiny", "kind": "streamable_http", "server_url": tiny.url, "token": "let-me-in", **more}


def a_server(name: str = "quiet", error: str = "") -> McpServer:
    server = McpServer(server_name=name, last_error=error)
    store_reach(server, HttpReach(server.kind, "http://127.0.0.1:9/mcp", auth_token="secret-token"))  # type: ignore[arg-type]
    server.save()
    return server


def a_listed_tool(server: McpServer, name: str, **annotations: bool) -> Tool:
    about = {"server_id": server.pk, "server_name": server.server_name, "tool_name": name, "annotations": annotations}
    tool = Tool.objects.create(name=name, tool_type="external_mcp", source_type="json", metadata={"mcp": about})
    McpTool.objects.create(tool=tool, server=server, remote_name=name, annotations=annotations)
    return tool


def test_the_list_is_in_the_rail_and_shows_who_did_not_answer() -> None:
    client = signed_in()
    assert "No MCP servers yet" in text_of(client.get("/mcp/"))
    a_server("good")
    a_server("bad", error="it is asleep")
    page = text_of(client.get("/mcp/"))
    assert page.count("did not answer") == 1
    assert "it is asleep" in page
    assert 'href="/mcp/" aria-current="page"' in page
    assert "secret-token" not in page
    assert forbidden_in(page) == []


def test_pages_need_a_sign_in_and_unknown_servers_are_404() -> None:
    assert Client().get("/mcp/").status_code == 302
    assert signed_in().get("/mcp/mcp_server-none/").status_code == 404


def test_programs_are_offered_only_where_they_are_allowed(settings: Any) -> None:
    client = signed_in()
    assert 'value="stdio"' not in text_of(client.get("/mcp/new/"))
    settings.ADE_MCP_STDIO = True
    page = text_of(client.get("/mcp/new/"))
    assert 'value="stdio"' in page
    assert forbidden_in(page) == []


async def test_a_test_tells_what_the_server_lists_and_stores_nothing(browser: AsyncClient, tiny: TinyServer) -> None:
    good = text_of(await browser.post("/mcp/test/", form(tiny), headers=htmx("tested")))
    assert "It answers, with 7 tools" in good
    assert "env.of" in good
    bad = await browser.post("/mcp/test/", form(tiny, token="wrong"), headers=htmx("tested"))
    assert (bad.status_code, "HTTP 401" in text_of(bad)) == (422, True)
    empty = await browser.post("/mcp/test/", {"server_name": "x", "kind": "sse"}, headers=htmx("tested"))
    assert (empty.status_code, "URL: This field is required." in text_of(empty)) == (422, True)
    assert await McpServer.objects.acount() == 0


async def test_a_server_is_added_from_the_page_with_its_tools_and_suggestions(
    browser: AsyncClient, tiny: TinyServer
) -> None:
    answer = await browser.post("/mcp/new/", form(tiny, headers="X-Team: crimson\n"), headers=htmx("new-server"))
    server = await McpServer.objects.aget()
    assert answer["HX-Redirect"] == f"/mcp/{server.pk}/"
    reach = await sync_to_async(reach_of)(server)
    assert isinstance(reach, HttpReach)
    assert reach.headers == {"X-Team": "crimson", "Authorization": "Bearer let-me-in"}
    page = text_of(await browser.get(f"/mcp/{server.pk}/"))
    assert "Parallel is probably safe" in page
    assert "Leave it sequential; consider approval" in page
    assert "let-me-in" not in page
    assert "crimson" not in page
    assert forbidden_in(page) == []
    assert not await Tool.objects.filter(enable_parallel_execution=True).aexists()


async def test_one_that_does_not_answer_is_added_only_when_that_is_said(browser: AsyncClient, tiny: TinyServer) -> None:
    wrong = form(tiny, token="wrong", server_name="later")
    answer = await browser.post("/mcp/new/", wrong, headers=htmx("new-server"))
    page = text_of(answer)
    assert (answer.status_code, "HTTP 401" in page, "Add it anyway" in page) == (422, True, True)
    assert 'value="later"' in page
    assert await McpServer.objects.acount() == 0
    await browser.post("/mcp/new/", {**wrong, "even_if_silent": "on"}, headers=htmx("new-server"))
    server = await McpServer.objects.aget()
    assert "HTTP 401" in server.last_error
    changed = {**wrong, "token": "let-me-in"}
    saved = await browser.post(f"/mcp/{server.pk}/change/", changed, headers=htmx("mcp-change"))
    assert saved["HX-Redirect"] == f"/mcp/{server.pk}/"
    assert (await McpServer.objects.aget()).last_error == ""
    assert await McpTool.objects.acount() == 7


async def test_a_change_with_the_mask_keeps_the_secret_and_a_wrong_one_keeps_what_was_typed(
    browser: AsyncClient, tiny: TinyServer
) -> None:
    await browser.post("/mcp/new/", form(tiny), headers=htmx("new-server"))
    server = await McpServer.objects.aget()
    tested = await browser.post("/mcp/test/", form(tiny, token="•••", server_id=server.pk), headers=htmx("tested"))
    assert "It answers" in text_of(tested)
    wrong = form(tiny, token="•••", server_url="nowhere", server_name="typed")
    answer = await browser.post(f"/mcp/{server.pk}/change/", wrong, headers=htmx("mcp-change"))
    page = text_of(answer)
    assert (answer.status_code, 'value="nowhere"' in page, 'value="typed"' in page) == (422, True, True)
    await browser.post(f"/mcp/{server.pk}/change/", form(tiny, token="•••", server_name="renamed"), headers=htmx())
    server = await McpServer.objects.aget()
    reach = await sync_to_async(reach_of)(server)
    assert isinstance(reach, HttpReach)
    assert (server.server_name, reach.auth_token) == ("renamed", "let-me-in")


async def test_a_program_is_added_from_one_line(browser: AsyncClient, tmp_path: Path, settings: Any) -> None:
    settings.ADE_MCP_STDIO = True
    config = stdio_config(tmp_path)
    line = " ".join([config["command"], *config["args"]])
    sent = {"server_name": "local", "kind": "stdio", "command": line, "env": "REGION=eu=1\n"}
    await browser.post("/mcp/new/", sent, headers=htmx("new-server"))
    server = await McpServer.objects.aget()
    reach = await sync_to_async(reach_of)(server)
    assert isinstance(reach, StdioReach)
    assert (list(reach.args), reach.env) == (config["args"], {"REGION": "eu=1"})
    broken = await browser.post("/mcp/new/", {**sent, "command": "say 'hello"}, headers=htmx("new-server"))
    assert "A quote has no end" in text_of(broken)


async def test_a_refresh_tells_what_changed_and_an_error_stays_on_the_page(
    browser: AsyncClient, tiny: TinyServer
) -> None:
    await browser.post("/mcp/new/", form(tiny), headers=htmx("new-server"))
    server = await McpServer.objects.aget()
    await Tool.objects.filter(name="add").adelete()
    answer = await browser.post(f"/mcp/{server.pk}/refresh/", headers=htmx("mcp-tools"))
    assert toast_of(answer)["text"] == "tiny: 1 new"
    store_reach(server, HttpReach(server.kind, "http://127.0.0.1:9/mcp"))  # type: ignore[arg-type]
    await server.asave()
    answer = await browser.post(f"/mcp/{server.pk}/refresh/", headers=htmx("mcp-tools"))
    assert toast_of(answer)["tone"] == "bad"
    assert "cannot connect to http://127.0.0.1:9" in text_of(answer)


def test_chosen_tools_are_attached_and_a_server_goes_with_its_tools() -> None:
    client, server = signed_in(), a_server()
    tools = [a_listed_tool(server, name) for name in ("one", "two", "three")]
    agent = an_agent("Librarian", tools[0])
    sent = {"agent_id": agent.pk, "tool_id": [tools[0].pk, tools[1].pk]}
    answer = client.post(f"/mcp/{server.pk}/attach/", sent, headers=htmx("mcp-tools"))
    assert toast_of(answer)["text"] == "Librarian now has 1 more of these tools"
    assert set(agent.tools.values_list("name", flat=True)) == {"one", "two"}
    nothing = client.post(f"/mcp/{server.pk}/attach/", {"agent_id": agent.pk}, headers=htmx("mcp-tools"))
    assert toast_of(nothing)["tone"] == "bad"
    client.post(f"/mcp/{server.pk}/delete/", headers=htmx())
    assert not McpServer.objects.exists()
    assert not agent.tools.exists()


@pytest.mark.parametrize(
    ("annotations", "tone", "says"),
    [
        ({"readOnlyHint": True}, "good", "only reads"),
        ({"idempotentHint": True, "destructiveHint": False}, "good", "destroys nothing"),
        ({"destructiveHint": True}, "warn", "consider requiring approval"),
        ({"idempotentHint": True}, "info", "unless you know"),
        ({}, "info", "unless you know"),
    ],
)
def test_annotations_suggest_the_switch_on_the_tool_page_and_flip_nothing(
    annotations: dict[str, bool], tone: str, says: str
) -> None:
    tool = a_listed_tool(a_server(), "told", **annotations)
    hints = hints_of(tool)
    assert hints is not None
    assert (hints.suggestions[0].tone, says in hints.suggestions[0].text) == (tone, True)
    retry = any("Safe to retry" in suggestion.text for suggestion in hints.suggestions)
    assert retry is bool(annotations.get("readOnlyHint") or annotations.get("idempotentHint"))
    page = text_of(signed_in().get(f"/tools/{tool.pk}/?tab=settings"))
    assert says in page
    assert forbidden_in(page) == []
    tool.refresh_from_db()
    assert (tool.enable_parallel_execution, tool.safe_to_retry, tool.default_requires_approval) == (False,) * 3


def test_metadata_that_people_write_breaks_no_page() -> None:
    tool = Tool.objects.create(name="odd", tool_type="external_mcp", metadata={"mcp": {"annotations": ["?"]}})
    assert signed_in().get(f"/tools/{tool.pk}/?tab=settings").status_code == 200
    assert "From an MCP server" in text_of(signed_in().get(f"/tools/{tool.pk}/?tab=code"))


async def test_the_test_tab_calls_the_server(browser: AsyncClient, tiny: TinyServer) -> None:
    await browser.post("/mcp/new/", form(tiny), headers=htmx("new-server"))
    tool = await Tool.objects.aget(name="add")
    answer = await browser.post(f"/tools/{tool.pk}/test/", {"arg:a": "40", "times": "1"}, headers=htmx())
    await pool.close_connections()
    assert "42" in text_of(answer)


def test_the_admin_shows_no_secret_and_removes_tools_with_their_server() -> None:
    client, server = signed_in(), a_server()
    a_listed_tool(server, "one")
    page = text_of(client.get(f"/admin/mcp_servers/mcpserver/{server.pk}/change/"))
    assert "secret-token" not in page
    assert "encrypted" not in page
    assert client.get("/admin/mcp_servers/mcptool/").status_code == 200
    client.post(f"/admin/mcp_servers/mcpserver/{server.pk}/delete/", {"post": "yes"})
    assert not McpServer.objects.exists()
    assert not Tool.objects.exists()
