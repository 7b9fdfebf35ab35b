"""The files that an agent has open: which, what is seen of each, and which is closed when there are too many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import transaction
from django.utils import timezone

from access import activity
from access.activity import Actor
from agents.models import Agent
from folders.models import File, FileAgent, ReadingState
from folders.problems import FolderProblem, NotReady

DEFAULT_FILES_OPEN = 5
DEFAULT_VIEW_CHARS = 15_000
_MOST_FILES_OPEN = 100


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The lines of a file that are wanted: from `first`, counted from 1, to `last`, which is shown too."""

    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to open, and what of it."""

    file: File
    excerpt: Excerpt = Excerpt()


def most_files_open(agent: Agent) -> int:
    """How many files the agent may have open: its `max_files_open`, or else ours."""
    return _positive(agent, "max_files_open", DEFAULT_FILES_OPEN, _MOST_FILES_OPEN)


def view_chars(agent: Agent) -> int:
    """How many characters of a file the agent sees: its `per_file_view_window_char_limit`, or else ours."""
    return _positive(agent, "per_file_view_window_char_limit", DEFAULT_VIEW_CHARS, 10_000_000)


def open_files(agent: Agent, wanted: Sequence[Wanted]) -> list[str]:
    """The files are open; the paths of those that had to be closed for it: the ones used longest ago.

    Raises FolderProblem where they are more than the agent may have open, NotReady where one has no text.
    """
    most, limit = most_files_open(agent), view_chars(agent)
    if len(wanted) > most:
        raise FolderProblem(f"At most {most} files can be open at once; {len(wanted)} were asked for.")
    with transaction.atomic():
        _lock(agent)
        for one in wanted:
            shown = _shown(one, limit)
            FileAgent.objects.update_or_create(
                agent=agent, file=one.file, defaults={**shown, "is_open": True, "last_accessed_at": timezone.now()}
            )
        kept = {one.file.pk for one in wanted}
        others = FileAgent.objects.filter(agent=agent, is_open=True).exclude(file_id__in=kept)
        surplus = list(islice(others.order_by("-last_accessed_at", "-pk"), most - len(kept), None))
        return _close(surplus)


def close_file(agent: Agent, file: File) -> list[str]:
    """The file is closed; its path, if it was open."""
    with transaction.atomic():
        _lock(agent)
        return _close(FileAgent.objects.filter(agent=agent, file=file, is_open=True))


def close_all(agent: Agent, keep: Iterable[File] = ()) -> list[str]:
    """No file is open any more but those to keep; the paths of those that were closed."""
    with transaction.atomic():
        _lock(agent)
        kept = [file.pk for file in keep]
        return _close(FileAgent.objects.filter(agent=agent, is_open=True).exclude(file_id__in=kept))


def note_desk(actor: Actor, agent: Agent, *, opened: Sequence[str] = (), closed: Sequence[str] = ()) -> None:
    """Write down what a person opened and closed; what agents do by themselves stands in their runs."""
    for verb, paths in (("opened files", opened), ("closed files", closed)):
        if paths:
            activity.note(actor, verb, target_id=agent.pk, target_name=agent.name, changes={"files": [None, [*paths]]})


def note_use(agent_id: str, file_ids: Iterable[str]) -> None:
    """The agent has found something in these files: they are closed last."""
    FileAgent.objects.filter(agent_id=agent_id, file_id__in=list(file_ids)).update(last_accessed_at=timezone.now())


def view_of(text: str, excerpt: Excerpt, limit: int) -> str:
    """What an agent sees: a line that says which lines of how many, then the lines with their numbers, cut at `limit`
    characters."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    first = max(1, excerpt.first or 1)
    last = min(len(lines), excerpt.last or len(lines))
    body = "\n".join(f"{number}: {lines[number - 1]}" for number in range(first, last + 1))
    head = f"[Lines {first} to {last} of {len(lines)}]" if body else f"[No such lines; there are {len(lines)}]"
    view = f"{head}\n{body}".rstrip("\n")
    if len(view) <= limit:
        return view
    note = f"\n[Cut at {limit:,} characters. Open another part with offset and length, or search with grep_files.]"
    return view[:limit] + note


def _shown(wanted: Wanted, limit: int) -> dict[str, object]:
    file, excerpt = wanted.file, wanted.excerpt
    if file.processing_status == ReadingState.ERROR:
        raise NotReady(f"{file.path} could not be read when it was uploaded: {file.error_message}")
    if not file.is_ready:
        raise NotReady(f"{file.path} is still being read. Try again in a moment.")
    return {
        "visible_content": view_of(file.content, excerpt, limit),
        "start_line": excerpt.first,
        "end_line": excerpt.last,
    }


def _close(views: Iterable[FileAgent]) -> list[str]:
    keys = [view.pk for view in views]
    closed = FileAgent.objects.filter(pk__in=keys).select_related("file__folder").defer("file__content")
    paths = [view.file.path for view in closed.order_by("last_accessed_at", "pk")]
    FileAgent.objects.filter(pk__in=keys).update(is_open=False, visible_content="", start_line=None, end_line=None)
    return paths


def _lock(agent: Agent) -> None:
    """So that two openings at once do not leave more open than may be."""
    Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)


def _positive(agent: Agent, name: str, default: int, most: int) -> int:
    value = agent.extras.get(name)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return min(value, most) if is_number and value > 0 else default
