"""Caps and lock groups of one worker (rule 3.3)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.specs import ToolSpec


@dataclass(slots=True)
class _Waiter:
    tool: ToolSpec
    granted: asyncio.Future[None]
    reason: str
    news: asyncio.Event


class LocalPermits:
    """Permits within one process. A call takes all it needs at once or waits holding nothing; first come, first served
    among those that could run."""

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self._running = 0
        self._by_tool: Counter[str] = Counter()
        self._locked: dict[str, str] = {}
        self._waiters: list[_Waiter] = []

    async def acquire(self, tool: ToolSpec, on_wait: Callable[[str], Awaitable[None]]) -> None:
        """Take a place of the worker, one of the tool and its lock group. `on_wait` is told each new reason."""
        reason = self._obstacle(tool)
        if reason is None:
            self._take(tool)
            return
        waiter = _Waiter(tool, asyncio.get_running_loop().create_future(), reason, asyncio.Event())
        self._waiters.append(waiter)
        try:
            await self._wait(waiter, on_wait)
        except BaseException:
            self._leave(waiter)
            raise

    def release(self, tool: ToolSpec) -> None:
        """Give all of it back and let those in that can run now."""
        self._running -= 1
        self._by_tool[tool.id] -= 1
        if tool.lock_group:
            del self._locked[tool.lock_group]
        self._admit()

    async def _wait(self, waiter: _Waiter, on_wait: Callable[[str], Awaitable[None]]) -> None:
        told = ""
        while not waiter.granted.done():
            waiter.news.clear()
            if waiter.reason != told:
                told = waiter.reason
                await on_wait(told)
                continue
            await waiter.news.wait()

    def _leave(self, waiter: _Waiter) -> None:
        if waiter.granted.done():
            self.release(waiter.tool)
        else:
            self._waiters.remove(waiter)

    def _admit(self) -> None:
        for waiter in list(self._waiters):
            reason = self._obstacle(waiter.tool)
            if reason is None:
                self._waiters.remove(waiter)
                self._take(waiter.tool)
                waiter.granted.set_result(None)
                waiter.news.set()
            elif reason != waiter.reason:
                waiter.reason = reason
                waiter.news.set()

    def _take(self, tool: ToolSpec) -> None:
        self._running += 1
        self._by_tool[tool.id] += 1
        if tool.lock_group:
            self._locked[tool.lock_group] = tool.name

    def _obstacle(self, tool: ToolSpec) -> str | None:
        if tool.lock_group and tool.lock_group in self._locked:
            return f"lock group {tool.lock_group} is held by {self._locked[tool.lock_group]}"
        if tool.max_concurrency is not None and self._by_tool[tool.id] >= tool.max_concurrency:
            return f"cap {tool.max_concurrency} of {tool.name}"
        if self._running >= self._max_calls:
            return f"cap {self._max_calls} of this worker"
        return None
