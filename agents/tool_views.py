"""The Tools panel of the agent page. Everything takes effect at once."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from access.activity import actor_of
from access.replies import PageRequest, go, show, with_news, with_toast
from agents.models import Agent
from agents.pages import agent_url, find_agent, tools_context
from agents.problems import AgentProblem
from agents.roster import attach_tool, detach_tool, set_approval
from agents.settings_views import CHANGED
from agents.tool_rules import approval_rule
from tools.models import Tool


@require_GET
def panel(request: PageRequest, agent_id: str) -> HttpResponse:
    """The panel as it is now; asked for when a tool has changed in its drawer."""
    return show(request, "agents/left/tools.html#panel", tools_context(find_agent(agent_id)))


@require_POST
def attach(request: PageRequest, agent_id: str) -> HttpResponse:
    """A tool of the library is attached; as the Undo of a detach with the approval that it had."""
    agent, tool_id = find_agent(agent_id), request.POST.get("tool_id") or request.GET.get("tool", "")
    if not tool_id:
        return _answer(request, agent, "Choose a tool to add", tone="warn")
    tool = get_object_or_404(Tool, pk=tool_id)
    agent = attach_tool(actor_of(request), agent, tool)
    if "approval" in request.GET:
        agent = set_approval(actor_of(request), agent, tool.name, required=True)
    undo = f"{reverse('agents:detach', args=[agent.pk, tool.pk])}?undo=1"
    return _answer(request, agent, f"{tool.name} added", undo=undo)


@require_POST
def detach(request: PageRequest, agent_id: str, tool_id: str) -> HttpResponse:
    """A tool is no longer attached."""
    agent, tool = find_agent(agent_id), get_object_or_404(Tool, pk=tool_id)
    asked = {"approval": "1"} if approval_rule(tool.name) in agent.tool_rules else {}
    agent = detach_tool(actor_of(request), agent, tool)
    undo = f"{reverse('agents:attach', args=[agent.pk])}?{urlencode({'undo': '1', 'tool': tool.pk, **asked})}"
    return _answer(request, agent, f"{tool.name} detached", undo=undo)


@require_POST
def approval(request: PageRequest, agent_id: str, tool_id: str) -> HttpResponse:
    """Whether a person decides about each call of the tool."""
    agent, tool = find_agent(agent_id), get_object_or_404(Tool, pk=tool_id)
    wanted = request.POST.get("required") == "on"
    try:
        agent = set_approval(actor_of(request), agent, tool.name, wanted)
    except AgentProblem as problem:
        return _answer(request, agent, str(problem), tone="bad")
    return _answer(request, agent, f"{tool.name} {'asks before each call' if wanted else 'no longer asks'}")


def _answer(request: PageRequest, agent: Agent, said: str, *, undo: str = "", tone: str = "good") -> HttpResponse:
    if not request.htmx:
        return go(request, agent_url(agent, "tools"), said)
    response = show(request, "agents/left/tools.html#panel", tools_context(agent))
    if "undo" in request.GET:
        return with_news(with_toast(response, "Undone"), CHANGED, "tools-undone")
    return with_news(with_toast(response, said, undo=undo, tone=tone), CHANGED)
