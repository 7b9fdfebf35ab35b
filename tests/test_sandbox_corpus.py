"""Every hostile or unlucky tool we could think of, between two good ones: the good ones never notice, the bad one gets
exactly one result that tells the truth, and nothing of it is left."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.forkserver import ForkServerSandbox
from sandbox.specs import Limits, Outcome, SandboxResult
from tests.sandboxes import LEVELS, call_of, eventually, outsider, processes_of_calls, supervisors_with_leftovers

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT = Limits(seconds=1)
GOOD = "def tool(n):\n    print('working on', n)\n    return n * 2"
FORGED = '{"outcome": "success", "returned": true, "text": "forged"}'


@dataclass(frozen=True)
class Bad:
    """A tool `bad`, how it must end, and a pattern for the whole of its text."""

    name: str
    source: str
    outcome: Outcome
    text: str
    limits: Limits = field(default_factory=lambda: Limits(seconds=60))
    stdout: str = ""


def error(text: str) -> str:
    return "Error executing function bad: " + text


E, S, T = Outcome.ERROR, Outcome.SUCCESS, Outcome.TIMEOUT
TIMED_OUT = error("timed out after 1 s")
SMALL_DISK = Limits(seconds=60, scratch_bytes=8 << 20)
HELD_TOO_MUCH = error("ended because it held more than 8 MiB or 20,000 files in its scratch directory")
FILL = """
import itertools, os, time
def bad():
    held = []
    for n in itertools.count():
        held.append(open(str(n), "wb"))
        held[-1].write(bytes(1 << 22))
        held[-1].flush()
        %s
        time.sleep(0.01)
"""
CORPUS = [
    Bad("raises", "def bad(): raise ValueError('no such row')", E, error("ValueError: no such row")),
    Bad("raises with a long text", "def bad(): raise ValueError('x' * 9000)", E, error("ValueError: x{900,970}…")),
    Bad(
        "raises what has no text",
        "class Odd(Exception):\n    def __str__(self): raise KeyError('gone')\ndef bad(): raise Odd",
        E,
        error(r"Odd \(its text cannot be read: KeyError\)"),
    ),
    Bad("sys.exit(0)", "import sys\ndef bad(): sys.exit(0)", E, error(r"SystemExit: .*called sys.exit\(0\) instead.*")),
    Bad("sys.exit(3)", "import sys\ndef bad(): sys.exit(3)", E, error(r"SystemExit: .*called sys.exit\(3\) instead.*")),
    Bad(
        "os._exit(0)",
        "import os\ndef bad(): os._exit(0)",
        E,
        error(".*exited with code 0 before the function returned"),
    ),
    Bad(
        "os._exit(7)",
        "import os\ndef bad(): os._exit(7)",
        E,
        error(".*exited with code 7 before the function returned"),
    ),
    Bad(
        "becomes another program",
        "import os\ndef bad(): os.execv('/bin/true', ['true'])",
        E,
        error(".*exited with code 0.*"),
    ),
    Bad("endless loop", "def bad():\n    while True: pass", T, TIMED_OUT, SHORT),
    Bad("sleeps too long", "import time\ndef bad(): time.sleep(1000)", T, TIMED_OUT, SHORT),
    Bad(
        "ignores SIGTERM",
        "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "def bad():\n    while True: pass",
        T,
        TIMED_OUT,
        SHORT,
    ),
    Bad("stops itself", "import os, signal\ndef bad(): os.kill(os.getpid(), signal.SIGSTOP)", T, TIMED_OUT, SHORT),
    Bad(
        "prints 5 MB",
        "def bad():\n    print('x' * 5_000_000)\n    return 'printed'",
        S,
        "printed",
        stdout=r"x{50000}\n\[stdout cut: first 50,000 of 5,000,001 characters\]",
    ),
    Bad(
        "prints for ever",
        "def bad():\n    while True: print('x' * 999)",
        T,
        error("timed out after 4 s"),
        Limits(seconds=4),
        stdout=r"(x{999}\n){50}\n\[stdout cut: first 50,000 of [\d,]+ characters\]",
    ),
    Bad(
        "returns 5 MB",
        "def bad(): return 'y' * 5_000_000",
        S,
        r"y{50000}\n\[return value cut: first 50,000 of 5,000,000 characters\]",
    ),
    Bad("reads stdin", "def bad(): return input()", E, error("EOFError: EOF when reading a line")),
    Bad("reads all of stdin", "import sys\ndef bad(): return repr(sys.stdin.read())", S, "''"),
    Bad("missing import", "import pandaz\ndef bad(): pass", E, error("ModuleNotFoundError: No module named 'pandaz'")),
    Bad("no such function", "def other(): pass", E, error("the source defines no function 'bad'")),
    Bad("does not compile", "def bad(:\n    pass", E, error(r"SyntaxError: .*line 1\)")),
    Bad(
        "prints bytes that are no UTF-8",
        "import sys\ndef bad():\n    sys.stdout.buffer.write(b'\\xff\\xfe\\xe4 ok')\n    return 'printed'",
        S,
        "printed",
        stdout=r"\\xff\\xfe\\xe4 ok",
    ),
    Bad(
        "asks for 8 GB",
        "def bad(): return len(bytearray(8 << 30))",
        E,
        error("MemoryError: .*more memory than it may have"),
    ),
    Bad(
        "fills its memory",
        "def bad():\n    x = []\n    while True: x.append(bytearray(1 << 20))",
        E,
        error("MemoryError.*"),
        Limits(seconds=60, memory_bytes=256 << 20),
    ),
    Bad(
        "leaves a child behind that holds the pipes",
        "import subprocess\ndef bad():\n    subprocess.Popen(['sleep', '1000'])\n    return 'left'",
        S,
        "left",
    ),
    Bad(
        "leaves a daemon behind",
        "import os, time\ndef bad():\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0: time.sleep(1000)\n"
        "        os._exit(0)\n    time.sleep(0.1)\n    return 'left'",
        S,
        "left",
    ),
    Bad(
        "leaves a thread behind",
        "import threading, time\ndef bad():\n    threading.Thread(target=time.sleep, args=(1000,)).start()\n    return 'left'",
        S,
        "left",
    ),
    Bad(
        "segfault",
        "import ctypes\ndef bad(): ctypes.string_at(0)",
        E,
        error(r".*killed by SIGSEGV \(a segmentation fault\).*"),
    ),
    Bad("aborts", "import os\ndef bad(): os.abort()", E, error(r".*killed by SIGABRT \(an abort\).*")),
    Bad("kills itself", "import os\ndef bad(): os.kill(os.getpid(), 9)", E, error(".*killed by SIGKILL before.*")),
    Bad("deep recursion", "def bad(): return bad()", E, error("RecursionError: maximum recursion depth exceeded.*")),
    Bad("returns a lone surrogate", r"def bad(): return 'a\ud800b'", S, r"a\\ud800b"),
    Bad("raises a lone surrogate", r"def bad(): raise ValueError('\ud800')", E, error(r"ValueError: \\ud800")),
    Bad("prints a lone surrogate", r"def bad(): print('\udcff')", S, "None", stdout=r"\\udcff\n"),
    Bad("returns NaN", "def bad(): return float('nan')", S, "NaN"),
    Bad(
        "returns NaN inside",
        "def bad(): return {'a': [float('nan'), float('-inf')]}",
        S,
        r'\{"a": \["NaN", "-Infinity"\]\}',
    ),
    Bad("returns a circle", "def bad():\n    x = []\n    x.append(x)\n    return x", S, r"\[\[\.\.\.\]\]"),
    Bad(
        "prints a forged result and exits 0",
        f"import os, sys\ndef bad():\n    print({FORGED!r}, flush=True)\n    os._exit(0)",
        E,
        error(".*exited with code 0 before the function returned"),
        stdout=re.escape(FORGED) + "\n",
    ),
    Bad(
        "writes a forged result to every descriptor",
        f"import os\ndef bad():\n    for fd in range(3, 256):\n        try: os.write(fd, {FORGED!r}.encode())\n"
        "        except OSError: pass\n    os._exit(0)",
        E,
        error(".*exited with code 0 before the function returned"),
    ),
    Bad(
        "overwrites the memory for its result",
        "import gc, mmap, os\ndef bad():\n    import sys\n    frame = sys._getframe()\n    while frame:\n"
        "        memory = getattr(frame.f_locals.get('memory'), '_memory', None)\n"
        "        if memory is not None:\n            memory[:64] = b'forged!!' * 8\n            os._exit(0)\n        frame = frame.f_back",
        E,
        error(".*exited with code 0 before the function returned, and it had overwritten the memory for its result"),
    ),
    Bad(
        "closes all file descriptors",
        "import os\ndef bad():\n    os.closerange(0, 1 << 16)\n    return 'still here'",
        S,
        "still here",
    ),
    Bad(
        "closes stdout",
        "import sys\ndef bad():\n    sys.stdout.close()\n    sys.stderr = None\n    return 'quiet'",
        S,
        "quiet",
    ),
    Bad(
        "returns twice",
        "import os\ndef bad():\n    return 'parent' if os.fork() else 'child'",
        S,
        "parent",
    ),
    Bad(
        "fork bomb",
        "import os\ndef bad():\n    while True: os.fork()",
        E,
        error("(BlockingIOError: .*|ended because it had more than 40 processes)"),
        Limits(seconds=120, processes=40),
    ),
    Bad(
        "exhausts descriptors",
        "def bad(): return [open('/dev/null') for _ in range(10_000)]",
        E,
        error(r"OSError: \[Errno 24\] Too many open files: '/dev/null'"),
    ),
    Bad(
        "writes too large a file",
        "def bad():\n    with open('big', 'wb') as f:\n        while True: f.write(bytes(1 << 20))",
        E,
        error(r"OSError: \[Errno 27\] File too large"),
        Limits(seconds=60, file_bytes=8 << 20),
    ),
    Bad("fills the disk", FILL % "", E, HELD_TOO_MUCH, SMALL_DISK),
    Bad("fills the disk with files that it removes", FILL % "os.remove(str(n))", E, HELD_TOO_MUCH, SMALL_DISK),
    Bad(
        "fills a directory that it made unreadable",
        "import os\nos.mkdir('d')\nos.chdir('d')\nos.chmod('.', 0o300)" + FILL % "",
        E,
        HELD_TOO_MUCH,
        SMALL_DISK,
    ),
    Bad(
        "makes too many files",
        "from itertools import count\ndef bad():\n    for n in count(): open(str(n), 'w').close()",
        E,
        error("ended because it held more than 256 MiB or 500 files in its scratch directory"),
        Limits(seconds=60, scratch_files=500),
    ),
    Bad(
        "makes its scratch directory hard to remove",
        "import os\ndef bad():\n    os.makedirs('a/b'); open('a/b/c', 'w').close(); os.symlink('/etc', 'a/link')\n"
        "    os.chmod('a/b', 0); os.chmod('a', 0)\n"
        "    for _ in range(1500):\n        os.mkdir('deep'); os.chdir('deep')\n    return 'made'",
        S,
        "made",
    ),
]


@pytest.fixture(scope="module")
def scratch_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scratch")
    root.chmod(0o711)
    return root


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=LEVELS.values(), ids=LEVELS.keys())
async def sandbox(request: pytest.FixtureRequest, scratch_root: Path) -> AsyncIterator[ForkServerSandbox]:
    sandbox = ForkServerSandbox(guards=request.param, scratch_root=scratch_root)
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest.mark.parametrize("bad", CORPUS, ids=[bad.name for bad in CORPUS])
async def test_bad_tools_get_the_truth_and_their_siblings_never_notice(
    sandbox: ForkServerSandbox, scratch_root: Path, bad: Bad
) -> None:
    fork_server = sandbox.fork_server_pid

    first, result, last = await asyncio.gather(
        sandbox.run(call_of(GOOD, n=1)),
        sandbox.run(call_of(bad.source, "bad", limits=bad.limits)),
        sandbox.run(call_of(GOOD, n=2)),
    )

    assert _good(first, 1)
    assert _good(last, 2)
    assert result.outcome is bad.outcome, result
    assert re.fullmatch(bad.text, result.text, re.DOTALL), result
    if bad.stdout:
        assert re.fullmatch(bad.stdout, result.stdout, re.DOTALL), result.stdout[-200:]
    assert len(result.text) <= 51_000
    assert processes_of_calls(scratch_root) == []
    assert await eventually(lambda: supervisors_with_leftovers(sandbox) == [])
    assert sandbox.fork_server_pid == fork_server
    assert _good(await sandbox.run(call_of(GOOD, n=3)), 3)


KILL_ALL = """
import os
def tool(outsider):
    # Asked first, with a signal that does nothing: were the wall missing, the real one must not be sent.
    try:
        os.kill(outsider, 0)
        return "could signal a process outside"
    except (PermissionError, ProcessLookupError):
        pass
    try:
        os.kill(-1, 9)
    except OSError:
        pass
    return "alone"
"""


async def test_a_tool_that_kills_all_it_can_reaches_nobody_else(sandbox: ForkServerSandbox) -> None:
    with outsider() as process:
        sibling = asyncio.create_task(
            sandbox.run(call_of("import time\ndef tool():\n    time.sleep(0.5)\n    return 'well'"))
        )

        result = await sandbox.run(call_of(KILL_ALL, outsider=process.pid))

        assert result.text == "alone"
        assert (await sibling).text == "well"
        assert process.poll() is None


async def test_a_large_return_value_is_kept_whole_besides_the_cut_text(sandbox: ForkServerSandbox) -> None:
    result = await sandbox.run(call_of("def tool(): return 'ä' * 5_000_000"))

    assert len(result.full_text) == 5_000_000
    assert len(result.text) < 51_000


async def test_a_return_value_beyond_the_largest_is_cut_in_full_text_too(sandbox: ForkServerSandbox) -> None:
    limits = Limits(full_return_bytes=100_001, return_chars=10)

    result = await sandbox.run(call_of("def tool(): return 'ä' * 500_000", limits=limits))

    assert result.full_text == "ä" * 50_000
    assert result.text == "ä" * 10 + "\n[return value cut: first 10 of more than 50,000 characters]"


def _good(result: SandboxResult, n: int) -> bool:
    return result.outcome is Outcome.SUCCESS and result.text == str(2 * n) and result.stdout == f"working on {n}\n"
