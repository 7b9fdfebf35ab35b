"""Follows a run: its log from a cursor on, then live. Sockets and API streams both read through here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from channels.layers import get_channel_layer

from runs.database import in_database
from runs.journal import group_name
from runs.models import Run, RunDelta, RunEvent

# A doorbell may be lost; the next look comes after this many seconds all the same.
_TICK = 1.0
_PING_AFTER = 20.0
_PAGE = 200


@dataclass(frozen=True, slots=True)
class News:
    """What is new in a run: events in the order of the log, pieces of the model's answer. `is_over` is the last word."""

    events: tuple[RunEvent, ...] = ()
    deltas: tuple[RunDelta, ...] = ()
    is_over: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.events and not self.deltas


@dataclass(slots=True)
class _Cursor:
    """How far a follower has read. `delta` None where no deltas are wanted."""

    run_id: str
    seq: int
    delta: int | None
    heard_at: float = field(default_factory=time.monotonic)

    def advance(self, news: News) -> None:
        if news.events:
            self.seq = news.events[-1].seq
        if news.deltas:
            self.delta = news.deltas[-1].delta_seq
        self.heard_at = time.monotonic()


async def follow(run_id: str, *, after: int = 0, after_delta: int | None = None) -> AsyncIterator[News]:
    """Everything behind the cursors, then what comes, until the run has ended.

    `after_delta` None leaves the deltas out. After 20 s of silence an empty `News` comes, for pings. Raises
    Run.DoesNotExist.
    """
    layer = get_channel_layer()
    channel = await layer.new_channel()
    cursor = _Cursor(run_id, after, after_delta)
    try:
        while True:
            # Joined before each read, so that nothing can be written between a read and the wait for a doorbell; anew
            # each time, because a layer drops members whose queues have overflowed.
            await layer.group_add(group_name(run_id), channel)
            news = await in_database(_read, cursor)
            if not news.is_empty or news.is_over:
                cursor.advance(news)
                yield news
            if news.is_over:
                return
            if len(news.events) < _PAGE and len(news.deltas) < _PAGE:
                await _wait(layer, channel)
            if time.monotonic() - cursor.heard_at > _PING_AFTER:
                cursor.heard_at = time.monotonic()
                yield News()
    finally:
        await layer.group_discard(group_name(run_id), channel)


async def _wait(layer: object, channel: str) -> None:
    try:
        async with asyncio.timeout(_TICK):
            await layer.receive(channel)  # type: ignore[attr-defined]
    except TimeoutError:
        return


def _read(cursor: _Cursor) -> News:
    run = Run.objects.only("status", "last_seq").get(pk=cursor.run_id)
    events = read_log(cursor.run_id, after=cursor.seq, limit=_PAGE)
    deltas: tuple[RunDelta, ...] = ()
    if cursor.delta is not None:
        deltas = tuple(RunDelta.objects.filter(run_id=cursor.run_id, delta_seq__gt=cursor.delta)[:_PAGE])
    last = events[-1].seq if events else cursor.seq
    is_over = run.is_ended and last >= run.last_seq and len(deltas) < _PAGE
    return News(tuple(events), deltas, is_over)


def read_log(run_id: str, after: int = 0, limit: int | None = None) -> list[RunEvent]:
    """The log behind `after`, in order."""
    return list(RunEvent.objects.filter(run_id=run_id, seq__gt=after).order_by("seq")[:limit])
