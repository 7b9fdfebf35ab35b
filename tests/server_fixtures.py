"""The shipped command as a subprocess, with a data directory of its own, a free port and the stub provider."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provider_fixtures import ProviderStub

_ROOT = Path(__file__).parent.parent
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LINK = re.compile(r"http://\S+/login/\S+/")


class TandemServer:
    """One server. `start` after `stop` or `kill` takes the same port and data directory again."""

    def __init__(self, data_dir: Path, environment: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_key = "test-api-key"
        self.printed: list[str] = []
        self._environment = environment or {}
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that it has printed, over all its starts."""
        return "\n".join(self.printed)

    def prepare(self) -> None:
        """Tables and static files; no agent yet. Takes seconds, so that tests share one prepared directory."""
        self.manage("migrate", "--verbosity", "0")
        self.manage("collectstatic", "--noinput", "--verbosity", "0")

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-X", "faulthandler", "manage.py", "serve"]
        self._process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        self._wait_until_it_answers(self._process)

    def stop(self) -> int:
        """Stop it as Ctrl-C does; its exit code."""
        return self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9, as a crash would."""
        self._end(signal.SIGKILL)

    def login_link(self, username: str = "admin") -> str:
        """A new link that signs in once."""
        return self.manage("loginlink", username).strip().splitlines()[-1]

    def first_login_link(self) -> str:
        """The link that the last start printed."""
        return str(_LINK.findall(self.log)[-1])

    def manage(self, *arguments: str) -> str:
        """Run a management command on the server's data; what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=_ROOT,
            env=self.environ(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # faulthandler prints where each thread stands
            time.sleep(1)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)
            raise AssertionError(f"the server did not stop:\n{self.log}") from None

    def environ(self) -> dict[str, str]:
        """What it is started with."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ADE_", "DATABASE_", "REDIS_"))
        }
        own = {
            "ADE_DATA_DIR": str(self.data_dir),
            "ADE_PORT": str(self.port),
            "ADE_API_KEY": self.api_key,
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return {**kept, **own, **self._environment}

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.printed.append(line.rstrip("\n"))

    def _wait_until_it_answers(self, process: subprocess.Popen[str]) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                raise AssertionError(f"the server ended with {process.returncode}:\n{self.log}")
            try:
                opener.open(f"{self.url}/v1/health/", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise AssertionError(f"the server did not answer in {_START_SECONDS:g} seconds:\n{self.log}")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def prepared_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with tables and static files and nothing else, to be copied."""
    made = TandemServer(tmp_path_factory.mktemp("prepared") / "data")
    made.prepare()
    # Each server makes secrets of its own.
    for name in ("secret_key", "encryption_key"):
        (made.data_dir / name).unlink(missing_ok=True)
    return made.data_dir


def start_server(prepared: Path, data_dir: Path, environment: dict[str, str] | None = None) -> TandemServer:
    """A running server on a copy of the prepared directory."""
    shutil.copytree(prepared, data_dir)
    made = TandemServer(data_dir, environment)
    made.start()
    return made


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, prepared_data_dir: Path, running_provider_stub: ProviderStub
) -> Iterator[TandemServer]:
    """A server for all tests of a file, asking the stub provider."""
    data_dir = tmp_path_factory.mktemp("tandem") / "data"
    made = start_server(prepared_data_dir, data_dir, running_provider_stub.settings)
    yield made
    made.stop()


@pytest.fixture
def own_server(tmp_path: Path, prepared_data_dir: Path, running_provider_stub: ProviderStub) -> Iterator[TandemServer]:
    """A server for one test, which may stop and kill it."""
    made = start_server(prepared_data_dir, tmp_path / "data", running_provider_stub.settings)
    yield made
    made.stop()
