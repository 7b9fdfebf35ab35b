"""The tools that a server lists, as tools of the library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from mcp_types import Tool as Listed

from access import activity
from access.activity import Actor
from mcp_servers.models import McpServer, McpTool
from tools.models import Tool, ToolType
from tools.remote_names import free_name

MOST_TOOLS = 1000
_LONGEST_DESCRIPTION = 20_000
_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Synced:
    """What a look at the server's list has changed, by the tools' names in the library."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = {"new": self.added, "changed": self.updated, "gone": self.deleted}
        return ", ".join(f"{len(names)} {word}" for word, names in counts.items() if names) or "nothing has changed"


@transaction.atomic
def store_listing(actor: Actor, server: McpServer, listed: Iterable[Listed]) -> Synced:
    """Make the library's tools of this server those that it lists. Switches and limits stay as people set them; a tool
    that is no longer listed is deleted, and with it its attachments."""
    wanted = {tool.name: tool for tool in list(listed)[:MOST_TOOLS]}
    links = {link.remote_name: link for link in server.links.select_related("tool").select_for_update()}
    deleted = [_delete(actor, link) for name, link in links.items() if name not in wanted]
    names = set(Tool.objects.values_list("name", flat=True))
    added, updated = [], []
    for remote_name, tool in wanted.items():
        link = links.get(remote_name)
        if link is None:
            name = free_name(remote_name, server.server_name, names)
            names.add(name)
            _add(actor, server, tool, name)
            added.append(name)
        elif _update(actor, server, link, tool):
            updated.append(link.tool.name)
    server.synced_at, server.last_error = timezone.now(), ""
    server.save(update_fields=["synced_at", "last_error", "updated_at"])
    return Synced(tuple(added), tuple(updated), tuple(deleted))


def delete_tools(actor: Actor, server: McpServer) -> None:
    """All tools of the server are gone."""
    for link in server.links.select_related("tool"):
        _delete(actor, link)


def rename_tags(server: McpServer, old_name: str) -> None:
    """The server is called otherwise now; its tools keep their names and say whose they are."""
    for link in server.links.select_related("tool"):
        tool = link.tool
        kept = [tag for tag in tool.tags if tag != f"mcp:{old_name}"]
        tool.tags = [*kept, f"mcp:{server.server_name}"]
        tool.metadata = {**(tool.metadata or {}), "mcp": _about(server, link.remote_name, link.annotations)}
        tool.save(update_fields=["tags", "metadata", "updated_at"])


def _add(actor: Actor, server: McpServer, listed: Listed, name: str) -> None:
    annotations = _annotations(listed)
    tool = Tool.objects.create(
        name=name,
        tool_type=ToolType.EXTERNAL_MCP,
        source_type="json",
        description=_description(listed),
        json_schema=_schema(listed, name),
        tags=[f"mcp:{server.server_name}"],
        metadata={"mcp": _about(server, listed.name, annotations)},
    )
    McpTool.objects.create(tool=tool, server=server, remote_name=listed.name, annotations=annotations)
    activity.note(actor, "created", target_id=tool.pk, target_name=tool.name)


def _update(actor: Actor, server: McpServer, link: McpTool, listed: Listed) -> bool:
    """Whether the server says something new about the tool; its name in the library stays."""
    tool, annotations = link.tool, _annotations(listed)
    told = {
        "description": _description(listed),
        "json_schema": _schema(listed, tool.name),
        "metadata": {**(tool.metadata or {}), "mcp": _about(server, listed.name, annotations)},
    }
    changes = {field: [getattr(tool, field), value] for field, value in told.items() if getattr(tool, field) != value}
    if not changes:
        return False
    for field, value in told.items():
        setattr(tool, field, value)
    tool.save(update_fields=[*told, "updated_at"])
    McpTool.objects.filter(pk=link.pk).update(annotations=annotations)
    activity.note(actor, "changed", target_id=tool.pk, target_name=tool.name, changes=changes)
    return True


def _delete(actor: Actor, link: McpTool) -> str:
    name = link.tool.name
    activity.note(actor, "deleted", target_id=link.tool.pk, target_name=name)
    link.tool.delete()
    return name


def _description(listed: Listed) -> str:
    title = listed.title or (listed.annotations.title if listed.annotations else None)
    return (listed.description or title or "").replace("\0", "").strip()[:_LONGEST_DESCRIPTION]


def _annotations(listed: Listed) -> dict[str, Any]:
    if listed.annotations is None:
        return {}
    said: dict[str, Any] = listed.annotations.model_dump(by_alias=True, exclude_none=True, mode="json")
    return said


def _about(server: McpServer, remote_name: str, annotations: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "server_id": server.pk,
        "server_name": server.server_name,
        "tool_name": remote_name,
        "annotations": dict(annotations),
    }


def _schema(listed: Listed, name: str) -> dict[str, Any]:
    return {"name": name, "description": _description(listed), "parameters": parameters_of(listed.input_schema)}


def parameters_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's input schema as providers take it: an object at the top with `properties`, nothing else said about its
    form there. Alternatives at the top are laid together. One that is no JSON schema gives way to any arguments."""
    text = json.dumps(schema).replace("\\u0000", "")
    told: dict[str, Any] = {key: value for key, value in json.loads(text).items() if key != "$schema"}
    try:
        Draft202012Validator.check_schema(told)
    except SchemaError:
        return dict(_NOTHING)
    properties, required = dict(told.get("properties", {})), list(told.get("required", []))
    for word in ("allOf", "anyOf", "oneOf"):
        branches = [_resolved(branch, told) for branch in told.pop(word, [])]
        for branch in branches:
            properties = {**branch.get("properties", {}), **properties}
        needs = [set(branch.get("required", [])) for branch in branches]
        shared = (set.union if word == "allOf" else set.intersection)(*needs) if needs else set()
        required += sorted(shared - set(required))
    for word in ("not", "enum", "const", "if", "then", "else"):
        told.pop(word, None)
    fields = {key: value if isinstance(value, dict) else {} for key, value in properties.items()}
    return {**told, "type": "object", "properties": fields, **({"required": required} if required else {})}


def _resolved(branch: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The branch itself, or what it points to in the same document."""
    for _ in range(10):
        if not isinstance(branch, dict):
            return {}
        pointer = branch.get("$ref")
        if not isinstance(pointer, str) or not pointer.startswith("#/"):
            return branch
        found: Any = root
        for key in pointer[2:].split("/"):
            found = found.get(key, {}) if isinstance(found, dict) else {}
        branch = found
    return {}
