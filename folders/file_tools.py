"""The tools with which an agent reads its files: open_files, grep_files, semantic_search_files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from access.database import in_database
from agents.models import Agent
from engine.ports import OnOutput
from folders.desk import Excerpt, Wanted, close_all, open_files
from folders.file_search import files_called, find_pieces, grep
from folders.grep import MOST_MATCHES, BadPattern, Match
from folders.models import Piece
from folders.problems import FolderProblem
from tools.built_in import BuiltIn, ToolFault
from tools.models import ToolType
from tools.toolbox import Equipment

_PAGE = 20
_MOST_CONTEXT = 50


async def perform_open(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    """open_files: what is open and closed now, in words."""
    requests = arguments.get("file_requests") or []
    if not requests:
        raise ToolFault("file_requests is empty. Name at least one file.")
    alone = bool(arguments.get("close_all_others"))
    try:
        return await in_database(_open, _agent_of(equipment), requests, alone)
    except FolderProblem as problem:
        raise ToolFault(str(problem)) from problem


async def perform_grep(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    """grep_files: one page of matches with their context."""
    context = _whole(arguments, "context_lines", 1, most=_MOST_CONTEXT)
    skipped = _whole(arguments, "offset", 0, most=MOST_MATCHES)
    pattern, include = str(arguments.get("pattern", "")), arguments.get("include")
    try:
        matches = await grep(_agent_of(equipment), pattern, include, context)
    except BadPattern as problem:
        raise ToolFault(str(problem)) from problem
    return _say_matches(pattern, matches, skipped)


async def perform_search(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    """semantic_search_files: the best pieces, each with where it stands."""
    query = str(arguments.get("query", "")).strip()
    if not query:
        raise ToolFault("The query is empty. Say what to look for.")
    pieces = await in_database(find_pieces, _agent_of(equipment), query, _whole(arguments, "limit", 5, most=100))
    if not pieces:
        return f"Nothing about {query!r} was found in the files. Other words may find it, or grep_files."
    return "\n\n".join([f"{len(pieces)} passages, the best first:", *(_say_piece(piece) for piece in pieces)])


def _agent_of(equipment: Equipment) -> str:
    if equipment.caller is None:
        raise ToolFault("Files belong to agents: this tool works only when an agent calls it.")
    return equipment.caller.agent_id


def _open(agent_id: str, requests: Sequence[Mapping[str, Any]], alone: bool) -> str:
    agent = Agent.objects.get(pk=agent_id)
    files = files_called(agent_id, [str(request.get("file_name", "")) for request in requests])
    wanted = [Wanted(file, _excerpt(request)) for file, request in zip(files, requests, strict=True)]
    evicted = open_files(agent, wanted)
    closed = close_all(agent, keep=files) if alone else []
    lines = [f"Opened {one.file.path}{_say_excerpt(one.excerpt)}." for one in wanted]
    if evicted:
        lines.append(f"Closed because too many were open, the one used longest ago first: {', '.join(evicted)}.")
    if closed:
        lines.append(f"Closed as asked: {', '.join(closed)}.")
    return "\n".join([*lines, "What they say stands in the system prompt now."])


def _excerpt(request: Mapping[str, Any]) -> Excerpt:
    """`offset` counts from 0, our lines from 1."""
    offset, length = request.get("offset"), request.get("length")
    if offset is None and length is None:
        return Excerpt()
    first = _whole(request, "offset", 0, most=100_000_000) + 1
    if length is None:
        return Excerpt(first)
    count = _whole(request, "length", 1, most=100_000_000)
    if count == 0:
        raise FolderProblem("length is 0: ask for at least one line.")
    return Excerpt(first, first + count - 1)


def _say_excerpt(excerpt: Excerpt) -> str:
    if excerpt.first is None:
        return ""
    return f" from line {excerpt.first}" + (f" to {excerpt.last}" if excerpt.last else "")


def _say_matches(pattern: str, matches: Sequence[Match], skipped: int) -> str:
    if not matches:
        return f"No line matches {pattern!r}."
    page = matches[skipped : skipped + _PAGE]
    counts = [(path, len(list(group))) for path, group in groupby(matches, key=lambda match: match.path)]
    total = f"{len(matches)}{' or more' if len(matches) >= MOST_MATCHES else ''}"
    lines = [f"{total} matches in {len(counts)} files: " + ", ".join(f"{path} ({n})" for path, n in counts[:50]) + "."]
    if not page:
        return f"{lines[0]}\nThere are no matches from offset {skipped} on."
    lines.append(f"Matches {skipped + 1} to {skipped + len(page)}:")
    for path, group in groupby(page, key=lambda match: match.path):
        lines.append(f"\n== {path} ==")
        lines += [_say_match(match) for match in group]
    if skipped + _PAGE < len(matches):
        lines.append(f"\nFor more, call grep_files again with offset={skipped + _PAGE}.")
    return "\n".join(lines)


def _say_match(match: Match) -> str:
    shown = (f"{'>' if number == match.number else ' '} {number}: {text}" for number, text in match.lines)
    return "\n".join(shown) + ("\n  ..." if len(match.lines) > 1 else "")


def _say_piece(piece: Piece) -> str:
    return f"== {piece.file.path}, lines {piece.first_line} to {piece.last_line} ==\n{piece.text}"


def _whole(given: Mapping[str, Any], name: str, default: int, *, most: int) -> int:
    """A whole number that is not negative, at most `most`; `default` where it is left out."""
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ToolFault(f"{name} must be a whole number of at least 0, not {value!r}.")
    return min(value, most)


_OPEN = BuiltIn(
    name="open_files",
    tool_type=ToolType.LETTA_FILES_CORE,
    description=(
        "Open files, or parts of them, so that what they say stands in the system prompt. Only a few can be open at "
        "once: where there are too many, the ones used longest ago are closed and the answer names them. Open what you "
        "need to quote or to read closely; for finding things use grep_files and semantic_search_files."
    ),
    parameters={
        "type": "object",
        "properties": {
            "file_requests": {
                "type": "array",
                "description": "The files to open, each with the lines that are wanted.",
                "items": {
                    "type": "object",
                    "properties": {
                        "file_name": {
                            "type": "string",
                            "description": "The file's name with its folder, as the system prompt lists it.",
                        },
                        "offset": {
                            "type": "integer",
                            "description": "Lines to leave out at the start (0: none). Left out, from the first line.",
                        },
                        "length": {
                            "type": "integer",
                            "description": "How many lines to show. Left out, all that follow.",
                        },
                    },
                    "required": ["file_name"],
                },
            },
            "close_all_others": {
                "type": "boolean",
                "description": "Whether to close every other file. Left out, they stay open.",
            },
        },
        "required": ["file_requests"],
    },
    perform=perform_open,
    tags=("letta_files_core",),
)
_GREP = BuiltIn(
    name="grep_files",
    tool_type=ToolType.LETTA_FILES_CORE,
    description=(
        "Search the files line by line with a word or a regular expression, in any case of letters. Answers with how "
        f"many matches there are in which files, and with {_PAGE} of them and the lines around each; call it again with "
        "a higher offset for the next ones."
    ),
    parameters={
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "description": "The word or regular expression to look for."},
            "include": {
                "type": "string",
                "description": "A regular expression that the file's name has to match. Left out, all files.",
            },
            "context_lines": {
                "type": "integer",
                "description": "How many lines to show before and after each match. Left out, 1.",
            },
            "offset": {"type": "integer", "description": "How many matches to skip. Left out, 0."},
        },
        "required": ["pattern"],
    },
    perform=perform_grep,
    is_parallel=True,
    tags=("letta_files_core",),
)
_SEARCH = BuiltIn(
    name="semantic_search_files",
    tool_type=ToolType.LETTA_FILES_CORE,
    description=(
        "Find the passages of the files that fit a question best. Describe what you look for in several words that such "
        "a passage would hold; for exact spellings use grep_files."
    ),
    parameters={
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for."},
            "limit": {"type": "integer", "description": "How many passages at most. Left out, 5."},
        },
        "required": ["query"],
    },
    perform=perform_search,
    is_parallel=True,
    tags=("letta_files_core",),
)
BUILT_IN = (_OPEN, _GREP, _SEARCH)
