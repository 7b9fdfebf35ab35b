"""Finding what an agent's files say: files by name, lines by pattern, pieces by words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from django.db.models import QuerySet

from access.database import in_database
from folders.desk import note_use
from folders.full_text import PIECES
from folders.grep import Grep, Match, compiled, matching_names
from folders.models import File, Piece, ReadingState
from folders.problems import FolderProblem

_MOST_RESULTS = 100
_AT_ONCE = 20
_SEARCH_SECONDS = 10.0


def files_of(agent_id: str) -> QuerySet[File]:
    """The files of the agent's folders."""
    return File.objects.filter(views__agent_id=agent_id).select_related("folder")


def files_called(agent_id: str, names: Sequence[str]) -> list[File]:
    """The files of these names, each "folder/file" or, where only one folder has it, "file". Raises FolderProblem."""
    found = list(
        files_of(agent_id).filter(file_name__in={name.partition("/")[2] or name for name in names} | set(names))
    )
    return [_only(name, found) for name in names]


async def grep(agent_id: str, pattern: str, include: str | None, context: int) -> list[Match]:
    """The lines that match, file by file in the order of their paths; those of files whose path matches `include`.

    Raises BadPattern, also where it takes too long. Patterns are tried apart from the loop and from the database's
    threads, which others wait for.
    """
    search = Grep(compiled(pattern), context, time.monotonic() + _SEARCH_SECONDS)
    paths = await in_database(_paths, agent_id)
    if include:
        paths = await asyncio.to_thread(_included, paths, include, search.deadline)
    keys = list(paths)
    for start in range(0, len(keys), _AT_ONCE):
        texts = await in_database(_texts, keys[start : start + _AT_ONCE])
        await asyncio.to_thread(search.search_all, [(paths[key], text) for key, text in texts])
        if search.is_full:
            break
    hit = {match.path for match in search.matches}
    await in_database(note_use, agent_id, [key for key, path in paths.items() if path in hit])
    return search.matches


def find_pieces(agent_id: str, query: str, limit: int) -> list[Piece]:
    """The pieces that have words of the query, the best first."""
    mine = Piece.objects.filter(file__views__agent_id=agent_id)
    best = PIECES.matching(mine, query, max(1, min(limit, _MOST_RESULTS)))
    found = Piece.objects.select_related("file__folder").defer("file__content").in_bulk(best)
    note_use(agent_id, {piece.file_id for piece in found.values()})
    return [found[key] for key in best if key in found]


def _paths(agent_id: str) -> dict[str, str]:
    """The paths of the agent's files that have a text, by id, in their order."""
    ready = files_of(agent_id).filter(processing_status=ReadingState.COMPLETED).defer("content")
    return {file.pk: file.path for file in ready.order_by("folder__name", "file_name")}


def _included(paths: Mapping[str, str], include: str, deadline: float) -> dict[str, str]:
    wanted = set(matching_names(compiled(include), paths.values(), deadline))
    return {key: path for key, path in paths.items() if path in wanted}


def _texts(keys: Sequence[str]) -> list[tuple[str, str]]:
    """The files' ids and texts, in the order of the ids."""
    texts = dict(File.objects.filter(pk__in=keys).values_list("pk", "content"))
    return [(key, texts[key]) for key in keys if key in texts]


def _only(name: str, found: Sequence[File]) -> File:
    exact = [file for file in found if file.path == name]
    fitting = exact or [file for file in found if file.file_name == name]
    if len(fitting) > 1:
        paths = ", ".join(sorted(file.path for file in fitting))
        raise FolderProblem(f"There are several files called {name}: say which of {paths}.")
    if not fitting:
        raise FolderProblem(f"There is no file called {name}. The system prompt lists the files by their full names.")
    return fitting[0]
