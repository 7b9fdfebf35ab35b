"""What the system prompt says of an agent's folders: the files there are, and what is seen of the open ones."""

from __future__ import annotations

from collections import defaultdict
from html import escape

from agents.models import Agent
from folders.desk import most_files_open
from folders.models import FileAgent, Folder

# Names of closed files of a folder; the rest is counted, and found by search.
_MOST_NAMES = 100


def folders_section(agent: Agent) -> str:
    """The section of the agent's folders, "" where it has none. Three queries, however many files there are."""
    folders = list(Folder.objects.filter(links__agent=agent).order_by("links__id"))
    if not folders:
        return ""
    views = _views(agent)
    opened = sum(view.is_open for those in views.values() for view in those)
    limits = f"<file_limits>\n- current_files_open={opened}\n- max_files_open={most_files_open(agent)}\n</file_limits>"
    parts = [_folder(folder, views[folder.pk]) for folder in folders]
    return "\n".join(["<directories>", limits, *parts, "</directories>"])


def _views(agent: Agent) -> dict[str, list[FileAgent]]:
    """The agent's files by their folder, open ones first."""
    found: dict[str, list[FileAgent]] = defaultdict(list)
    rows = FileAgent.objects.filter(agent=agent).select_related("file").defer("file__content")
    for view in rows.order_by("-is_open", "file__file_name", "pk"):
        found[view.file.folder_id].append(view)
    return found


def _folder(folder: Folder, views: list[FileAgent]) -> str:
    lines = [f'<directory name="{escape(folder.name)}">']
    if folder.description:
        lines.append(f"<description>{folder.description}</description>")
    if folder.instructions:
        lines.append(f"<instructions>{folder.instructions}</instructions>")
    opened = [view for view in views if view.is_open]
    closed = views[len(opened) :]
    lines += [_open_file(folder, view) for view in opened]
    lines += [f'<file status="closed" name="{_path(folder, view)}" />' for view in closed[:_MOST_NAMES]]
    if len(closed) > _MOST_NAMES:
        lines.append(f"<!-- and {len(closed) - _MOST_NAMES:,} more files: find them with grep_files -->")
    return "\n".join([*lines, "</directory>"])


def _open_file(folder: Folder, view: FileAgent) -> str:
    return f'<file status="open" name="{_path(folder, view)}">\n<value>\n{view.visible_content}\n</value>\n</file>'


def _path(folder: Folder, view: FileAgent) -> str:
    return escape(f"{folder.name}/{view.file.file_name}")
