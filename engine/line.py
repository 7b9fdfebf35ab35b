"""The line of calls that wait: whom it is next, and how each is told why it waits (rule 3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from engine.ports import Need


@dataclass(slots=True, eq=False)
class Waiter:
    """A call in the line. `turn` is its place in the rotation of owners, `reason` why it waits, "" until that is known."""

    need: Need
    turn: int
    reason: str = ""
    is_granted: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def grant(self) -> None:
        """It has what it needs."""
        self.is_granted = True
        self._news.set()

    def refuse(self, reason: str) -> None:
        """It has to wait on."""
        if reason != self.reason:
            self.reason = reason
            self._news.set()

    async def wait(self, on_wait: Callable[[str], Awaitable[None]]) -> None:
        """Return once it is granted; `on_wait` is told each new reason until then."""
        told = ""
        while not self.is_granted:
            self._news.clear()
            if self.reason != told:
                told = self.reason
                await on_wait(told)
                continue
            await self._news.wait()


class Line:
    """Owners take turns: one with a hundred calls does not keep the single call of another waiting behind them."""

    def __init__(self) -> None:
        self._waiters: list[Waiter] = []
        self._last_turn: dict[str, int] = {}
        self._turn = 0

    def __iter__(self) -> Iterator[Waiter]:
        """Whose turn is first, first."""
        return iter(list(self._waiters))

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self, need: Need) -> Waiter:
        """Stand in the line: behind the owner's other calls, level with the first calls of other owners."""
        turn = max(self._turn, self._last_turn.get(need.owner, 0)) + 1
        self._last_turn[need.owner] = turn
        waiter = Waiter(need, turn)
        self._waiters.append(waiter)
        self._waiters.sort(key=lambda one: one.turn)  # stable: who came first among those of one turn
        return waiter

    def admit(self, waiter: Waiter) -> None:
        """It is this one's turn."""
        self._turn = max(self._turn, waiter.turn)
        self.leave(waiter)
        waiter.grant()

    def leave(self, waiter: Waiter) -> None:
        """Out of the line, whether or not it still stands there."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if not self._waiters:
            self._last_turn.clear()
            self._turn = 0
