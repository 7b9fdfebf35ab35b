"""What the shell of every page needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from runs.models import Run

_PAGES = (
    ("Agents", "agents:list", "robot"),
    ("Tools", "tools:list", "tool"),
    ("Folders", "folders:list", "file-text"),
    ("MCP", "mcp:list", "plug-connected"),
    ("Runs", "runs:list", "activity"),
    ("Models", "ops:models", "brain"),
    ("Activity", "ops:activity", "history"),
    ("Settings", "ops:settings", "settings"),
)


@dataclass(frozen=True, slots=True)
class RailItem:
    """One line of the rail."""

    label: str
    url: str
    icon: str
    active: bool


def shell(request: HttpRequest) -> dict[str, Any]:
    """The rail, and how many runs are in flight; that is only asked of the database where a page shows it."""
    return {"rail": rail(request.path), "running_count": lambda: Run.objects.running().count()}


def rail(path: str) -> list[RailItem]:
    """The pages that exist, the one at `path` marked."""
    items = []
    for label, name, icon in _PAGES:
        try:
            url = reverse(name)
        except NoReverseMatch:
            continue
        items.append(RailItem(label, url, icon, path.startswith(url)))
    return items
