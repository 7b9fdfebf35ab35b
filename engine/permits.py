"""Caps and lock groups (rule 3.3): who may start, and why the others may not yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from engine.line import Line
from engine.ports import Need
from engine.specs import ToolSpec

_EXACTLY = 10


@dataclass(slots=True)
class Holdings:
    """What running calls hold: `running` places of this worker, places of tools, lock groups and who holds them."""

    max_calls: int
    running: int = 0
    by_tool: Counter[str] = field(default_factory=Counter)
    locked: dict[str, str] = field(default_factory=dict)

    def take(self, tool: ToolSpec) -> None:
        """All that a call of this tool needs."""
        self.running += 1
        self.by_tool[tool.id] += 1
        if tool.lock_group:
            self.locked[tool.lock_group] = tool.name

    def give_back(self, tool: ToolSpec) -> None:
        """All of it."""
        self.running -= 1
        self.by_tool[tool.id] -= 1
        if tool.lock_group:
            del self.locked[tool.lock_group]

    def obstacle(self, tool: ToolSpec) -> str | None:
        """What keeps a call of this tool from starting, or None."""
        if tool.lock_group and tool.lock_group in self.locked:
            return f"lock group {tool.lock_group} is held by {self.locked[tool.lock_group]}"
        if tool.max_concurrency is not None and self.by_tool[tool.id] >= tool.max_concurrency:
            return f"cap {tool.max_concurrency} of {tool.name}"
        if self.running >= self.max_calls:
            return f"cap {self.max_calls} of this worker"
        return None


def judge(tools: Sequence[ToolSpec], holdings: Holdings) -> list[str | None]:
    """For each call of a line, in turn: None where it has now taken all it needs, else why it waits.

    Only those are passed over that could not start anyway, so the first that can start does.
    """
    ahead: Counter[str] = Counter()
    verdicts: list[str | None] = []
    for tool in tools:
        obstacle = holdings.obstacle(tool)
        if obstacle is None:
            holdings.take(tool)
            verdicts.append(None)
            continue
        # Not by the holder's name: who waits for one lock group waits behind all who do.
        queue = f"group {tool.lock_group}" if obstacle.startswith("lock group") else obstacle
        verdicts.append(obstacle + _before(ahead[queue]))
        ahead[queue] += 1
    return verdicts


def _before(count: int) -> str:
    """Told in tens where it is many: a line that moves must not fill the log."""
    if count == 0:
        return ""
    if count <= _EXACTLY:
        return f", {count} {'call' if count == 1 else 'calls'} before it"
    return f", more than {(count - 1) // 10 * 10} calls before it"


class LocalPermits:
    """Permits within one process. A call takes all it needs at once or waits holding nothing."""

    def __init__(self, max_calls: int) -> None:
        self._holdings = Holdings(max_calls)
        self._line = Line()

    async def acquire(self, need: Need, on_wait: Callable[[str], Awaitable[None]]) -> None:
        """Take a place of the worker, one of the tool and its lock group. `on_wait` is told each new reason."""
        if self._holdings.obstacle(need.tool) is None:
            self._holdings.take(need.tool)
            return
        waiter = self._line.join(need)
        self._admit()
        try:
            await waiter.wait(on_wait)
        except BaseException:
            self._line.leave(waiter)
            if waiter.is_granted:
                self.release(need)
            raise

    def release(self, need: Need) -> None:
        """Give all of it back and let those in that can run now."""
        self._holdings.give_back(need.tool)
        self._admit()

    def _admit(self) -> None:
        waiters = list(self._line)
        for waiter, reason in zip(waiters, judge([one.need.tool for one in waiters], self._holdings), strict=True):
            if reason is None:
                self._line.admit(waiter)
            else:
                waiter.refuse(reason)
