"""Lists and figures of runs: the list page, an agent's runs, the running chip, tools' statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from agents.models import Agent
from engine.specs import RunStatus, StopReason
from runs.conversation import messages_of
from runs.models import Run, ToolCall
from runs.picture import RunPicture
from runs.statistics import tool_statistics

RUNS_A_PAGE = 50
NEEDS_APPROVAL = StopReason.REQUIRES_APPROVAL.value
STATES = (*(status.value for status in RunStatus), NEEDS_APPROVAL)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list's URL asks for."""

    state: str = ""
    agent: str = ""
    q: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Filters:
        state = request.GET.get("state", "")
        return cls(state if state in STATES else "", request.GET.get("agent", ""), request.GET.get("q", "").strip())

    def choose(self) -> QuerySet[Run]:
        """The runs that fit, latest first."""
        runs = Run.objects.select_related("agent", "resumed_by")
        if self.state == NEEDS_APPROVAL:
            runs = runs.awaiting_approval()
        elif self.state:
            runs = runs.filter(status=self.state)
        if self.agent:
            runs = runs.filter(agent_id=self.agent)
        if self.q:
            calls = ToolCall.objects.filter(run_id=OuterRef("pk"), name__icontains=self.q)
            runs = runs.filter(Q(pk__icontains=self.q) | Q(agent__name__icontains=self.q) | Q(Exists(calls)))
        return runs


@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    """All runs, latest first; for a refresh the table alone."""
    filters = Filters.of(request)
    query = request.GET.copy()
    query.pop("page", None)
    page = Paginator(filters.choose(), RUNS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "runs": [_listed(run) for run in page.object_list],
        "filters": filters,
        "query": query.urlencode(),
        "states": [(state, state.replace("_", " ")) for state in STATES],
        "agents": Agent.objects.order_by("name").values_list("pk", "name"),
    }
    is_refresh = request.headers.get("HX-Target") == "runs-table"
    return render(request, "runs/list_table.html" if is_refresh else "runs/list.html", context)


@require_safe
def agent_runs(request: HttpRequest, agent_id: str) -> HttpResponse:
    """The latest runs of one agent, for its page."""
    agent = get_object_or_404(Agent, pk=agent_id)
    runs = Run.objects.filter(agent=agent).select_related("agent", "resumed_by")[:20]
    return render(request, "runs/agent_runs.html", {"agent": agent, "runs": [_listed(run) for run in runs]})


@require_safe
def running_count(request: HttpRequest) -> HttpResponse:
    """The chip at the top: how many runs are under way."""
    return render(request, "components/running.html", {"count": Run.objects.running().count()})


@require_safe
def tool_stats(request: HttpRequest) -> HttpResponse:
    """Figures of the tools named by `tool` (repeatable): cards for one, out-of-band cells for several or with `cells`."""
    names = list(dict.fromkeys(request.GET.getlist("tool")))[:500]
    found = tool_statistics(names)
    template = "runs/tool_stats.html" if len(names) == 1 and "cells" not in request.GET else "runs/tool_stats_many.html"
    return render(request, template, {"tools": [found[name] for name in names]})


def _listed(run: Run) -> dict[str, Any]:
    """A run as a row of a list needs it."""
    took = run.ended_at - run.started_at if run.ended_at and run.started_at else None
    is_waiting = run.stop_reason == NEEDS_APPROVAL and not hasattr(run, "resumed_by")
    return {
        "record": run,
        "state": NEEDS_APPROVAL if is_waiting else run.status,
        "said": " ".join(_first_words(run).split())[:140],
        "duration_ms": took.total_seconds() * 1000 if took is not None else None,
        "saved_ms": run.saved_seconds * 1000 if run.saved_seconds >= 0.001 else None,
    }


def _first_words(run: Run) -> str:
    messages = messages_of(run, RunPicture(run.pk))
    if messages:
        return messages[-1].text
    if "compacts" in run.request:
        return "Summary of older messages"
    return "Decisions on held calls" if run.decisions else ""
