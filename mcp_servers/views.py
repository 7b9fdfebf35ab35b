"""The pages of MCP servers: which there are, what each offers, and how it is reached."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.activity import Actor
from access.activity import actor_of as person_of
from access.database import in_database
from access.replies import PageRequest, go, show, with_news, with_toast
from agents.models import Agent
from agents.problems import AgentProblem
from agents.roster import attach_tool
from mcp_servers.forms import ServerForm
from mcp_servers.library import Wanted, add_server, change_server, look_at, refresh_server, remove_server
from mcp_servers.models import McpServer
from mcp_servers.problems import McpProblem
from mcp_servers.reach import Reach, reach_of
from tools.hints import hints_of
from tools.models import Tool

MOST_AGENTS = 500


@require_GET
def server_list(request: PageRequest) -> HttpResponse:
    """All servers."""
    servers = McpServer.objects.annotate(tool_count=Count("links")).order_by("server_name")
    return show(request, "mcp_servers/list.html", {"servers": servers})


@require_http_methods(["GET", "POST"])
async def create(request: PageRequest) -> HttpResponse:
    """A new server. One that does not answer is only added when that is said."""
    form = ServerForm(request.POST) if request.method == "POST" else ServerForm()
    if request.method == "GET":
        return await _show(request, "mcp_servers/create.html", {"form": form})
    actor, is_silent = await _actor(request), False
    if form.is_valid():
        try:
            wanted = await in_database(form.wanted)
            server = await add_server(actor, wanted, even_if_silent="even_if_silent" in request.POST)
            return await _go(request, server, f"MCP server {server.server_name} added")
        except McpProblem as problem:
            is_silent = not problem.field
            form.refuse(problem)
    part = "#form" if request.htmx else ""
    context = {"form": form, "is_silent": is_silent}
    return await _show(request, f"mcp_servers/create.html{part}", context, status=422)


@require_POST
async def test(request: PageRequest) -> HttpResponse:
    """Connect as the form says and tell what came; nothing is stored. `server_id` is that of a server whose secrets the
    form only shows as the mask."""
    form = ServerForm(request.POST)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        try:
            before = await in_database(_reach, request.POST.get("server_id", ""))
            wanted = Wanted(form.cleaned_data["server_name"], form.reach(before))
            context["listed"] = await look_at(wanted)
        except McpProblem as problem:
            context["problem"] = str(problem)
    else:
        context["problem"] = " ".join(
            f"{form.fields[name].label}: {error}" for name, errors in form.errors.items() for error in errors
        )
    return await _show(request, "mcp_servers/tested.html", context, status=422 if "problem" in context else 200)


@require_GET
def detail(request: PageRequest, server_id: str) -> HttpResponse:
    """One server with its tools."""
    return show(request, "mcp_servers/server.html", _context(_server(server_id)))


@require_POST
async def change(request: PageRequest, server_id: str) -> HttpResponse:
    """How the server is reached, or what it is called, changes."""
    server, form, actor = await in_database(_server, server_id), ServerForm(request.POST), await _actor(request)
    if form.is_valid():
        said = form.cleaned_data
        try:
            server = await change_server(actor, server, name=said["server_name"], kind=said["kind"], given=form.given())
            return await _go(request, server, "Saved")
        except McpProblem as problem:
            form.refuse(problem)
    context = await in_database(_context, server) | {"form": form}
    part = "#change" if request.htmx else ""
    return await _show(request, f"mcp_servers/server.html{part}", context, status=422)


@require_POST
async def refresh(request: PageRequest, server_id: str) -> HttpResponse:
    """The server is asked for its tools again."""
    server = await in_database(_server, server_id)
    try:
        synced = await refresh_server(await _actor(request), server)
        said, tone = f"{server.server_name}: {synced}", "good"
    except McpProblem as problem:
        said, tone = str(problem), "bad"
    if not request.htmx:
        return await _go(request, server, said)
    context = await in_database(lambda: _context(_server(server_id)))
    shown = await _show(request, "mcp_servers/server.html#tools", context)
    return with_toast(shown, said, tone=tone)


@require_POST
def attach(request: PageRequest, server_id: str) -> HttpResponse:
    """The chosen tools of the server are attached to an agent; those that it has already stay."""
    server = _server(server_id)
    agent = Agent.objects.filter(pk=request.POST.get("agent_id", "")).first()
    chosen = list(_tools(server).filter(pk__in=request.POST.getlist("tool_id")))
    if agent is None or not chosen:
        said, tone = "Choose an agent, and at least one tool.", "bad"
    else:
        said, tone = _attach(person_of(request), agent, chosen)
    if not request.htmx:
        return go(request, reverse("mcp:detail", args=[server.pk]), said)
    response = show(request, "mcp_servers/server.html#tools", _context(server))
    return with_news(with_toast(response, said, tone=tone), "agent-changed")


def _attach(actor: Actor, agent: Agent, chosen: list[Tool]) -> tuple[str, str]:
    has = set(agent.tools.values_list("pk", flat=True))
    new = [tool for tool in chosen if tool.pk not in has]
    try:
        for tool in new:
            attach_tool(actor, agent, tool)
    except AgentProblem as problem:
        return str(problem), "bad"
    return f"{agent.name} now has {len(new)} more of these tools" if new else f"{agent.name} has them already", "good"


@require_POST
async def delete(request: PageRequest, server_id: str) -> HttpResponse:
    """The server and its tools are gone."""
    server = await in_database(_server, server_id)
    name = server.server_name
    await remove_server(await _actor(request), server)
    return await sync_to_async(go)(request, reverse("mcp:list"), f"MCP server {name} removed")


def _context(server: McpServer) -> dict[str, Any]:
    """What the page of a server needs."""
    tools = list(_tools(server).annotate(agent_count=Count("agents")).order_by("name"))
    rows = [{"tool": tool, "hints": hints_of(tool)} for tool in tools]
    context: dict[str, Any] = {"server": server, "rows": rows}
    context["agents"] = Agent.objects.order_by("name").values_list("pk", "name")[:MOST_AGENTS]
    try:
        context["form"] = ServerForm.of(server, reach_of(server))
    except McpProblem as problem:
        context["problem"] = str(problem)
        context["form"] = ServerForm(initial={"server_name": server.server_name, "kind": server.kind})
    return context


def _tools(server: McpServer) -> Any:
    return Tool.objects.filter(mcp__server=server)


def _server(server_id: str) -> McpServer:
    server = McpServer.objects.filter(pk=server_id).first()
    if server is None:
        raise Http404(server_id)
    return server


def _reach(server_id: str) -> Reach | None:
    server = McpServer.objects.filter(pk=server_id).first()
    return reach_of(server) if server else None


async def _actor(request: PageRequest) -> Actor:
    """Reading who is signed in asks the database."""
    return await sync_to_async(_person)(request)


def _person(request: PageRequest) -> Actor:
    bool(request.user.is_authenticated)
    return person_of(request)


async def _show(request: PageRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return await sync_to_async(show)(request, template, context, status=status)


async def _go(request: PageRequest, server: McpServer, text: str) -> HttpResponse:
    return await sync_to_async(go)(request, reverse("mcp:detail", args=[server.pk]), text)
