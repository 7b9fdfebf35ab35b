"""The Files panel of the agent page: which folders the agent has, and which files are open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from access.activity import actor_of
from access.replies import PageRequest, go, show, with_news, with_toast
from agents.models import Agent
from folders.attachment import attach_folder, detach_folder
from folders.desk import Wanted, close_all, close_file, most_files_open, note_desk, open_files
from folders.file_search import files_of
from folders.models import FileAgent, Folder
from folders.problems import FolderProblem

_MOST_FILES = 50
# The Tools panel listens: the file tools come and go with folders.
_CHANGED = "tool-changed"


@dataclass(slots=True)
class AttachedFolder:
    """A folder of the agent with those of its files that are shown, and how many more there are."""

    folder: Folder
    views: list[FileAgent] = field(default_factory=list)
    more: int = 0


@require_GET
def panel(request: PageRequest, agent_id: str) -> HttpResponse:
    """The panel as it is now."""
    return show(request, "folders/panel.html", _context(_agent(agent_id)))


@require_POST
def attach(request: PageRequest, agent_id: str) -> HttpResponse:
    """One more folder."""
    agent = _agent(agent_id)
    if not request.POST.get("folder_id"):
        return _answer(request, agent, "Choose a folder to add", tone="warn")
    folder = get_object_or_404(Folder, pk=request.POST["folder_id"])
    attach_folder(actor_of(request), agent, folder)
    return with_news(_answer(request, agent, f"{folder.name} attached"), _CHANGED)


@require_POST
def detach(request: PageRequest, agent_id: str, folder_id: str) -> HttpResponse:
    """One folder less."""
    agent, folder = _agent(agent_id), get_object_or_404(Folder, pk=folder_id)
    detach_folder(actor_of(request), agent, folder)
    return with_news(_answer(request, agent, f"{folder.name} detached"), _CHANGED)


@require_POST
def open_file(request: PageRequest, agent_id: str, file_id: str) -> HttpResponse:
    """A file is open from its start on."""
    agent = _agent(agent_id)
    file = get_object_or_404(files_of(agent.pk), pk=file_id)
    try:
        closed = open_files(agent, [Wanted(file)])
    except FolderProblem as problem:
        return _answer(request, agent, str(problem), tone="bad")
    note_desk(actor_of(request), agent, opened=[file.path], closed=closed)
    instead = f"; {', '.join(closed)} closed" if closed else ""
    return _answer(request, agent, f"{file.file_name} opened{instead}")


@require_POST
def close(request: PageRequest, agent_id: str, file_id: str) -> HttpResponse:
    """A file is no longer open."""
    agent = _agent(agent_id)
    file = get_object_or_404(files_of(agent.pk).defer("content"), pk=file_id)
    note_desk(actor_of(request), agent, closed=close_file(agent, file))
    return _answer(request, agent, f"{file.file_name} closed")


@require_POST
def close_all_files(request: PageRequest, agent_id: str) -> HttpResponse:
    """No file is open any more."""
    agent = _agent(agent_id)
    closed = close_all(agent)
    note_desk(actor_of(request), agent, closed=closed)
    return _answer(request, agent, f"{len(closed)} file{'s' if len(closed) != 1 else ''} closed")


def _context(agent: Agent) -> dict[str, Any]:
    folders = {
        folder.pk: AttachedFolder(folder) for folder in Folder.objects.filter(links__agent=agent).order_by("links__id")
    }
    views = FileAgent.objects.filter(agent=agent).select_related("file").defer("file__content", "visible_content")
    opened = 0
    for view in views.order_by("-is_open", "file__file_name", "pk"):
        attached = folders.get(view.file.folder_id)
        if attached is None:  # attached a moment ago, in another window
            continue
        opened += view.is_open
        if view.is_open or len(attached.views) < _MOST_FILES:
            attached.views.append(view)
        else:
            attached.more += 1
    return {
        "agent": agent,
        "attached_folders": list(folders.values()),
        "other_folders": Folder.objects.exclude(pk__in=folders).only("pk", "name"),
        "open_count": opened,
        "most_open": most_files_open(agent),
    }


def _answer(request: PageRequest, agent: Agent, said: str, *, tone: str = "good") -> HttpResponse:
    if not request.htmx:
        return go(request, reverse("agents:detail", args=[agent.pk]), said)
    return with_toast(show(request, "folders/panel.html", _context(agent)), said, tone=tone)


def _agent(agent_id: str) -> Agent:
    return get_object_or_404(Agent, pk=agent_id)
