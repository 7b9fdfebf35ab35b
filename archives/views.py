"""Archival memory on the agent page: look for something, add, forget."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from access.activity import actor_of
from access.replies import PageRequest, go, show, with_toast
from agents.models import Agent
from archives.forms import NewPassageForm
from archives.memory import Memory, archive_for, archives_of, check, passages_of, remember, search_agent
from archives.problems import ArchiveProblem
from archives.shelves import delete_passage

_PANEL = "archives/panel.html"
_AT_ONCE = 10


@require_GET
def panel(request: PageRequest, agent_id: str) -> HttpResponse:
    """The newest passages, or those that fit `q`; with `after` only the rows that come after so many."""
    agent = get_object_or_404(Agent, pk=agent_id)
    part = "#rows" if "after" in request.GET or request.htmx.target == "archival-rows" else ""
    return show(request, f"{_PANEL}{part}", _context(request, agent))


@require_POST
def add(request: PageRequest, agent_id: str) -> HttpResponse:
    """One more passage, into the archive that the agent writes into."""
    agent = get_object_or_404(Agent, pk=agent_id)
    form = NewPassageForm(request.POST, auto_id="new_passage_%s")
    if form.is_valid():
        memories = [Memory(form.cleaned_data["text"], form.cleaned_data["tags"])]
        try:
            check(memories)
            remember(archive_for(agent.pk), memories)
            return _answer(request, agent, "Added to archival memory")
        except ArchiveProblem as problem:
            form.add_error("text", str(problem))
    return show(request, _PANEL, _context(request, agent, form), status=422)


@require_POST
def forget(request: PageRequest, agent_id: str, passage_id: str) -> HttpResponse:
    """One passage less."""
    agent = get_object_or_404(Agent, pk=agent_id)
    delete_passage(actor_of(request), get_object_or_404(passages_of(agent_id=agent.pk), pk=passage_id))
    return _answer(request, agent, "Passage deleted")


def _context(request: PageRequest, agent: Agent, form: NewPassageForm | None = None) -> dict[str, Any]:
    query = request.GET.get("q", "").strip()
    everything = passages_of(agent_id=agent.pk).defer("embedding").order_by("-created_at", "-pk")
    if query:
        rows, after = [found.passage for found in search_agent(agent.pk, query, top_k=_AT_ONCE)], ""
    else:
        start = int(request.GET["after"]) if request.GET.get("after", "").isdecimal() else 0
        rows = list(everything[start : start + _AT_ONCE + 1])
        after = str(start + _AT_ONCE) if len(rows) > _AT_ONCE else ""
    return {
        "agent": agent,
        "q": query,
        "passages": rows[:_AT_ONCE],
        "after": after,
        "passage_count": everything.count(),
        "archives": list(archives_of(agent.pk)),
        "new_passage": form or NewPassageForm(auto_id="new_passage_%s"),
    }


def _answer(request: PageRequest, agent: Agent, said: str) -> HttpResponse:
    if not request.htmx:
        return go(request, reverse("agents:detail", args=[agent.pk]), said)
    return with_toast(show(request, _PANEL, _context(request, agent)), said)
