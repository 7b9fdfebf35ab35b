"""`ADE_SANDBOX`: strict refuses what is weaker, bwrap puts all tools where the server's files do not exist."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from django.conf import settings
from pytest_django import Settings

from sandbox.forkserver import ForkServerSandbox
from sandbox.launch import CODE
from sandbox.levels import STRICT, Guard
from sandbox.specs import Limits, Network, Outcome, SandboxUnavailable
from tests.conftest import need
from tests.sandboxes import call_of, eventually, processes_of_calls
from tests.test_sandbox_corpus import CORPUS, Bad
from tools.sandboxes import REQUIRED
from tools.toolbox import sandbox

READ = "def tool(path):\n    with open(path, 'rb') as file: return len(file.read())"
LIST = "import os\ndef tool(path): return os.listdir(path)"
MAIN_CASES = {
    "os._exit(0)",
    "endless loop",
    "leaves a daemon behind",
    "fork bomb",
    "prints 5 MB",
    "asks for 8 GB",
    "fills the disk",
}


@pytest_asyncio.fixture(params=["strict", "bwrap"])
async def hardened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ForkServerSandbox]:
    if request.param == "bwrap":
        need("bwrap", "tools cannot be run inside bubblewrap")
    shared, scratch = tmp_path / "shared", tmp_path / "scratch"
    shared.mkdir(mode=0o777)
    scratch.mkdir(mode=0o711)
    box = ForkServerSandbox(required=REQUIRED[request.param], scratch_root=scratch, shared_paths=[str(shared)])
    await box.start()
    yield box
    await box.close()
    assert list(scratch.iterdir()) == []


async def test_the_servers_files_cannot_be_read(hardened: ForkServerSandbox) -> None:
    data = Path(settings.ADE_DATA_DIR)
    database = data / "tandem.sqlite3"
    database.touch(exist_ok=True)
    for name in (database, data / "secret_key", data / "encryption_key", Path(settings.BASE_DIR) / "ade/settings.py"):
        assert name.exists()
        result = await hardened.run(call_of(READ, path=str(name)))
        assert result.outcome is Outcome.ERROR, name
        assert re.search("PermissionError|FileNotFoundError", result.text), result.text


async def test_the_servers_directory_cannot_be_listed(hardened: ForkServerSandbox) -> None:
    for path in (settings.ADE_DATA_DIR, settings.BASE_DIR, Path.home()):
        result = await hardened.run(call_of(LIST, path=str(path)))
        assert re.search("PermissionError|FileNotFoundError", result.text), result.text


@pytest.mark.parametrize("bad", [bad for bad in CORPUS if bad.name in MAIN_CASES], ids=lambda bad: bad.name)
async def test_bad_tools_get_the_truth(hardened: ForkServerSandbox, tmp_path: Path, bad: Bad) -> None:
    result = await hardened.run(call_of(bad.source, "bad", limits=bad.limits))

    assert result.outcome is bad.outcome, result
    assert re.fullmatch(bad.text, result.text, re.DOTALL), result
    assert await eventually(lambda: processes_of_calls(tmp_path / "scratch") == [])
    assert (await hardened.run(call_of("def tool(): return 'well'"))).text == "well"


async def test_directories_of_the_operators_choice_are_there(hardened: ForkServerSandbox, tmp_path: Path) -> None:
    target = tmp_path / "shared" / "target"
    write = "def tool(path):\n    with open(path, 'w') as file: file.write('was here')"

    result = await hardened.run(call_of(write, path=str(target), writable_paths=(str(tmp_path / "shared"),)))

    assert result.outcome is Outcome.SUCCESS, result
    assert target.read_text() == "was here"


async def test_ordinary_tools_work(hardened: ForkServerSandbox) -> None:
    source = """
import ssl, subprocess, tempfile
from pydantic import BaseModel
def tool():
    ssl.create_default_context()
    with tempfile.NamedTemporaryFile() as file: file.write(b"x")
    return subprocess.run(["echo", "ok"], capture_output=True, text=True).stdout.strip()
"""
    assert (await hardened.run(call_of(source, limits=Limits(seconds=60), network=Network.WEB))).text == "ok"


async def test_strict_refuses_a_kernel_without_landlock(tmp_path: Path) -> None:
    box = ForkServerSandbox(required=STRICT, python=python_without_landlock(tmp_path), scratch_root=tmp_path)

    with pytest.raises(
        SandboxUnavailable, match="guards that this machine does not have: files: the kernel's Landlock"
    ):
        await box.start()


async def test_auto_says_what_it_does_without(tmp_path: Path) -> None:
    box = ForkServerSandbox(python=python_without_landlock(tmp_path), scratch_root=tmp_path)
    await box.start()
    try:
        assert any(line.startswith("Off: Files: ") for line in box.level.sentences())
    finally:
        await box.close()


async def test_bubblewrap_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    box = ForkServerSandbox(required=REQUIRED["bwrap"], scratch_root=tmp_path)

    with pytest.raises(SandboxUnavailable, match="bubblewrap, which is not installed"):
        await box.start()


async def test_the_setting_decides_what_the_server_starts(settings: Settings) -> None:
    settings.ADE_SANDBOX = "strict"
    box = sandbox()
    await box.start()
    try:
        assert box.level.on >= STRICT
        assert not box.level.has(Guard.BUBBLEWRAP)
    finally:
        await box.close()


def python_without_landlock(directory: Path) -> str:
    """This Python, as a kernel without Landlock would run it: its system calls are refused."""
    script = directory / "python"
    script.write_text(
        f"""#!{sys.executable}
import errno, os, sys
sys.path.insert(0, {str(CODE)!r})
from sandbox import linux, seccomp
refused = [*seccomp._if_equal(444, seccomp._refusal(errno.ENOSYS)), seccomp._return(seccomp.ALLOW)]
linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
linux.install_filter(b"".join([seccomp._load(0), *refused]))
os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])
"""
    )
    script.chmod(0o755)
    return str(script)
