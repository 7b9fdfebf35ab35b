"""Writes the logs of all runs of this process: many small entries in one transaction, in order, then the doorbells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import groupby

from django.db import Error, transaction

from engine.events import Event, dump
from engine.specs import RunStatus, ToolResult
from runs.database import persistently
from runs.models import Run, RunDelta, RunEvent
from runs.nudges import Ringer
from runs.observing import tell_stored
from runs.projection import project

log = logging.getLogger(__name__)

_GROUP_LIMIT = 200
_HEEDS_WITHIN = 1.0


class LostRun(Exception):
    """Another worker has taken this run, or it has ended: nothing more may be written to it from here."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event with its place in the log."""

    seq: int
    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class DeltaRow:
    """One coalesced piece of a model's answer."""

    delta_seq: int
    after_seq: int
    step_id: str
    kind: str
    text: str
    call: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What one run has to say at one moment; written whole or not at all, under the run's epoch."""

    run_id: str
    epoch: int
    events: tuple[EventRow, ...] = ()
    deltas: tuple[DeltaRow, ...] = ()
    results: tuple[ToolResult, ...] = ()


@dataclass(slots=True)
class _Pending:
    entry: Entry
    written: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Journal:
    """One writer task per process. Start it with `serve()`; `write` returns when the entry is stored.

    While the database is away entries wait, in their order.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[_Pending] = asyncio.Queue()
        self._ringer = Ringer()

    async def write(self, entry: Entry) -> None:
        """Store an entry. Raises LostRun. An entry that was handed in is written even when the caller is cancelled."""
        pending = _Pending(entry)
        self._queue.put_nowait(pending)
        await pending.written

    async def serve(self) -> None:
        """Write until cancelled; what was handed in before is written first."""
        ringing = asyncio.create_task(self._ringer.serve())
        try:
            while True:
                group = [await self._queue.get()]
                await self._commit(group + self._drain(_GROUP_LIMIT - 1))
        finally:
            rest = self._drain(self._queue.qsize())
            if rest:
                await self._commit(rest)
            await stop(ringing)

    def _drain(self, limit: int) -> list[_Pending]:
        taken: list[_Pending] = []
        while len(taken) < limit and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken

    async def _commit(self, group: list[_Pending]) -> None:
        entries = [pending.entry for pending in group]
        try:
            lost = await persistently(commit, entries)
        except Error as error:
            await self._commit_apart(group, error)
            return
        _tell(entry for entry in entries if entry.run_id not in lost)
        for pending in group:
            _settle(pending, LostRun(pending.entry.run_id) if pending.entry.run_id in lost else None)
        self._ringer.ring({entry.run_id for entry in entries} - lost)

    async def _commit_apart(self, group: list[_Pending], error: Error) -> None:
        """One bad entry must not fail the others."""
        if len(group) == 1:
            _settle(group[0], error)
            return
        for pending in group:
            await self._commit([pending])


def _tell(stored: Iterable[Entry]) -> None:
    for entry in stored:
        for row in entry.events:
            tell_stored(entry.run_id, row.at, row.event)


def _settle(pending: _Pending, error: Exception | None) -> None:
    if pending.written.done():  # its caller was cancelled
        return
    if error is None:
        pending.written.set_result(None)
    else:
        pending.written.set_exception(error)


def commit(entries: Sequence[Entry]) -> set[str]:
    """Store entries in one transaction; the ids of runs that this worker has lost, of which nothing is stored.

    May be asked twice: the connection can break after the commit, before its answer.
    """
    lost: set[str] = set()
    with transaction.atomic():
        stored: list[Entry] = []
        # Each run's entries stay in order; runs do not depend on each other.
        for (run_id, epoch), group in groupby(sorted(entries, key=_run_of), key=_run_of):
            mine = list(group)
            match _advance(run_id, epoch, mine):
                case _Turn.OURS:
                    stored += mine
                case _Turn.LOST:
                    lost.add(run_id)
        _store_rows(stored)
    return lost


class _Turn(Enum):
    """Whether entries may be stored: yes, no more, or they have been."""

    OURS = 1
    LOST = 2
    DONE = 3


def _run_of(entry: Entry) -> tuple[str, int]:
    return entry.run_id, entry.epoch


def _advance(run_id: str, epoch: int, entries: list[Entry]) -> _Turn:
    """Move the run's cursors past these entries and draw its other rows from them, if the run is still ours."""
    events = [row for entry in entries for row in entry.events]
    deltas = [row for entry in entries for row in entry.deltas]
    cursors = {}
    if events:
        cursors["last_seq"] = events[-1].seq
    if deltas:
        cursors["last_delta_seq"] = deltas[-1].delta_seq
    owned = Run.objects.filter(pk=run_id, epoch=epoch)
    fresh = {f"{name}__lt": value for name, value in cursors.items()}
    if not owned.filter(status=RunStatus.RUNNING, **fresh).update(**(cursors or {"epoch": epoch})):
        # Nobody else writes in this epoch: where the cursors have been reached, it was these very entries.
        reached = {f"{name}__gte": value for name, value in cursors.items()}
        return _Turn.DONE if cursors and owned.filter(**reached).exists() else _Turn.LOST
    results = {result.call_id: result for entry in entries for result in entry.results}
    project(run_id, [(row.at, row.event) for row in events], results)
    return _Turn.OURS


def _store_rows(entries: list[Entry]) -> None:
    """The rows of all runs in one statement each."""
    RunEvent.objects.bulk_create(
        [
            RunEvent(run_id=entry.run_id, seq=row.seq, type=row.event.type, at=row.at, data=dump(row.event))
            for entry in entries
            for row in entry.events
        ]
    )
    RunDelta.objects.bulk_create(
        [
            RunDelta(
                run_id=entry.run_id,
                delta_seq=row.delta_seq,
                after_seq=row.after_seq,
                step_id=row.step_id,
                kind=row.kind,
                text=row.text,
                call=row.call,
            )
            for entry in entries
            for row in entry.deltas
        ]
    )


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for it. Again until it heeds: a client library may take the first cancel for its own."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_HEEDS_WITHIN)
