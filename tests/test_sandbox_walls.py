"""What a tool cannot reach: the server's secrets, files, processes and network; and what an ordinary tool still can."""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.forkserver import ForkServerSandbox
from sandbox.levels import Guard
from sandbox.specs import Limits, Network, Outcome
from tests.sandboxes import LEVELS, call_of, outsider

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "correct horse battery staple"
READ = "def tool(path):\n    with open(path, 'rb') as file: return len(file.read())"
WRITE = "def tool(path):\n    with open(path, 'w') as file: file.write('was here')"
CONNECT = """
import socket
def tool(port, family="AF_INET", host="127.0.0.1"):
    with socket.socket(getattr(socket, family)) as connection:
        connection.settimeout(5)
        connection.connect((host, port))
    return "connected"
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=LEVELS.values(), ids=LEVELS.keys())
async def sandbox(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ForkServerSandbox]:
    os.environ["TANDEM_TEST_SECRET"] = SECRET
    sandbox = ForkServerSandbox(guards=request.param, scratch_root=tmp_path_factory.mktemp("scratch"))
    await sandbox.start()
    yield sandbox
    await sandbox.close()
    del os.environ["TANDEM_TEST_SECRET"]


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def refusal(sandbox: ForkServerSandbox, source: str, **arguments: str | int) -> bool:
    result = await sandbox.run(replace(call_of(source), arguments=arguments))
    return result.outcome is Outcome.ERROR and "PermissionError" in result.text


async def test_the_environment_is_the_calls_and_nothing_of_the_servers(sandbox: ForkServerSandbox) -> None:
    source = "import os\ndef tool(): return dict(os.environ)"

    text = (await sandbox.run(call_of(source, environment={"CITY": "Oslo"}))).text

    assert SECRET not in text
    assert '"CITY": "Oslo"' in text
    assert '"HOME"' in text


async def test_no_process_of_ours_shows_its_environment(sandbox: ForkServerSandbox) -> None:
    source = """
import glob
def tool():
    seen = b""
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file: seen += file.read()
        except OSError:
            pass
    return seen.decode("utf-8", "replace")
"""

    assert SECRET not in (await sandbox.run(call_of(source))).text
    assert await refusal(sandbox, READ, path=f"/proc/{os.getpid()}/mem")


async def test_the_servers_files_cannot_be_read(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    database = tmp_path / "db.sqlite3"
    database.write_text(SECRET)
    link = "import os\n" + READ.replace("open(path", "open('link'").replace(
        "    with", "    os.symlink(path, 'link')\n    with"
    )
    if not sandbox.level.has(Guard.FILES):
        assert (await sandbox.run(call_of(READ, path=str(database)))).text == str(len(SECRET))
        return

    assert await refusal(sandbox, READ, path=str(database))
    assert await refusal(sandbox, link, path=str(database))
    assert await refusal(sandbox, READ, path=f"/proc/self/root{database}")
    assert await refusal(sandbox, READ, path="/etc/passwd")
    assert await refusal(sandbox, READ, path=__file__)


async def test_nothing_is_written_outside_scratch(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    target = tmp_path / "target"
    if not sandbox.level.has(Guard.FILES):
        assert_level_says(sandbox, Guard.FILES)
        return

    assert await refusal(sandbox, WRITE, path=str(target))
    assert await refusal(sandbox, WRITE, path="/dev/shm/tandem-test")
    assert await refusal(sandbox, WRITE, path=str(Path(sys.prefix) / "tandem-test"))
    assert not target.exists()


async def test_a_directory_of_the_operators_choice_is_writable(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    target = tmp_path / "target"

    result = await sandbox.run(call_of(WRITE, path=str(target), writable_paths=(str(tmp_path),)))

    assert result.outcome is Outcome.SUCCESS
    assert target.read_text() == "was here"
    assert not sandbox.level.has(Guard.FILES) or await refusal(sandbox, WRITE, path=str(target))


async def test_with_the_network_off_not_even_loopback_answers(sandbox: ForkServerSandbox) -> None:
    with listening() as port:
        assert await refusal(sandbox, CONNECT, port=port)
    assert await refusal(sandbox, "import socket\ndef tool(): socket.socket(socket.AF_UNIX)")
    assert await refusal(sandbox, "import socket\ndef tool(): socket.socket(type=socket.SOCK_DGRAM)")


async def test_the_web_is_ports_of_the_web(sandbox: ForkServerSandbox) -> None:
    with listening() as port:
        result = await sandbox.run(call_of(CONNECT, port=port, network=Network.WEB))

    assert ("PermissionError" in result.text) == sandbox.level.has(Guard.PORTS)
    assert "PermissionError" not in (await sandbox.run(call_of(CONNECT, port=443, network=Network.WEB))).text


async def test_the_full_network_reaches_loopback(sandbox: ForkServerSandbox) -> None:
    with listening() as port:
        assert (await sandbox.run(call_of(CONNECT, port=port, network=Network.FULL))).text == "connected"


async def test_signals_stay_inside(sandbox: ForkServerSandbox) -> None:
    source = "import os\ndef tool(pids):\n    for pid in pids:\n        try: os.kill(pid, 0)\n        except OSError: continue\n        return pid"
    with outsider() as process:
        result = await sandbox.run(call_of(source, pids=[process.pid]))

    assert result.text == "None"


async def test_a_tool_cannot_end_the_process_that_watches_over_it(sandbox: ForkServerSandbox) -> None:
    source = "import os\ndef tool():\n    try: os.kill(os.getppid(), 9)\n    except PermissionError: return 'refused'\n    return 'ignored'"

    assert (await sandbox.run(call_of(source))).text in ("refused", "ignored")


@pytest.mark.parametrize(
    "attempt",
    [
        "ctypes.CDLL(None, use_errno=True).unshare(0x10000000)",
        "ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0)",
        "ctypes.CDLL(None, use_errno=True).mount(b'none', b'/', b'tmpfs', 0, None)",
        "ctypes.CDLL(None, use_errno=True).syscall(321, 0, 0, 0)",
    ],
    ids=["unshare", "ptrace", "mount", "bpf"],
)
async def test_dangerous_system_calls_are_refused(sandbox: ForkServerSandbox, attempt: str) -> None:
    source = f"import ctypes, errno\ndef tool():\n    result = {attempt}\n    return [result, errno.errorcode[ctypes.get_errno()]]"

    assert (await sandbox.run(call_of(source))).text == '[-1, "EPERM"]'


async def test_other_processes_cannot_be_slowed_or_limited(sandbox: ForkServerSandbox) -> None:
    source = """
import os, resource
def tool(pid):
    os.setpriority(os.PRIO_PROCESS, 0, 5)
    resource.prlimit(0, resource.RLIMIT_CORE, (0, 0))
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    attempts = [
        lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (7, 7)),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        lambda: os.setpriority(os.PRIO_USER, 0, 19),
        lambda: os.sched_setaffinity(pid, {0}),
        lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
    ]
    for attempt in attempts:
        try:
            attempt()
        except (PermissionError, ProcessLookupError):
            continue
    return "tried"
"""
    with outsider() as other:
        before = _standing(other.pid)
        assert (await sandbox.run(call_of(source, pid=other.pid))).text == "tried"
        assert _standing(other.pid) == before


def _standing(pid: int) -> tuple[object, ...]:
    """How the kernel treats a process."""
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    priority = os.getpriority(os.PRIO_PROCESS, pid)
    return limits, priority, os.sched_getaffinity(pid), os.sched_getscheduler(pid)


@pytest.mark.parametrize("number", [29, 30, 31, 64, 66, 68, 240], ids=str)
async def test_nothing_is_left_in_the_kernel_for_the_next_call(sandbox: ForkServerSandbox, number: int) -> None:
    """Shared memory, semaphores and message queues outlive whoever makes them."""
    if platform.machine() != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    source = f"""
import ctypes, os
def tool():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall({number}, 0, 4096, 0o1666, 0)
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""
    assert await refusal(sandbox, source)


async def test_root_in_a_tool_has_no_powers(sandbox: ForkServerSandbox) -> None:
    source = "def tool(): return [l.split()[1] for l in open('/proc/self/status') if l.startswith(('CapEff', 'CapPrm', 'NoNewPrivs'))]"

    assert (await sandbox.run(call_of(source))).text == '["0000000000000000", "0000000000000000", "1"]'


async def test_no_descriptor_is_inherited(sandbox: ForkServerSandbox) -> None:
    source = """
import os
def tool():
    def is_open(fd):
        try: os.fstat(fd)
        except OSError: return False
        return True
    return [fd for fd in range(3, 4096) if is_open(fd)]
"""

    assert (await sandbox.run(call_of(source))).text == "[]"


async def test_calls_see_nothing_of_one_another(sandbox: ForkServerSandbox) -> None:
    leave = (
        "import builtins, os\ndef tool():\n    builtins.left = 1\n    open('note', 'w').close()\n    return os.getcwd()"
    )
    look = "import builtins, os\ndef tool(): return [hasattr(builtins, 'left'), os.listdir('.')]"
    scratch = Path((await sandbox.run(call_of(leave))).text)

    for _ in range(8):
        assert (await sandbox.run(call_of(look))).text == "[false, []]"
    assert not await asyncio.to_thread(scratch.exists)


async def test_random_numbers_differ_from_call_to_call(sandbox: ForkServerSandbox) -> None:
    source = "import random, uuid\ndef tool(): return [random.random(), str(uuid.uuid4())]"

    results = await asyncio.gather(*(sandbox.run(call_of(source)) for _ in range(8)))

    assert len({result.text for result in results}) == 8


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\ndef tool(): return subprocess.run(['echo', 'ok'], capture_output=True, text=True).stdout.strip()",
        "import threading\ndef tool():\n    said = []\n    t = threading.Thread(target=said.append, args=('ok',))\n    t.start(); t.join()\n    return said[0]",
        "import sqlite3, tempfile\ndef tool():\n    with tempfile.NamedTemporaryFile() as f:\n        return sqlite3.connect(f.name).execute(\"select 'ok'\").fetchone()[0]",
        "import asyncio\nasync def tool():\n    await asyncio.sleep(0)\n    return 'ok'",
        "import ssl, hashlib, zoneinfo\ndef tool():\n    ssl.create_default_context()\n    return 'ok'",
        "import concurrent.futures\ndef tool():\n    with concurrent.futures.ThreadPoolExecutor() as pool: return pool.submit(lambda: 'ok').result()",
        "import os, stat\ndef tool():\n    with open('run.sh', 'w') as f: f.write('#!/bin/sh\\necho ok')\n    os.chmod('run.sh', 0o700)\n    return os.popen('./run.sh').read().strip()",
        "from pydantic import BaseModel\nclass A(BaseModel):\n    x: str\ndef tool(): return A(x='ok').x",
    ],
    ids=["subprocess", "thread", "tempfile and sqlite", "async", "ssl", "pool", "own program", "pydantic"],
)
async def test_ordinary_tools_work(sandbox: ForkServerSandbox, source: str) -> None:
    result = await sandbox.run(call_of(source, limits=Limits(seconds=60)))

    assert result.text == "ok", result


def assert_level_says(sandbox: ForkServerSandbox, guard: Guard) -> None:
    """At a level without this guard the level admits it."""
    assert any("Off:" in sentence and guard.value.capitalize() in sentence for sentence in sandbox.level.sentences())
