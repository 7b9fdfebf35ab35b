"""Environments with the packages that tools ask for, one for each set of requirements, kept in a directory: a virtual
environment of Python, or a node_modules for TypeScript.

All there is to know stands in that directory, so that any process of the server can ask: the environment itself, a log of
its building, a lock that is held meanwhile, and afterwards either a mark that it is complete or why it could not be built.
No package's own code runs before a tool does, in the sandbox.
"""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .installing import CannotInstall, OnLine, Scribe, install
from .requirements import Requirements, key_of
from .specs import SandboxUnavailable

BUILD_SECONDS = 600.0
SECONDS_UNTIL_RETRY = 60.0
LOOK_EVERY = 0.2
REASON_CHARS = 1500


class BuildState(StrEnum):
    """How it stands with an environment."""

    MISSING = "not built"
    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Standing:
    """`reason` says why it failed; `log` is what the building has said so far."""

    state: BuildState
    reason: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """One that is complete."""

    directory: Path

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.directory / "bin" / "python")

    @property
    def packages(self) -> Path:
        """Where its packages lie."""
        return self.directory / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"

    @property
    def node_modules(self) -> Path:
        """Where the packages of one for TypeScript lie."""
        return self.directory / "node_modules"

    @property
    def is_for_node(self) -> bool:
        """Whether TypeScript tools use it, instead of Python ones."""
        return self.node_modules.is_dir()


class Environments:
    """All of them, below one directory."""

    def __init__(
        self, root: Path, *, build_seconds: float = BUILD_SECONDS, patience: float = SECONDS_UNTIL_RETRY
    ) -> None:
        """One that failed is tried again after `patience` seconds at the earliest."""
        self._root = root
        self._build_seconds = build_seconds
        self._patience = patience

    def of(self, requirements: Requirements) -> Environment:
        """The environment of these, whether it is there yet or not."""
        return Environment(_Places(self._root, key_of(requirements)).directory)

    def standing(self, requirements: Requirements) -> Standing:
        """How it stands with the environment of these."""
        places = _Places(self._root, key_of(requirements))
        if places.is_complete:
            return Standing(BuildState.READY, log=places.read_log())
        if places.is_locked():
            return Standing(BuildState.BUILDING, log=places.read_log())
        if reason := places.read_failure():
            return Standing(BuildState.FAILED, reason, places.read_log())
        return Standing(BuildState.MISSING)

    def forget_failure(self, requirements: Requirements) -> None:
        """The next one who needs it tries again at once."""
        _Places(self._root, key_of(requirements)).failure.unlink(missing_ok=True)

    async def ready(self, requirements: Requirements, on_line: OnLine) -> Environment:
        """The environment, built where that has not been done. Raises SandboxUnavailable with the installer's reason;
        when it is
        cancelled nothing of the building goes on."""
        places = _Places(self._root, key_of(requirements))
        if places.is_complete:
            return Environment(places.directory)
        await asyncio.to_thread(self._root.mkdir, mode=0o755, parents=True, exist_ok=True)
        async with places.locked(on_line):
            if not places.is_complete:
                self._refuse_recent_failure(places)
                await self._build(places, requirements, on_line)
        return Environment(places.directory)

    def _refuse_recent_failure(self, places: _Places) -> None:
        reason = places.read_failure()
        if reason and time.time() - places.failure.stat().st_mtime < self._patience:
            raise SandboxUnavailable(reason)

    async def _build(self, places: _Places, requirements: Requirements, on_line: OnLine) -> None:
        await asyncio.to_thread(places.clear)
        try:
            async with asyncio.timeout(self._build_seconds):
                with places.log.open("w", encoding="utf-8", errors="replace") as log:
                    await install(places.directory, requirements, Scribe(log.write, log.flush, on_line))
        except TimeoutError:
            places.fail(f"The packages could not be installed within {self._build_seconds:g} s.")
        except CannotInstall as error:
            places.fail(f"The packages could not be installed: {error}")
        places.mark.touch()


@dataclass(frozen=True, slots=True)
class _Places:
    """What lies where for one environment."""

    root: Path
    key: str

    @property
    def directory(self) -> Path:
        return self.root / self.key

    @property
    def mark(self) -> Path:
        return self.directory / "complete"

    @property
    def log(self) -> Path:
        return self.root / f"{self.key}.log"

    @property
    def failure(self) -> Path:
        return self.root / f"{self.key}.failed"

    @property
    def is_complete(self) -> bool:
        return self.mark.exists()

    def read_log(self) -> str:
        return self._read(self.log)

    def read_failure(self) -> str:
        return self._read(self.failure)

    def _read(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def clear(self) -> None:
        """As if it had never been tried."""
        self.failure.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def fail(self, reason: str) -> None:
        """Keep the reason, and nothing else. Raises SandboxUnavailable with it."""
        self.clear()
        self.failure.write_text(reason[:REASON_CHARS], encoding="utf-8")
        raise SandboxUnavailable(reason[:REASON_CHARS])

    def is_locked(self) -> bool:
        """Whether somebody builds it now."""
        try:
            with self.lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @asynccontextmanager
    async def locked(self, on_line: OnLine) -> AsyncIterator[None]:
        """Wait until nobody else builds it."""
        has_said = False
        with self.lock.open("w") as file:
            while not _try_lock(file.fileno()):
                if not has_said:
                    on_line("Waiting for the packages that another call installs")
                    has_said = True
                await asyncio.sleep(LOOK_EVERY)
            yield

    @property
    def lock(self) -> Path:
        return self.root / f"{self.key}.lock"


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
