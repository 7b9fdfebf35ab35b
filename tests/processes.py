"""The shipped commands as subprocesses, put together as an operator would: one `serve` on SQLite, or on Postgres one
that serves pages and workers beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.server_fixtures import TandemServer

_ROOT = Path(__file__).parent.parent
_STOP_SECONDS = 60.0


def outside() -> dict[str, str]:
    """The environment without what this run of the tests has set for itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "ADE_", "DJANGO_"))}


class WorkerProcess:
    """`python manage.py worker`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._process: subprocess.Popen[str] | None = None
        self.printed: list[str] = []
        self._runs = threading.Event()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, "the worker does not run"
        return self._process.pid

    def start(self) -> None:
        """Start it; `wait_until_ready` waits."""
        self._runs.clear()
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "manage.py", "worker"],
            cwd=_ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def wait_until_ready(self) -> None:
        """Wait until it says that it works."""
        assert self._runs.wait(60), "\n".join(self.printed)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9, as a crash would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM, as a deploy does; its exit code."""
        if self._process is None:
            return 0
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended; its exit code."""
        process, self._process = self._process, None
        assert process is not None, "the worker does not run"
        try:
            return process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("the worker did not stop:\n" + "\n".join(self.printed)) from None

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.printed.append(line.rstrip("\n"))
            if "worker runs" in line:
                self._runs.set()
        self._runs.set()


@contextmanager
def one_server(data_dir: Path, environment: Mapping[str, str]) -> Iterator[TandemServer]:
    """`serve` with its worker, on SQLite."""
    server = TandemServer(data_dir, dict(environment))
    server.prepare()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def server_and_workers(
    data_dir: Path, environment: Mapping[str, str], count: int = 2
) -> Iterator[tuple[TandemServer, list[WorkerProcess]]]:
    """`serve` without a worker, and workers, on the database that the environment names."""
    server = TandemServer(data_dir, {**environment, "ADE_WORKER": "off"})
    server.prepare()
    server.start()
    workers = [WorkerProcess({**server.environ(), **environment, "ADE_WORKER": "on"}) for _ in range(count)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.wait_until_ready()
        yield server, workers
    finally:
        for worker in workers:
            worker.stop()
        server.stop()
