"""Postgres and Redis of our own, in temporary directories and on free ports: tests restart them as they like."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import need
from tests.server_fixtures import free_port

_PATIENCE = 60.0
_USER = "tandem"


class PrivatePostgres:
    """One cluster. `stop` and `start` as often as you like; the port stays."""

    def __init__(self) -> None:
        self._programs = _postgres_programs()
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="tandem-postgres-"))
        # It refuses to run as root.
        self._account: Any = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        self._process: subprocess.Popen[bytes] | None = None
        if self._account:
            shutil.chown(self._directory, "postgres", "postgres")
        self._run("initdb", "-D", str(self._data), "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def url(self, database: str = "postgres") -> str:
        """For DATABASE_URL."""
        return f"postgres://{_USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._directory),
            "fsync": "off",
            "max_connections": "200",
        }
        command = [f"{self._programs}/postgres", "-D", str(self._data), "-p", str(self.port)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._directory, stdout=log, stderr=log, **self._account)
        _until(self._answers, "Postgres did not start")

    def stop(self) -> None:
        """Stop it at once, cutting every connection, without a last checkpoint: as a crash does."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=_PATIENCE)

    def create_database(self, name: str) -> str:
        """A new empty database; its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def remove(self) -> None:
        """Stop it and forget everything."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [f"{self._programs}/{program}", *arguments],
            cwd=self._directory,
            check=True,
            capture_output=True,
            **self._account,
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.Error:
            return False
        return True


class PrivateRedis:
    """One server that stores nothing on disk."""

    def __init__(self) -> None:
        self._program = need("redis-server", "news between processes go through it")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, cwd=tempfile.gettempdir(), stdout=subprocess.DEVNULL)
        _until(self._answers, "Redis did not start")

    def stop(self) -> None:
        """kill -9."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=_PATIENCE)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True


@contextlib.contextmanager
def postgres_and_redis() -> Iterator[tuple[PrivatePostgres, PrivateRedis]]:
    """Both, running."""
    postgres, redis = PrivatePostgres(), PrivateRedis()
    try:
        postgres.start()
        redis.start()
        yield postgres, redis
    finally:
        redis.stop()
        postgres.remove()


def _postgres_programs() -> str:
    """Debian keeps them out of PATH, by version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1].parent) if versions else str(Path(need("initdb", "it makes a Postgres cluster")).parent)


def _until(is_so: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(complaint)
        time.sleep(0.05)
