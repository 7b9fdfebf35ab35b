"""Caps and lock groups across all workers on one database (rule 3.3). Each worker's own cap stays its own affair."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from engine.line import Line, Waiter
from engine.permits import Holdings, judge
from engine.ports import Need
from engine.specs import ToolSpec
from runs.database import persistently
from runs.models import HeldPermit, WorkerLease

log = logging.getLogger(__name__)

CHANNEL = "tandem_permits"
# Workers are told at once when a permit is given back; this is for what they were not told.
_POLL_SECONDS = 0.2
_LOCK_KEY = 0x7A2D_DE3


class DatabasePermits:
    """Permits of one worker among several. A call takes all it needs in one transaction or waits holding nothing."""

    def __init__(self, worker: str, max_calls: int) -> None:
        self._worker = worker
        self._max_calls = max_calls
        self._running = 0
        self._line = Line()
        self._given_back: list[str] = []
        self._news = asyncio.Event()
        self._care: asyncio.Task[None] | None = None
        self._is_judging = False

    async def acquire(self, need: Need, on_wait: Callable[[str], Awaitable[None]]) -> None:
        """Take a place of this worker, and among all workers one of the tool and its lock group."""
        is_free = self._running < self._max_calls and not self._line and not self._is_judging
        if is_free and not _is_shared(need.tool):
            self._running += 1
            return
        waiter = self._line.join(need)
        self._look()
        try:
            await waiter.wait(on_wait)
        except BaseException:
            self._line.leave(waiter)
            if waiter.is_granted:
                self.release(need)
            raise

    def release(self, need: Need) -> None:
        """Give all of it back: here at once, in the database as soon as it answers."""
        self._running -= 1
        if _is_shared(need.tool):
            self._given_back.append(need.call_id)
        if self._given_back or self._line:
            self._look()

    def _look(self) -> None:
        self._news.set()
        if self._care is None or self._care.done():
            self._care = asyncio.get_running_loop().create_task(self._take_care())

    async def _take_care(self) -> None:
        """Give back and admit for as long as somebody waits."""
        async with _listening(self._news) as bell:
            while self._line or self._given_back:
                self._news.clear()
                if self._given_back:
                    await self._give_back()
                    if bell.is_hung:
                        # The notice of it comes to all workers alike: whoever gives back has no better chance than others.
                        await self._wait()
                        continue
                await self._admit(list(self._line))
                if self._line:
                    bell.hang()
                    await self._wait()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self._news.wait()

    async def _give_back(self) -> None:
        calls, self._given_back = self._given_back, []
        await persistently(give_back, self._worker, calls)

    async def _admit(self, waiters: Sequence[Waiter]) -> None:
        self._is_judging = True
        try:
            reasons = await self._judge([one.need for one in waiters])
        finally:
            self._is_judging = False
        for waiter, reason in zip(waiters, reasons, strict=True):
            if reason is not None:
                waiter.refuse(reason)
                continue
            self._running += 1
            if waiter in self._line:
                self._line.admit(waiter)
            else:  # cancelled meanwhile
                self.release(waiter.need)

    async def _judge(self, needs: Sequence[Need]) -> list[str | None]:
        mine = Holdings(self._max_calls, self._running)
        if any(_is_shared(need.tool) for need in needs):
            return await persistently(take, self._worker, needs, mine)
        return judge([need.tool for need in needs], mine)


def take(worker: str, needs: Sequence[Need], mine: Holdings) -> list[str | None]:
    """For each of these calls, in turn: None where it has taken all it needs, else why it has to wait.

    `mine` counts the running calls of this worker. What a call held before this question is no longer held: it can
    only be from an attempt whose worker died, or from this very question asked twice.
    """
    with transaction.atomic():
        _lock_permits()
        HeldPermit.objects.filter(call_id__in=[need.call_id for need in needs]).delete()
        _held_by_the_dead().delete()
        holdings = _with_shared(mine)
        verdicts = judge([need.tool for need in needs], holdings)
        HeldPermit.objects.bulk_create(
            HeldPermit(
                call_id=need.call_id,
                worker=worker,
                tool_id=need.tool.id,
                tool_name=need.tool.name,
                lock_group=need.tool.lock_group,
            )
            for need, reason in zip(needs, verdicts, strict=True)
            if reason is None and _is_shared(need.tool)
        )
    return verdicts


def give_back(worker: str, call_ids: Sequence[str]) -> None:
    """These calls of this worker hold nothing any more; every worker is told."""
    with transaction.atomic():
        HeldPermit.objects.filter(call_id__in=call_ids, worker=worker).delete()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def _is_shared(tool: ToolSpec) -> bool:
    return tool.max_concurrency is not None or bool(tool.lock_group)


def _lock_permits() -> None:
    """One worker at a time: what is counted must not change before it is taken. SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_KEY])


def _held_by_the_dead() -> QuerySet[HeldPermit]:
    """A worker whose lease is gone has been declared dead (see runs.leases)."""
    return HeldPermit.objects.filter(~Exists(WorkerLease.objects.filter(name=OuterRef("worker"))))


def _with_shared(mine: Holdings) -> Holdings:
    holdings = Holdings(mine.max_calls, mine.running)
    for held in HeldPermit.objects.all():
        holdings.by_tool[held.tool_id] += 1
        if held.lock_group:
            holdings.locked[held.lock_group] = held.tool_name
    return holdings


@dataclass(slots=True)
class _Bell:
    """The notices of other workers, heard from the first call of `hang` on."""

    news: asyncio.Event
    is_hung: bool = False
    task: asyncio.Task[None] | None = None

    def hang(self) -> None:
        if self.task is None and connection.vendor == "postgresql":
            self.task = asyncio.get_running_loop().create_task(self._hear())

    async def _hear(self) -> None:
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                log.info("the notices of other workers are out of reach: %s", error)
            self.is_hung = False
            await asyncio.sleep(1)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(**_connection_parameters(), autocommit=True) as listener:
            await listener.execute(f"LISTEN {CHANNEL}")
            self.is_hung = True
            self.news.set()
            async for _ in listener.notifies():
                self.news.set()


@contextlib.asynccontextmanager
async def _listening(news: asyncio.Event) -> AsyncIterator[_Bell]:
    bell = _Bell(news)
    try:
        yield bell
    finally:
        if bell.task is not None:
            bell.task.cancel()
            await asyncio.gather(bell.task, return_exceptions=True)


def _connection_parameters() -> dict[str, Any]:
    parameters = connection.get_connection_params()
    # Made for Django's synchronous cursors.
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    return parameters
