"""The tools with which an agent uses its archival memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from access.database import in_database
from agents.models import Agent
from archives.memory import Memory, archive_for, check, passages_of, store
from archives.moments import read_moment, say_moment, zone_of
from archives.problems import ArchiveProblem
from archives.search import DEFAULT_TOP_K, Found, TagMatch, Wanted, embed_question, models_of, search
from archives.vectors import vectors_of
from engine.ports import OnOutput
from tools.built_in import BuiltIn, ToolFault, register
from tools.models import ToolType
from tools.toolbox import Equipment

NAMES = ("archival_memory_insert", "archival_memory_search")
NOTHING_FOUND = "No results found."
_INSERT = """Add information to archival memory, where it stays for all later conversations until you search for it.

Write facts or summaries that can be understood alone (who, what, when), one subject each, and give them tags by which
you will look for them again. Good for meeting notes, project news, summaries of conversations, events and reports."""
_SEARCH = """Search archival memory for what you or others have stored, by meaning and by words.

Ask in natural language or name the words; narrow it down with tags and with the time when it was stored. Results come
best match first, each with its time, content, tags and how it was found."""
_TIMES = "ISO 8601, as 2025-09-29 or 2025-09-29T14:30:00; your own time zone unless it names one."
_INSERT_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "content": {"type": "string", "description": "What to remember, understandable alone."},
        "tags": {
            "type": "array",
            "items": {"type": "string"},
            "description": 'Categories to find it by, as ["meetings", "project-updates"].',
        },
    },
    "required": ["content"],
}
_SEARCH_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "description": "What to look for, in natural language or key words."},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "Only memories with these tags."},
        "tag_match_mode": {
            "type": "string",
            "enum": ["any", "all"],
            "description": 'Whether one of the tags is enough ("any", the default) or all are needed ("all").',
        },
        "top_k": {"type": "integer", "description": f"How many results at most; {DEFAULT_TOP_K} by default."},
        "start_datetime": {"type": "string", "description": f"Only memories stored at or after this time. {_TIMES}"},
        "end_datetime": {
            "type": "string",
            "description": f"Only memories stored at or before this time; a date alone includes its whole day. {_TIMES}",
        },
    },
    "required": ["query"],
}


async def archival_memory_insert(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    """Remember `content`. The embedding model is asked outside the database's threads."""
    agent_id = _agent_id(equipment)
    memories = [Memory(str(arguments["content"]), [str(tag) for tag in arguments.get("tags") or ()])]
    try:
        check(memories)
        archive = await in_database(archive_for, agent_id)
    except (ArchiveProblem, Agent.DoesNotExist) as problem:
        raise ToolFault(str(problem)) from problem
    vectors = await asyncio.to_thread(vectors_of, archive.embedding, [memory.text for memory in memories])
    [passage] = await in_database(store, archive, memories, vectors)
    return f"Added to archival memory as {passage.pk}."


async def archival_memory_search(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    """Look for `query`: a JSON list of what was found."""
    agent_id = _agent_id(equipment)
    zone = zone_of(await in_database(_zone_name, agent_id))
    wanted = _wanted(arguments, zone)
    passages = passages_of(agent_id=agent_id)
    handles = await in_database(models_of, passages)
    question = await asyncio.to_thread(embed_question, handles, wanted.query)
    found = await in_database(search, passages, wanted, question)
    if not found:
        return NOTHING_FOUND
    return json.dumps([_told(result, zone) for result in found], ensure_ascii=False)


def _agent_id(equipment: Equipment) -> str:
    if equipment.caller is None or not equipment.caller.agent_id:
        raise ToolFault("this tool works on an agent's memory: run it for an agent.")
    return equipment.caller.agent_id


def _zone_name(agent_id: str) -> str:
    return Agent.objects.filter(pk=agent_id).values_list("timezone", flat=True).first() or ""


def _wanted(arguments: Mapping[str, Any], zone: tzinfo) -> Wanted:
    top_k = arguments.get("top_k")
    try:
        return Wanted(
            query=str(arguments["query"]),
            tags=[str(tag) for tag in arguments.get("tags") or ()],
            tag_match=TagMatch(arguments.get("tag_match_mode") or TagMatch.ANY),
            start=_moment(arguments.get("start_datetime"), zone),
            end=_moment(arguments.get("end_datetime"), zone, ends_day=True),
            top_k=DEFAULT_TOP_K if top_k is None else int(top_k),
        )
    except ValueError as error:
        raise ToolFault(str(error)) from error


def _moment(text: Any, zone: tzinfo, *, ends_day: bool = False) -> datetime | None:
    return read_moment(str(text), zone, ends_day=ends_day) if text else None


def _told(found: Found, zone: tzinfo) -> dict[str, Any]:
    return {
        "timestamp": say_moment(found.passage.created_at, zone),
        "content": found.passage.text,
        "tags": found.passage.tags,
        "relevance": relevance(found),
    }


def relevance(found: Found) -> dict[str, Any]:
    """Why it was found: its fused score, and its place in each ranking that has it."""
    ranks = {"rrf_score": round(found.score, 6), "vector_rank": found.vector_rank, "fts_rank": found.full_text_rank}
    return {name: value for name, value in ranks.items() if value is not None}


def register_all() -> None:
    """Add both to the tools that come with the server."""
    insert, look_up = NAMES
    core = ToolType.LETTA_CORE
    register(BuiltIn(insert, core, _INSERT, _INSERT_PARAMETERS, archival_memory_insert, tags=(core.value,)))
    register(
        BuiltIn(
            look_up, core, _SEARCH, _SEARCH_PARAMETERS, archival_memory_search, is_parallel=True, tags=(core.value,)
        )
    )
