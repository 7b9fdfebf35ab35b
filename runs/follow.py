"""Follows a run: its log from a cursor on, then live. Sockets and API streams both read through here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db import Error
from django.utils import timezone

from runs.database import in_database, is_away, persistently
from runs.metrics import note_lag
from runs.models import Run, RunDelta, RunEvent
from runs.nudges import Listener

# A doorbell may be lost; the next look comes after this many seconds all the same.
_TICK = 1.0
_PING_AFTER = 20.0
_PAGE = 200

DATABASE_AWAY = "the database is out of reach: the run waits for it and goes on"
LAYER_AWAY = "Redis is out of reach: news comes once a second"


@dataclass(frozen=True, slots=True)
class News:
    """What is new in a run: events in the order of the log, pieces of the model's answer. `is_over` is the last word.
    `outage` says what is out of reach until the next news, "" if nothing is."""

    events: tuple[RunEvent, ...] = ()
    deltas: tuple[RunDelta, ...] = ()
    is_over: bool = False
    outage: str = ""

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

    `after_delta` None leaves the deltas out. After 20 s of silence an empty `News` comes, for pings; also when the
    database or the channel layer is away, with its `outage`, and when it is back. Raises Run.DoesNotExist.
    """
    cursor = _Cursor(run_id, after, after_delta)
    since = timezone.now()
    listener = Listener(run_id)
    outage = ""
    try:
        while True:
            # Joined before each read, so that nothing can be written between a read and the wait for a nudge.
            await listener.join()
            try:
                news = await in_database(_read, cursor)
            except Error as error:
                if not is_away(error):
                    raise
                outage = DATABASE_AWAY
                yield News(outage=outage)
                news = await persistently(_read, cursor)
            if outage != (outage := LAYER_AWAY if listener.is_deaf else ""):
                yield News(outage=outage)
            if not news.is_empty or news.is_over:
                cursor.advance(news)
                _note_lag(news, since)
                yield news
            if news.is_over:
                return
            if len(news.events) < _PAGE and len(news.deltas) < _PAGE:
                await listener.wait(_TICK)
            if time.monotonic() - cursor.heard_at > _PING_AFTER:
                cursor.heard_at = time.monotonic()
                yield News()
    finally:
        await listener.leave()


def _note_lag(news: News, since: datetime) -> None:
    """Of what came while we followed; what was there before is no lag."""
    now = timezone.now()
    for event in news.events:
        if event.at >= since:
            note_lag(event.at, now)


def _read(cursor: _Cursor) -> News:
    run = Run.objects.only("status", "last_seq").get(pk=cursor.run_id)
    events = read_log(cursor.run_id, after=cursor.seq, limit=_PAGE)
    deltas: tuple[RunDelta, ...] = ()
    if cursor.delta is not None:
        deltas = tuple(RunDelta.objects.filter(run_id=cursor.run_id, delta_seq__gt=cursor.delta)[:_PAGE])
    # The row was read first: what an ended run has in its log was there by then. It may have been pruned since.
    is_over = run.is_ended and len(events) < _PAGE and len(deltas) < _PAGE
    return News(tuple(events), deltas, is_over)


def read_log(run_id: str, after: int = 0, limit: int | None = None) -> list[RunEvent]:
    """The log behind `after`, in order."""
    return list(RunEvent.objects.filter(run_id=run_id, seq__gt=after).order_by("seq")[:limit])
