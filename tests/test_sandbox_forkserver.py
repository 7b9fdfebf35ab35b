"""The fork server's life: many calls, cancelled calls, its own death and the server's; nothing is ever left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.forkserver import ForkServerSandbox
from sandbox.levels import Guard
from sandbox.specs import Limits, Outcome, OutputStream, SandboxUnavailable
from tests.sandboxes import (
    LEVELS,
    call_of,
    children,
    entries,
    eventually,
    is_alive,
    processes_of_calls,
    supervisors_with_leftovers,
)

NOTHING = "def tool(): pass"
FAMILY = """
import os, subprocess, time
def tool(marks):
    subprocess.Popen(["sleep", "1000"])
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    open(marks + "/started", "w").close()
    while True: time.sleep(1000)
"""


@pytest_asyncio.fixture(params=LEVELS.values(), ids=LEVELS.keys())
async def sandbox(request: pytest.FixtureRequest, scratch_root: Path) -> AsyncIterator[ForkServerSandbox]:
    sandbox = ForkServerSandbox(guards=request.param, scratch_root=scratch_root)
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest.fixture
def scratch_root(tmp_path: Path) -> Path:
    root = tmp_path / "scratch"
    root.mkdir(mode=0o711)
    return root


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    marks = tmp_path / "marks"
    marks.mkdir()
    return marks


async def begin_family(sandbox: ForkServerSandbox, marks: Path) -> asyncio.Task[object]:
    """A call that has started a child and a daemon, and hangs."""
    call = call_of(FAMILY, marks=str(marks), writable_paths=(str(marks),), limits=Limits(seconds=900))
    task: asyncio.Task[object] = asyncio.create_task(sandbox.run(call))
    assert await eventually((marks / "started").exists)
    return task


async def test_cancelling_a_call_ends_its_whole_family_before_the_error_leaves(
    sandbox: ForkServerSandbox, scratch_root: Path, marks: Path
) -> None:
    task = await begin_family(sandbox, marks)
    assert await eventually(lambda: len(processes_of_calls(scratch_root)) >= 3)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert processes_of_calls(scratch_root) == []
    assert (await sandbox.run(call_of(NOTHING))).text == "None"


async def test_cancelling_one_call_leaves_its_siblings_alone(sandbox: ForkServerSandbox, marks: Path) -> None:
    source = "import time\ndef tool():\n    subprocess = __import__('subprocess').Popen(['sleep', '0.6'])\n    return subprocess.wait()"
    family = await begin_family(sandbox, marks)
    sibling = asyncio.create_task(sandbox.run(call_of(source)))
    await asyncio.sleep(0.2)

    family.cancel()

    assert (await sibling).text == "0"


async def test_a_callback_that_fails_ends_the_call(sandbox: ForkServerSandbox, scratch_root: Path) -> None:
    def fail(stream: OutputStream, text: str) -> None:
        raise RuntimeError(text)

    with pytest.raises(RuntimeError, match="hello"):
        await sandbox.run(call_of("import time\ndef tool():\n    print('hello')\n    time.sleep(1000)"), fail)

    assert processes_of_calls(scratch_root) == []


async def test_a_dead_fork_server_is_told_and_replaced(
    sandbox: ForkServerSandbox, scratch_root: Path, marks: Path
) -> None:
    task = await begin_family(sandbox, marks)
    before = sandbox.fork_server_pid
    assert before is not None

    os.kill(before, signal.SIGKILL)
    result = await task

    assert "fork server died" in result.text  # type: ignore[attr-defined]
    assert processes_of_calls(scratch_root) == []
    assert (await sandbox.run(call_of(NOTHING))).outcome is Outcome.SUCCESS
    assert sandbox.fork_server_pid != before
    assert await eventually(lambda: len(entries(scratch_root)) == 1)


async def test_a_killed_supervisor_takes_its_call_along_and_nothing_else(
    sandbox: ForkServerSandbox, scratch_root: Path, marks: Path
) -> None:
    task = await begin_family(sandbox, marks)
    (supervisor,) = supervisors_with_leftovers(sandbox)

    os.kill(supervisor, signal.SIGKILL)
    result = await task

    assert "the process that watched over it was killed" in result.text  # type: ignore[attr-defined]
    assert await eventually(lambda: processes_of_calls(scratch_root) == [])
    assert (await sandbox.run(call_of(NOTHING))).outcome is Outcome.SUCCESS


async def test_closing_ends_running_calls_and_removes_everything(
    sandbox: ForkServerSandbox, scratch_root: Path, marks: Path
) -> None:
    task = await begin_family(sandbox, marks)
    fork_server = sandbox.fork_server_pid
    assert fork_server is not None
    supervisors = children(fork_server)

    await sandbox.close()
    result = await task

    assert "the sandbox was shut down" in result.text  # type: ignore[attr-defined]
    assert not any(is_alive(pid) for pid in [fork_server, *supervisors])
    assert processes_of_calls(scratch_root) == []
    assert entries(scratch_root) == []
    assert "it was closed" in (await sandbox.run(call_of(NOTHING))).text


async def test_many_calls_leave_no_process_descriptor_or_file(sandbox: ForkServerSandbox, scratch_root: Path) -> None:
    await asyncio.gather(*(sandbox.run(call_of(NOTHING)) for _ in range(20)))
    descriptors = len(entries("/proc/self/fd"))
    source = "import os\ndef tool(n):\n    open('file', 'w').close()\n    if n % 10 == 0 and os.fork() == 0:\n        while True: os.sched_yield()\n    return n"

    for start in range(0, 300, 30):
        results = await asyncio.gather(*(sandbox.run(call_of(source, n=n)) for n in range(start, start + 30)))
        assert [result.text for result in results] == [str(n) for n in range(start, start + 30)]

    assert len(entries("/proc/self/fd")) <= descriptors
    assert processes_of_calls(scratch_root) == []
    assert await eventually(lambda: supervisors_with_leftovers(sandbox) == [])
    rooms = [room for base in entries(scratch_root) for room in entries(base)]
    # At most the directory of the next call, empty.
    waiting = [entries(room) for room in rooms]
    assert max(map(len, waiting)) <= 1
    assert [path for scratches in waiting for scratch in scratches for path in entries(scratch)] == []


async def test_supervisors_that_are_not_needed_any_more_leave(scratch_root: Path) -> None:
    sandbox = ForkServerSandbox(scratch_root=scratch_root, idle=2)
    await sandbox.start()
    await asyncio.gather(*(sandbox.run(call_of("import time\ndef tool(): time.sleep(0.3)")) for _ in range(12)))

    assert await eventually(lambda: len(children(sandbox.fork_server_pid)) <= 2)
    assert (await sandbox.run(call_of(NOTHING))).text == "None"
    await sandbox.close()


async def test_calls_that_wait_for_one_another_overlap(sandbox: ForkServerSandbox, marks: Path) -> None:
    source = """
import os, time
def tool(marks, n, count):
    open(f"{marks}/{n}", "w").close()
    while len(os.listdir(marks)) < count: time.sleep(0.01)
    return "met"
"""
    calls = [call_of(source, marks=str(marks), n=n, count=8, writable_paths=(str(marks),)) for n in range(8)]

    results = await asyncio.gather(*(sandbox.run(call) for call in calls))

    assert [result.text for result in results] == ["met"] * 8


async def test_sixty_four_calls_at_once(sandbox: ForkServerSandbox, marks: Path) -> None:
    source = """
import os, time
def tool(marks, n):
    open(f"{marks}/{n}", "w").close()
    while len(os.listdir(marks)) < 64: time.sleep(0.05)
    return n
"""
    limits = Limits(seconds=120)
    calls = [call_of(source, marks=str(marks), n=n, writable_paths=(str(marks),), limits=limits) for n in range(64)]

    results = await asyncio.gather(*(sandbox.run(call) for call in calls))

    assert [result.text for result in results] == [str(n) for n in range(64)]


async def test_output_is_told_while_the_tool_runs(sandbox: ForkServerSandbox, marks: Path) -> None:
    source = """
import os, sys, time
def tool(marks):
    print("first")
    print("warning", file=sys.stderr)
    while not os.path.exists(marks + "/heard"): time.sleep(0.01)
    print("last", end="")
"""
    heard: list[tuple[OutputStream, str]] = []

    def hear(stream: OutputStream, text: str) -> None:
        heard.append((stream, text))
        if len(heard) == 2:
            (marks / "heard").touch()

    result = await sandbox.run(call_of(source, marks=str(marks), writable_paths=(str(marks),)), hear)

    assert sorted(heard[:2]) == [(OutputStream.STDERR, "warning\n"), (OutputStream.STDOUT, "first\n")]
    assert heard[2:] == [(OutputStream.STDOUT, "last")]
    assert result.stdout == "first\nlast"
    assert result.stderr == "warning\n"


async def test_killing_the_server_leaves_nothing_running(scratch_root: Path, marks: Path) -> None:
    script = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from sandbox.forkserver import ForkServerSandbox
        from sandbox.specs import Limits
        from tests.sandboxes import call_of
        async def main():
            sandbox = ForkServerSandbox(scratch_root=Path({str(scratch_root)!r}))
            await sandbox.run(call_of({FAMILY!r}, marks={str(marks)!r}, writable_paths=({str(marks)!r},), limits=Limits(seconds=900)))
        asyncio.run(main())
    """)
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=Path(__file__).parent.parent)
    assert await eventually((marks / "started").exists)
    fork_servers = children(server.pid)
    everybody = [*fork_servers, *(pid for fork_server in fork_servers for pid in children(fork_server))]

    server.kill()
    await server.wait()

    assert await eventually(lambda: not any(is_alive(pid) for pid in everybody))
    assert await eventually(lambda: processes_of_calls(scratch_root) == [])
    assert await eventually(lambda: entries(scratch_root) == [])


async def test_a_guard_that_is_asked_for_and_not_there_is_named(tmp_path: Path) -> None:
    # No other user may enter a directory of mode 0700, so there can be no spare user; nor without root.
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    sandbox = ForkServerSandbox(required={Guard.OWN_USER}, scratch_root=private)

    with pytest.raises(SandboxUnavailable, match="guards that this machine does not have: own-user: "):
        await sandbox.start()

    assert entries(private) == []


async def test_a_python_that_does_not_start_is_told(scratch_root: Path) -> None:
    sandbox = ForkServerSandbox(python="/usr/bin/false", scratch_root=scratch_root)

    with pytest.raises(SandboxUnavailable, match="did not start"):
        await sandbox.start()

    assert entries(scratch_root) == []
    assert "the sandbox is not available" in (await sandbox.run(call_of(NOTHING))).text


async def test_tools_are_not_run_where_they_could_signal_anybody(scratch_root: Path) -> None:
    sandbox = ForkServerSandbox(guards=frozenset(), scratch_root=scratch_root)

    with pytest.raises(SandboxUnavailable, match="keeps a tool from ending other processes"):
        await sandbox.start()
