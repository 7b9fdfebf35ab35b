"""Shell pages: search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from access.replies import PageRequest, show, wants_part
from ade.context import rail
from agents.models import Agent
from runs.models import Run
from tools.models import Tool

IN_DROPDOWN = 5
ON_PAGE = 50


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing found."""

    label: str
    url: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class HitGroup:
    """The hits of one kind, best first."""

    title: str
    icon: str
    hits: tuple[Hit, ...]


@require_safe
def search(request: PageRequest) -> HttpResponse:
    """Agents, tools, runs and pages that q names: as the list under the search box, or as a page."""
    q = request.GET.get("q", "").strip()
    is_dropdown = wants_part(request, "search-results")
    groups = find(q, IN_DROPDOWN if is_dropdown else ON_PAGE) if q else []
    return show(request, f"ade/search.html{'#results' if is_dropdown else ''}", {"q": q, "groups": groups})


def find(q: str, most: int) -> list[HitGroup]:
    """At most so many hits of each kind; kinds without hits are left out."""
    groups = (
        HitGroup("Agents", "robot", tuple(_agents(q, most))),
        HitGroup("Tools", "tool", tuple(_tools(q, most))),
        HitGroup("Runs", "activity", tuple(_runs(q, most))),
        HitGroup("Pages", "list-details", tuple(_pages(q))),
    )
    return [group for group in groups if group.hits]


def _agents(q: str, most: int) -> Iterator[Hit]:
    found = Agent.objects.filter(Q(name__icontains=q) | Q(pk=q) | Q(tags__icontains=q)).order_by("name", "pk")
    for key, name, model in found.values_list("pk", "name", "model")[:most]:
        yield Hit(name, reverse("agents:detail", args=[key]), model)


def _tools(q: str, most: int) -> Iterator[Hit]:
    found = Tool.objects.filter(Q(name__icontains=q) | Q(pk=q) | Q(tags__icontains=q)).order_by("name")
    for key, name, is_parallel in found.values_list("pk", "name", "enable_parallel_execution")[:most]:
        yield Hit(name, reverse("tools:detail", args=[key]), "parallel" if is_parallel else "sequential")


def _runs(q: str, most: int) -> Iterator[Hit]:
    found = Run.objects.filter(Q(pk__icontains=q) | Q(agent__name__icontains=q))
    for key, agent, status in found.values_list("pk", "agent__name", "status")[:most]:
        yield Hit(f"{agent} · {key[:12]}", reverse("runs:detail", args=[key]), status)


def _pages(q: str) -> Iterator[Hit]:
    yield from (Hit(item.label, item.url, item.url) for item in rail("") if q.lower() in item.label.lower())
