"""`make run`, as a person at a terminal uses it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import cannot_run, need
from tests.server_fixtures import free_port

BASE = Path(__file__).resolve().parent.parent
SECONDS_TO_START = 120.0
SECONDS_TO_STOP = 30.0
READY = "Ctrl-C stops it"
# These tests may themselves have been started by make, which tells its children so.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


class Terminal:
    """`make run` on a terminal of its own, with its own data directory and port."""

    def __init__(self, data_dir: Path) -> None:
        need("make", "make run is how people start it")
        self.printed = ""
        environment = {**ENVIRONMENT, "ADE_DATA_DIR": str(data_dir), "ADE_PORT": str(free_port())}
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(BASE)
            os.execvpe("make", ["make", "run"], environment)

    def wait_for(self, text: str) -> None:
        """Read until it has printed this."""
        until = time.monotonic() + SECONDS_TO_START
        while text not in self.printed:
            if time.monotonic() > until or not self._read():
                raise AssertionError(f"{text!r} was not printed:\n{self.printed}")

    def press_ctrl_c(self) -> int:
        """Stop it; the exit code of make."""
        os.write(self._terminal, b"\x03")
        until = time.monotonic() + SECONDS_TO_STOP
        while self._read():
            if time.monotonic() > until:
                raise AssertionError(f"it did not stop:\n{self.printed}")
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> bool:
        """Read what there is within a second; False at the end."""
        if not select.select([self._terminal], [], [], 1.0)[0]:
            return True
        try:
            piece = os.read(self._terminal, 65536)
        except OSError:  # how Linux tells that nobody has the other end any more
            return False
        self.printed += piece.decode()
        return bool(piece)


def test_make_run_prints_a_link_stops_cleanly_and_keeps_everything(tmp_path: Path) -> None:
    if not (BASE / ".venv" / ".runs").exists():
        cannot_run("make run would install its environment first; run the tests with make test")
    first = Terminal(tmp_path)
    first.wait_for(READY)
    assert re.search(r"http://localhost:\d+/login/\S+/", first.printed)
    assert "Harbour guide" in first.printed
    assert "API key, shown only now: tdm-" in first.printed
    assert first.press_ctrl_c() == 0
    assert "make:" not in first.printed
    assert "Traceback" not in first.printed

    second = Terminal(tmp_path)
    second.wait_for(READY)
    assert re.search(r"http://localhost:\d+/login/\S+/", second.printed)
    assert "Harbour guide" not in second.printed
    assert "API key" not in second.printed
    assert second.press_ctrl_c() == 0


def test_a_python_without_venv_is_told_what_to_install_in_one_line(tmp_path: Path) -> None:
    need("make", "make run is how people start it")
    python = tmp_path / "python3"
    blocked = "import sys; sys.modules['ensurepip'] = None; exec(open(sys.argv[1]).read())"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{blocked}" "$@"\n')
    python.chmod(0o755)
    asked = ["make", "run", f"PYTHON={python}", f"VENV={tmp_path / 'none'}"]
    told = subprocess.run(asked, cwd=BASE, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert told.returncode != 0
    assert told.stdout == ""
    assert told.stderr.count("\n") == 1
    assert "apt-get install python3-venv" in told.stderr
