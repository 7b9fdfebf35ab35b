"""The list of agents and the agent page."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.activity import actor_of
from access.replies import PageRequest, go, show, wants_part
from agents.forms import NewAgentForm, model_suggestions
from agents.models import Agent
from agents.pages import agent_url, find_agent, known_tab, show_agent
from agents.problems import AgentProblem
from agents.roster import create_agent, delete_agent
from tools.models import Tool

PAGE_SIZE = 100
_RUNNING = Q(runs__status="running")
_WAITING = Q(runs__stop_reason="requires_approval", runs__resumed_by=None)


@require_GET
def agent_list(request: PageRequest) -> HttpResponse:
    """All agents, or those whose name, description, model or tags hold q."""
    q = request.GET.get("q", "").strip()
    page = Paginator(_with_facts(_found(q)), PAGE_SIZE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {"page": page, "q": q}
    if wants_part(request, "agent-table") or wants_part(request, "agent-rows"):
        return show(request, "agents/list.html#table", context)
    return show(request, "agents/list.html", context | _create_context(NewAgentForm(initial=_suggested())))


def _found(q: str) -> QuerySet[Agent]:
    if not q:
        return Agent.objects.all()
    return Agent.objects.filter(
        Q(name__icontains=q) | Q(description__icontains=q) | Q(model__icontains=q) | Q(tags__icontains=q)
    )


def _with_facts(agents: QuerySet[Agent]) -> QuerySet[Agent]:
    """Each agent with tool_count, last_run_at, running and waiting; sub-selects, so that the counts do not multiply."""
    same = Agent.objects.filter(pk=OuterRef("pk")).order_by().values("pk")

    def fact(of: Any) -> Subquery:
        return Subquery(same.annotate(fact=of).values("fact"))

    return agents.defer("system", "tool_rules", "llm_config", "model_settings", "extras", "metadata").annotate(
        tool_count=fact(Count("tools")),
        last_run_at=fact(Max("runs__created_at")),
        running=fact(Count("runs", filter=_RUNNING)),
        waiting=fact(Count("runs", filter=_WAITING)),
    )


def _suggested() -> dict[str, Any]:
    """A new agent starts from the model of the newest one."""
    newest = Agent.objects.values_list("model", flat=True).first()
    return {"model": newest or "demo/planner", "parallel_tool_calls": False, "base_tools": True}


def _create_context(form: NewAgentForm) -> dict[str, Any]:
    tools = Tool.objects.only("id", "name", "enable_parallel_execution")
    chosen = form["tools"].value() or []
    return {"form": form, "suggestions": model_suggestions(), "all_tools": tools, "chosen_tools": chosen}


@require_http_methods(["GET", "POST"])
def create(request: PageRequest) -> HttpResponse:
    """A new agent, from the dialog of the list or from its own page."""
    if request.method == "GET":
        return show(request, "agents/create.html", _create_context(NewAgentForm(initial=_suggested())))
    form = NewAgentForm(request.POST)
    if form.is_valid():
        tools, wants_base = form.cleaned_data.pop("tools"), form.cleaned_data.pop("base_tools")
        fields = {name: value for name, value in form.cleaned_data.items() if value != ""}
        try:
            ids = [tool.pk for tool in tools]
            agent = create_agent(actor_of(request), fields=fields, tool_ids=ids, include_base_tools=wants_base)
            return go(request, agent_url(agent), f"Agent {agent.name} created")
        except AgentProblem as problem:
            form.add_error(None, str(problem))
    part = "#form" if wants_part(request) else ""
    return show(request, f"agents/create.html{part}", _create_context(form), status=422)


@require_GET
def detail(request: PageRequest, agent_id: str) -> HttpResponse:
    """The agent page at one of its tabs."""
    return show_agent(request, find_agent(agent_id), known_tab(request.GET.get("tab", "")))


@require_POST
def delete(request: PageRequest, agent_id: str) -> HttpResponse:
    """The agent is gone, with its history."""
    agent = find_agent(agent_id)
    delete_agent(actor_of(request), agent)
    return go(request, reverse("agents:list"), f"Agent {agent.name} deleted")
