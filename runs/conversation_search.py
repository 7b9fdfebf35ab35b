"""The built-in tools conversation_search and send_message: what was said before, and speaking by a tool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from access.database import in_database
from agents.memory_tools import agent_of
from agents.models import Agent
from engine.ports import OnOutput
from runs.message_search import Hit, search_messages
from tools.built_in import BuiltIn, ToolFault, register
from tools.models import ToolType
from tools.toolbox import Equipment

ROLES = ("assistant", "user", "tool")
_USUAL_LIMIT = 10
_MOST = 100
_LONGEST_TEXT = 2_000


async def _search(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    return await in_database(search_conversation, agent_of(equipment), arguments, equipment.tool.name)


def search_conversation(agent_id: str, arguments: Mapping[str, Any], own_name: str) -> str:
    """What the agent's messages say about it, as JSON text. Raises ToolFault."""
    agent = Agent.objects.get(pk=agent_id)
    zone = _zone(agent.timezone)
    limit = min(max(int(arguments.get("limit") or _USUAL_LIMIT), 1), _MOST)
    query = str(arguments.get("query") or "")
    hits = search_messages(
        agent_id,
        query,
        roles=arguments.get("roles") or ROLES,
        start=read_moment(arguments.get("start_date"), "start_date", zone, is_end=False),
        end=read_moment(arguments.get("end_date"), "end_date", zone, is_end=True),
        # What this very tool returned before says the words too, and nothing new.
        limit=limit * 3,
    )
    found = [hit for hit in hits if not _is_own_return(hit, own_name)][:limit]
    if not found:
        return "No results found."
    results = [_result(hit, zone) for hit in found]
    return json.dumps({"message": f"Showing {len(results)} results.", "results": results}, ensure_ascii=False)


def read_moment(text: Any, name: str, zone: tzinfo, *, is_end: bool) -> datetime | None:
    """An ISO 8601 date or time; a date alone is the whole day in the agent's time zone. Raises ToolFault."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ToolFault(f"{name} {text!r} is no date: write it as 2026-01-31 or 2026-01-31T14:30:00.") from error
    is_day = len(str(text)) == len("2026-01-31")
    if is_day and is_end:
        moment = datetime.combine(moment.date(), time.max)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # anything can be sent as an agent's time zone
        return UTC


def _is_own_return(hit: Hit, own_name: str) -> bool:
    returns = hit.message.returns if hit.message.role == "tool" else []
    return bool(returns) and all(answer.get("name") == own_name for answer in returns)


def _result(hit: Hit, zone: tzinfo) -> dict[str, Any]:
    text = hit.text if len(hit.text) <= _LONGEST_TEXT else f"{hit.text[:_LONGEST_TEXT]}…"
    ago = datetime.now(UTC) - hit.at
    return {
        "timestamp": hit.at.astimezone(zone).isoformat(timespec="seconds"),
        "time_ago": _said_ago(ago.total_seconds()),
        "role": hit.message.role,
        "content": text,
    }


def _said_ago(seconds: float) -> str:
    for name, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{name} ago"
    return "just now"


async def _send(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    return "Sent message successfully."


CONVERSATION_SEARCH = BuiltIn(
    "conversation_search",
    ToolType.LETTA_CORE,
    "Search what was said in your conversations before, also what is no longer in your context. Messages with more of the "
    "query's words come first. Without a query it lists the latest messages of the given time.",
    {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "The words to look for."},
            "roles": {
                "type": "array",
                "items": {"type": "string", "enum": list(ROLES)},
                "description": "Only messages of these; all of them without it.",
            },
            "limit": {"type": "integer", "description": f"How many results at most; {_USUAL_LIMIT} without it."},
            "start_date": {
                "type": "string",
                "description": "Only messages from then on: 2026-01-31 or 2026-01-31T14:30:00. The day is included.",
            },
            "end_date": {"type": "string", "description": "Only messages until then, the day included."},
        },
        "required": [],
    },
    _search,
    is_parallel=True,
    tags=("memory",),
)
SEND_MESSAGE = BuiltIn(
    "send_message",
    ToolType.LETTA_CORE,
    "Send a message to the person you talk to.",
    {
        "type": "object",
        "properties": {"message": {"type": "string", "description": "The text of the message."}},
        "required": ["message"],
    },
    _send,
)


def register_all() -> None:
    """Add them to the tools that come with the server."""
    register(CONVERSATION_SEARCH)
    register(SEND_MESSAGE)
