"""The page Activity: who did what, and what it changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from access.models import Activity, Person
from access.replies import PageRequest, show, wants_part
from agents.models import Agent
from runs.models import Run
from tools.models import Tool

PAGE_SIZE = 50
_SHOWN_CHARS = 120


@dataclass(frozen=True, slots=True)
class Change:
    """One field, before and after, as short texts."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ActivityLine:
    """One line of the log. `url` is empty where what it names is gone or has no page."""

    activity: Activity
    url: str
    changes: tuple[Change, ...]


@require_GET
def activity_page(request: PageRequest) -> HttpResponse:
    """The log, latest first; by person, verb and words in the target's name, its id or what was used."""
    filters = {name: request.GET.get(name, "").strip() for name in ("q", "person", "verb")}
    page = Paginator(_found(filters), PAGE_SIZE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {"page": page, "lines": _lines(list(page)), **filters}
    if wants_part(request, "activity-table"):
        return show(request, "activity/activity.html#table", context)
    people = Person.objects.filter(activity__isnull=False).distinct().order_by("username")
    verbs = Activity.objects.order_by("verb").values_list("verb", flat=True).distinct()
    return show(request, "activity/activity.html", context | {"people": people, "verbs": verbs})


def _found(filters: dict[str, str]) -> QuerySet[Activity]:
    found = Activity.objects.select_related("person")
    if q := filters["q"]:
        found = found.filter(Q(target_name__icontains=q) | Q(target_id=q) | Q(via__icontains=q))
    if filters["verb"]:
        found = found.filter(verb=filters["verb"])
    if filters["person"]:
        found = found.filter(person__username=filters["person"])
    return found


def _lines(activities: list[Activity]) -> list[ActivityLine]:
    urls = _urls({activity.target_id for activity in activities})
    return [
        ActivityLine(activity, urls.get(activity.target_id, ""), tuple(_changes(activity.changes)))
        for activity in activities
    ]


def _urls(ids: set[str]) -> dict[str, str]:
    """The pages of the things that are still there."""
    pages = ((Agent, "agents:detail"), (Tool, "tools:detail"), (Run, "runs:detail"))
    return {
        key: reverse(page, args=[key])
        for model, page in pages
        for key in model._default_manager.filter(pk__in=ids).values_list("pk", flat=True)
    }


def _changes(changes: dict[str, Any]) -> Iterator[Change]:
    for field, value in changes.items():
        before, after = value if isinstance(value, list) and len(value) == 2 else ("", value)
        yield Change(field, _short(before), _short(after))


def _short(value: Any) -> str:
    match value:
        case True | False:
            text = "on" if value else "off"
        case None | "" | [] | {}:
            text = "nothing"
        case str():
            text = value
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
