"""Who may start and who waits: caps, lock groups, turns between agents, and what those that wait are told."""

from __future__ import annotations

import asyncio

import pytest

from engine.permits import LocalPermits
from engine.ports import Need, Permits
from engine.specs import ToolSpec

SEARCH = ToolSpec("tool-1", "search_web", max_concurrency=2)
PLAIN = ToolSpec("tool-2", "plain")
READ = ToolSpec("tool-3", "read_book", lock_group="book")
WRITE = ToolSpec("tool-4", "write_book", lock_group="book", max_concurrency=1)


class Calls:
    """Calls that ask for permits, what each was told, and the order in which they were let in."""

    def __init__(self, permits: Permits) -> None:
        self._permits = permits
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.told: dict[str, list[str]] = {}
        self.admitted: list[str] = []

    async def ask(self, call_id: str, tool: ToolSpec, owner: str = "ann") -> Need:
        """Ask, and give the others a turn."""
        need = Need(call_id, tool, owner)
        self._tasks[call_id] = asyncio.create_task(self._ask(need))
        await settled()
        return need

    async def _ask(self, need: Need) -> None:
        async def on_wait(reason: str) -> None:
            self.told.setdefault(need.call_id, []).append(reason)

        await self._permits.acquire(need, on_wait)
        self.admitted.append(need.call_id)

    async def release(self, need: Need) -> None:
        """Give back, and give the others a turn."""
        self._permits.release(need)
        await settled()

    async def give_up(self, call_id: str) -> None:
        """Cancel a call that waits."""
        self._tasks[call_id].cancel()
        await settled()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def calls() -> Calls:
    return Calls(LocalPermits(3))


async def test_a_call_over_the_cap_waits_and_is_told_why_and_behind_how_many(calls: Calls) -> None:
    first = await calls.ask("1", SEARCH)
    for call_id in "2345":
        await calls.ask(call_id, SEARCH)
    assert calls.admitted == ["1", "2"]
    assert calls.told == {
        "3": ["cap 2 of search_web"],
        "4": ["cap 2 of search_web, 1 call before it"],
        "5": ["cap 2 of search_web, 2 calls before it"],
    }
    await calls.release(first)
    assert calls.admitted == ["1", "2", "3"]
    assert calls.told["5"][-1] == "cap 2 of search_web, 1 call before it"


async def test_a_call_that_waits_holds_nothing_that_another_could_use(calls: Calls) -> None:
    first = await calls.ask("1", READ)
    await calls.ask("2", WRITE)
    for call_id in ("3", "4"):
        await calls.ask(call_id, PLAIN)
    assert calls.admitted == ["1", "3", "4"]
    assert calls.told["2"] == ["lock group book is held by read_book", "cap 3 of this worker"][:1]
    await calls.release(first)
    assert calls.admitted[-1] == "2"


async def test_agents_take_turns_when_the_worker_is_full(calls: Calls) -> None:
    running = [await calls.ask(f"running {number}", PLAIN, "ann") for number in range(3)]
    for number in range(4):
        await calls.ask(f"ann {number}", PLAIN, "ann")
    await calls.ask("bob 0", PLAIN, "bob")
    await calls.ask("bob 1", PLAIN, "bob")
    for need in running:
        await calls.release(need)
    assert calls.admitted[3:] == ["ann 0", "bob 0", "ann 1"]
    assert calls.told["bob 0"][0] == "cap 3 of this worker, 1 call before it"


async def test_a_newcomer_does_not_push_back_those_who_wait_for_ever(calls: Calls) -> None:
    last = [await calls.ask(f"running {number}", PLAIN, "ann") for number in range(3)][-1]
    for number in range(3):
        await calls.ask(f"ann {number}", PLAIN, "ann")
    for number in range(3):
        await calls.ask(f"single {number}", PLAIN, f"agent {number}")
        await calls.release(last)
    assert "ann 0" in calls.admitted
    for _ in range(3):
        await calls.release(last)
    assert set(calls.admitted) >= {"ann 0", "ann 1", "ann 2", "single 0", "single 1", "single 2"}


async def test_a_call_that_is_cancelled_while_it_waits_leaves_the_line(calls: Calls) -> None:
    first = await calls.ask("1", SEARCH)
    for call_id in "234":
        await calls.ask(call_id, SEARCH)
    await calls.give_up("3")
    await calls.release(first)
    assert calls.admitted == ["1", "2", "4"]


async def test_a_call_that_is_cancelled_as_it_is_let_in_gives_back_what_it_got() -> None:
    permits = LocalPermits(1)
    calls = Calls(permits)
    first = await calls.ask("1", PLAIN)
    await calls.ask("2", PLAIN)
    await calls.ask("3", PLAIN)
    permits.release(first)  # lets "2" in, which has not had a turn of the loop yet
    await calls.give_up("2")
    assert calls.admitted == ["1", "3"]


async def test_a_long_line_is_told_in_tens() -> None:
    calls = Calls(LocalPermits(1))
    first = await calls.ask("running", PLAIN)
    for number in range(40):
        await calls.ask(str(number), PLAIN)
    assert calls.told["37"] == ["cap 1 of this worker, more than 30 calls before it"]
    await calls.release(first)
    assert calls.told["37"] == ["cap 1 of this worker, more than 30 calls before it"]
