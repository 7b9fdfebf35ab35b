"""Folders, files and agents of the tests about files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models import Agent
from folders.attachment import attach_folder
from folders.cabinet import create_folder
from folders.models import File, FileAgent, Folder
from folders.uploads import Duplicates, Sent, take_file
from tests.pages import an_agent, seed_actor


def a_folder(name: str = "docs", texts: Mapping[str, str] | None = None, **fields: Any) -> Folder:
    """A folder with these files of plain text."""
    folder = create_folder(seed_actor(), {"name": name, **fields})
    for file_name, text in (texts or {}).items():
        a_file(folder, file_name, text)
    return folder


def a_file(folder: Folder, name: str, text: str, duplicates: Duplicates = Duplicates.SUFFIX) -> File:
    return take_file(seed_actor(), folder, Sent(name, text.encode()), duplicates)


def a_reader(*folders: Folder, **extras: Any) -> Agent:
    """An agent that has these folders; `extras` are fields such as max_files_open."""
    agent = an_agent("Reader", extras=extras)
    for folder in folders:
        attach_folder(seed_actor(), agent, folder)
    return agent


def open_names(agent: Agent) -> list[str]:
    """The names of the files that the agent has open, the one used longest ago first."""
    views = FileAgent.objects.filter(agent=agent, is_open=True).order_by("last_accessed_at", "pk")
    return list(views.values_list("file__file_name", flat=True))
