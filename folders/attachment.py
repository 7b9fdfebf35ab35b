"""Which agents have which folders. The file tools come with an agent's first folder and go with its last, but for one
whose name somebody's own tool bears."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from access import activity
from access.activity import Actor
from agents.models import Agent
from agents.roster import attach_tool, detach_tool
from folders.models import File, FileAgent, Folder, FolderAgent
from folders.problems import FolderProblem
from tools.built_in import ensure, is_built_in
from tools.models import Tool, ToolType

FILE_TOOLS = ("open_files", "grep_files", "semantic_search_files")


def attach_folder(actor: Actor, agent: Agent, folder: Folder) -> None:
    """The agent reads the folder from now on, every file of it closed at first. Twice is once."""
    with transaction.atomic():
        _lock(folder)
        is_first = not FolderAgent.objects.filter(agent=agent).exists()
        if not FolderAgent.objects.get_or_create(folder=folder, agent=agent)[1]:
            return
        files = File.objects.filter(folder=folder).values_list("pk", flat=True)
        FileAgent.objects.bulk_create(
            [FileAgent(agent=agent, file_id=key) for key in files], ignore_conflicts=True, batch_size=500
        )
        if is_first:
            for tool in filter(is_built_in, ensure(FILE_TOOLS)):
                attach_tool(actor, agent, tool)
        _note(actor, "attached a folder", agent, [None, folder.name])


def detach_folder(actor: Actor, agent: Agent, folder: Folder) -> None:
    """The agent no longer reads the folder, which stays."""
    with transaction.atomic():
        _lock(folder)
        if FolderAgent.objects.filter(folder=folder, agent=agent).delete()[0] == 0:
            return
        FileAgent.objects.filter(agent=agent, file__folder=folder).delete()
        _take_tools_without_folders(actor, agent)
        _note(actor, "detached a folder", agent, [folder.name, None])


def replace_folders(actor: Actor, agent: Agent, folder_ids: Iterable[str]) -> None:
    """The agent has these folders and no others. Raises FolderProblem where one is unknown."""
    wanted = list(dict.fromkeys(folder_ids))
    found = Folder.objects.in_bulk(wanted)
    unknown = [key for key in wanted if key not in found]
    if unknown:
        raise FolderProblem(f"Unknown folders: {', '.join(unknown)}.")
    with transaction.atomic():
        for folder in Folder.objects.filter(links__agent=agent).exclude(pk__in=wanted):
            detach_folder(actor, agent, folder)
        for key in wanted:
            attach_folder(actor, agent, found[key])


def delete_folder(actor: Actor, folder: Folder) -> None:
    """The folder is gone with its files, for every agent that had it."""
    with transaction.atomic():
        agents = list(folder.agents.all())
        activity.note(actor, "deleted", target_id=folder.pk, target_name=folder.name)
        folder.delete()
        for agent in agents:
            _take_tools_without_folders(actor, agent)


def show_to_agents(file: File) -> None:
    """A new file is there, closed, for every agent that has its folder. Call it with the folder locked."""
    agents = FolderAgent.objects.filter(folder_id=file.folder_id).values_list("agent_id", flat=True)
    FileAgent.objects.bulk_create([FileAgent(agent_id=key, file=file) for key in agents], batch_size=500)


def _lock(folder: Folder) -> None:
    """So that no file is added while an agent is told of all files."""
    Folder.objects.select_for_update(no_key=True).get(pk=folder.pk)


def _take_tools_without_folders(actor: Actor, agent: Agent) -> None:
    if FolderAgent.objects.filter(agent=agent).exists():
        return
    ours = Tool.objects.filter(name__in=FILE_TOOLS, tool_type=ToolType.LETTA_FILES_CORE, agents=agent)
    for tool in list(ours):
        detach_tool(actor, agent, tool)


def _note(actor: Actor, verb: str, agent: Agent, change: list[str | None]) -> None:
    activity.note(actor, verb, target_id=agent.pk, target_name=agent.name, changes={"folder": change})
