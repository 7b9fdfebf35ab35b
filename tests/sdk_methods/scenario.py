"""The story: which methods are called in which order, with what, and what the answer must hold.

It is data, so that one story serves three clients. In arguments "$name" stands for a value that an earlier step kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ANY = "*"
"""In `expect`: any value but none at all."""

_NAP = '''
import time


def nap(seconds: float = 0.01) -> str:
    """Sleep for a while.

    Args:
        seconds: For how long.
    """
    time.sleep(seconds)
    return "slept"
'''
_HELLO = [{"role": "user", "content": "Hello"}]
_LONG = [{"role": "user", "content": "nap(seconds=30)"}]


@dataclass(frozen=True)
class Step:
    """One call. `expect` maps paths in the answer ("0.id", "length" of a list) to values; `keep` names to paths.

    `takes` "first": of a stream only the first chunk is read. `refused` is the status that the call must end with.
    """

    method: str
    at: tuple[Any, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    takes: str = "all"
    refused: int = 0

    def wire(self) -> dict[str, Any]:
        """As the TypeScript client reads it."""
        return asdict(self)


def file_of(name: str, text: str) -> dict[str, Any]:
    """A file to upload; the clients make what their SDK takes for one."""
    return {"$file": name, "text": text}


_AGENT = {"agent_id": "$agent"}

_START = (
    Step("health", expect={"status": "ok"}),
    Step("models.list", expect={"0.handle": ANY}),
    Step("models.embeddings.list"),
    Step(
        "tools.create",
        params={"source_code": _NAP, "tags": ["rest"], "enable_parallel_execution": True},
        expect={"name": "nap", "enable_parallel_execution": True},
        keep={"tool": "id"},
    ),
    Step("tools.upsert", params={"source_code": _NAP}, expect={"id": "$tool", "enable_parallel_execution": True}),
    Step("tools.retrieve", ("$tool",), expect={"id": "$tool"}),
    Step("tools.update", ("$tool",), {"tags": ["rest", "quiet"]}, {"enable_parallel_execution": True}),
    Step("tools.list", params={"name": "nap"}, expect={"length": 1, "0.id": "$tool"}),
    Step("tools.search", params={"query": "sleep for a while"}, expect={"0.tool.id": "$tool"}),
    Step(
        "blocks.create",
        params={"label": "notes", "value": "Tides rise."},
        expect={"label": "notes", "value": "Tides rise."},
        keep={"block": "id"},
    ),
    Step("blocks.retrieve", ("$block",), expect={"value": "Tides rise."}),
    Step("blocks.update", ("$block",), {"value": "Tides fall."}, {"value": "Tides fall."}),
    Step("blocks.list", params={"label": "notes"}, expect={"0.label": "notes"}),
)
_AGENTS = (
    Step(
        "agents.create",
        params={
            "name": "$name",
            "model": "demo/planner",
            "tool_ids": ["$tool"],
            "tags": ["$name"],
            "memory_blocks": [{"label": "human", "value": "A sailor."}],
            "parallel_tool_calls": True,
        },
        expect={"name": "$name", "llm_config.parallel_tool_calls": True},
        keep={"agent": "id"},
    ),
    Step("agents.retrieve", ("$agent",), expect={"id": "$agent"}),
    Step("agents.update", ("$agent",), {"description": "Rests."}, {"description": "Rests.", "name": "$name"}),
    Step("agents.list", params={"tags": ["$name"]}, expect={"length": 1, "0.id": "$agent"}),
    Step("tags.list", params={"query_text": "$name"}, expect={"0": "$name"}),
    Step("agents.tools.list", ("$agent",), expect={"0.id": ANY}),
    Step("agents.tools.detach", ("$tool",), _AGENT),
    Step("agents.tools.attach", ("$tool",), _AGENT),
    Step("agents.tools.update_approval", ("nap",), {**_AGENT, "body_requires_approval": False}),
    Step("agents.tools.run", ("nap",), {**_AGENT, "args": {"seconds": 0.01}}, {"status": "success"}),
    Step("agents.blocks.list", ("$agent",), expect={"0.label": "human"}),
    Step("agents.blocks.retrieve", ("human",), _AGENT, {"value": "A sailor."}),
    Step("agents.blocks.update", ("human",), {**_AGENT, "value": "A diver."}, {"value": "A diver."}),
    Step("agents.blocks.attach", ("$block",), _AGENT, {"id": "$agent"}),
    Step("blocks.agents.list", ("$block",), expect={"length": 1, "0.id": "$agent"}),
    Step("agents.blocks.detach", ("$block",), _AGENT, {"id": "$agent"}),
    Step("agents.identities.attach", ("$identity",), _AGENT),
    Step("agents.identities.detach", ("$identity",), _AGENT),
    Step("agents.recompile", ("$agent",), {"dry_run": True}, {"": ANY}),
    Step("agents.export_file", ("$agent",), expect={"": ANY}, keep={"agent_file": ""}),
    Step(
        "agents.import_file",
        params={"file": {"$file": "agent.af", "text": "$agent_file"}},
        expect={"agent_ids.length": 1},
        keep={"imported": "agent_ids.0"},
    ),
    Step("agents.delete", ("$imported",)),
)
_MESSAGES = (
    Step(
        "agents.messages.create",
        ("$agent",),
        {"messages": [{"role": "user", "content": "nap(seconds=0.01)"}]},
        {"stop_reason.stop_reason": "end_turn", "messages.0.message_type": ANY},
        {"message": "messages.0.id", "run": "messages.0.run_id", "step": "messages.0.step_id"},
    ),
    Step("agents.messages.stream", ("$agent",), {"messages": _HELLO, "include_pings": False}, {"0.message_type": ANY}),
    Step("agents.messages.create_async", ("$agent",), {"messages": _LONG}, {"id": ANY}, {"long_run": "id"}),
    Step("agents.messages.cancel", ("$agent",), {"run_ids": ["$long_run"]}, {"$long_run": "cancelled"}),
    Step("agents.messages.list", ("$agent",), {"limit": 50}, {"0.message_type": ANY}),
    Step("messages.list", params={"limit": 5}, expect={"0.message_type": ANY}),
    Step("messages.retrieve", ("$message",), expect={"0.id": "$message"}),
    Step("messages.search", params={"query": "slept", "agent_id": "$agent"}, expect={"0": ANY}),
    Step("runs.list", params=_AGENT, expect={"0.agent_id": "$agent"}),
    Step("runs.retrieve", ("$run",), expect={"id": "$run", "status": "completed"}),
    Step("runs.messages.list", ("$run",), expect={"0.run_id": "$run"}),
    Step("runs.messages.stream", ("$run",), {"starting_after": 0}, {"0.message_type": ANY}),
    Step("runs.steps.list", ("$run",), expect={"0.run_id": "$run"}),
    Step("runs.usage.retrieve", ("$run",), expect={"total_tokens": ANY}),
    Step("runs.trace.retrieve", ("$run",), expect={"0": ANY}),
    Step("steps.list", params=_AGENT, expect={"0.id": ANY}),
    Step("steps.retrieve", ("$step",), expect={"id": "$step"}),
    Step("steps.feedback.create", ("$step",), {"feedback": "positive"}, {"feedback": "positive"}),
    Step("steps.messages.list", ("$step",), expect={"0.step_id": "$step"}),
    Step("steps.metrics.retrieve", ("$step",), expect={"id": "$step"}),
    Step("steps.trace.retrieve", ("$step",)),
    Step("agents.messages.compact", ("$agent",), expect={"summary": ANY, "num_messages_before": ANY}),
)
_CONVERSATIONS = (
    Step("conversations.create", params=_AGENT, expect={"agent_id": "$agent"}, keep={"conversation": "id"}),
    Step("conversations.retrieve", ("$conversation",), expect={"id": "$conversation"}),
    Step("conversations.update", ("$conversation",), {"summary": "About rest"}, {"summary": "About rest"}),
    Step("conversations.list", params=_AGENT, expect={"0.id": "$conversation"}),
    Step("conversations.messages.create", ("$conversation",), {"messages": _HELLO}, {"0.message_type": ANY}),
    Step("conversations.messages.list", ("$conversation",), expect={"0.message_type": ANY}),
    Step("conversations.fork", ("$conversation",), expect={"agent_id": "$agent"}, keep={"fork": "id"}),
    Step("conversations.recompile", ("$conversation",), {"dry_run": True}, {"": ANY}),
    Step("conversations.messages.compact", ("$conversation",), expect={"summary": ANY}),
    Step("conversations.messages.create", ("$fork",), {"messages": _LONG, "background": True}, takes="first"),
    Step("conversations.messages.stream", ("$fork",), takes="first"),
    Step("conversations.cancel", ("$fork",)),
    Step("conversations.delete", ("$fork",)),
    Step("agents.messages.reset", ("$agent",)),
)
_MEMORY = (
    Step("archives.create", params={"name": "$name"}, expect={"name": "$name"}, keep={"archive": "id"}),
    Step("archives.retrieve", ("$archive",), expect={"id": "$archive"}),
    Step("archives.update", ("$archive",), {"description": "Facts"}, {"description": "Facts"}),
    Step("archives.list", params={"name": "$name"}, expect={"0.id": "$archive"}),
    Step("agents.archives.attach", ("$archive",), _AGENT),
    Step(
        "archives.passages.create",
        ("$archive",),
        {"text": "Neap tides are weak.", "tags": ["sea"]},
        {"text": "Neap tides are weak."},
        {"passage": "id"},
    ),
    Step(
        "archives.passages.create_many",
        ("$archive",),
        {"passages": [{"text": "Spring tides are strong."}]},
        {"0.text": "Spring tides are strong."},
    ),
    Step("passages.search", params={"query": "neap", "archive_id": "$archive"}, expect={"0.passage.id": "$passage"}),
    Step("agents.passages.search", ("$agent",), {"query": "neap"}, {"count": 1}),
    Step("agents.passages.create", ("$agent",), {"text": "The moon pulls."}, {"0.text": ANY}, {"memory": "0.id"}),
    Step("agents.passages.list", ("$agent",), expect={"0.text": ANY}),
    Step("agents.passages.delete", ("$memory",), _AGENT),
    Step("archives.passages.delete", ("$passage",), {"archive_id": "$archive"}),
    Step("agents.archives.detach", ("$archive",), _AGENT),
    Step("archives.delete", ("$archive",)),
)
_FOLDER = {"folder_id": "$folder"}
_FILES = (
    Step("folders.create", params={"name": "$name"}, expect={"name": "$name"}, keep={"folder": "id"}),
    Step("folders.retrieve", ("$folder",), expect={"id": "$folder"}),
    Step("folders.update", ("$folder",), {"description": "Papers"}, {"description": "Papers"}),
    Step("folders.list", params={"name": "$name"}, expect={"0.id": "$folder"}),
    Step("agents.folders.attach", ("$folder",), _AGENT),
    Step("agents.folders.list", ("$agent",), expect={"0.id": "$folder"}),
    Step("folders.agents.list", ("$folder",), expect={"0": ANY}),
    Step(
        "folders.files.upload",
        ("$folder",),
        {"file": file_of("tides.txt", "Tides rise and fall.")},
        {"file_name": ANY},
        {"file": "id"},
    ),
    Step("folders.files.list", ("$folder",), expect={"0.id": "$file"}),
    Step("folders.files.retrieve", ("$file",), _FOLDER, {"id": "$file"}),
    Step("agents.files.open", ("$file",), _AGENT),
    Step("agents.files.list", ("$agent",), expect={"0.file_id": "$file"}),
    Step("agents.files.close", ("$file",), _AGENT),
    Step("agents.files.close_all", ("$agent",)),
    Step("folders.files.delete", ("$file",), _FOLDER),
    Step("agents.folders.detach", ("$folder",), _AGENT),
    Step("folders.delete", ("$folder",)),
)
_SERVER = {"mcp_server_id": "$server"}
_MCP_CONFIG = {"mcp_server_type": "streamable_http", "server_url": "$mcp_url"}
_MCP = (
    Step(
        "mcp_servers.create",
        params={"server_name": "$name", "config": _MCP_CONFIG},
        expect={"server_name": "$name"},
        keep={"server": "id"},
    ),
    Step("mcp_servers.retrieve", ("$server",), expect={"id": "$server"}),
    Step("mcp_servers.update", ("$server",), {"config": _MCP_CONFIG}, {"server_url": "$mcp_url"}),
    Step("mcp_servers.list", expect={"0.id": ANY}),
    Step("mcp_servers.refresh", ("$server",)),
    Step("mcp_servers.tools.list", ("$server",), expect={"0.name": "add"}, keep={"mcp_tool": "0.id"}),
    Step("mcp_servers.tools.retrieve", ("$mcp_tool",), _SERVER, {"id": "$mcp_tool"}),
    Step("mcp_servers.tools.run", ("$mcp_tool",), {**_SERVER, "args": {"a": 1, "b": 2}}, {"status": "success"}),
    Step("mcp_servers.delete", ("$server",)),
)
_END = (
    Step("conversations.delete", ("$conversation",)),
    Step("agents.delete", ("$agent",)),
    Step("blocks.delete", ("$block",)),
    Step("tools.delete", ("$tool",)),
)


def _cloud_only(method: str, *at: str, **params: Any) -> Step:
    return Step(method, at, params, refused=501)


_CLOUD = (
    _cloud_only("templates.create", type="agent", agent_id="agent-1"),
    _cloud_only("templates.update", "one", agent_file_json={}),
    _cloud_only("templates.delete", "one"),
    _cloud_only("templates.rollback", "one", version="1"),
    _cloud_only("templates.save", "one"),
    _cloud_only("templates.agents.create", "one:1"),
    _cloud_only("agents.schedule.create", "agent-1", messages=_HELLO, schedule={"type": "one-time", "scheduled_at": 1}),
    _cloud_only("agents.schedule.retrieve", "one", agent_id="agent-1"),
    _cloud_only("agents.schedule.list", "agent-1"),
    _cloud_only("agents.schedule.delete", "one", agent_id="agent-1"),
    _cloud_only("environments.list"),
    _cloud_only("environments.retrieve", "one"),
    _cloud_only("environments.send_message", "one", messages=_HELLO),
    _cloud_only("access_tokens.create", hostname="example.org", policy=[]),
    _cloud_only("access_tokens.list"),
    _cloud_only("access_tokens.delete", "one"),
)

SCENARIO: tuple[Step, ...] = (
    *_START,
    *_AGENTS,
    *_MESSAGES,
    *_CONVERSATIONS,
    *_MEMORY,
    *_FILES,
    *_MCP,
    *_END,
    *_CLOUD,
)
