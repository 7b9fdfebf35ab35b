"""Installs packages with the installers that people know, pip and npm, without running any code of a package."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .requirements import NpmPackage, Requirements

REASON_LINES = 8
OF_THE_SERVER = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
OF_INSTALLERS = ("pip_", "npm_config_")
NO_NPM = "npm is not on the server's PATH: install Node.js 18 or newer together with npm there, or remove the tool's npm packages."

OnLine = Callable[[str], None]
"""Told each line of a building's progress, without its end."""


class CannotInstall(Exception):
    """The last lines that the installer said, or why there is none."""


@dataclass(frozen=True, slots=True)
class Scribe:
    """Writes down what an installer says, and tells it."""

    write: Callable[[str], object]
    flush: Callable[[], object]
    on_line: OnLine

    def note(self, line: str) -> None:
        """One line."""
        self.write(line + "\n")
        self.flush()
        self.on_line(line)


async def install(directory: Path, requirements: Requirements, scribe: Scribe) -> None:
    """Make the environment. Raises CannotInstall."""
    scribe.note("Making an environment for " + ", ".join(one.line for one in requirements))
    if isinstance(requirements[0], NpmPackage):
        await _install_node(directory, requirements, scribe)
    else:
        await _install_python(directory, requirements, scribe)


async def _install_python(directory: Path, requirements: Requirements, scribe: Scribe) -> None:
    await _run([sys.executable, "-I", "-m", "venv", "--without-pip", str(directory)], Path("/"), scribe)
    python = str(directory / "bin" / "python")
    pip = [
        sys.executable,
        "-I",
        "-m",
        "pip",
        "--python",
        python,
        "--disable-pip-version-check",
        "--no-input",
        "install",
    ]
    # Only wheels: nothing of a package runs while it is installed.
    options = ["--only-binary", ":all:", "--progress-bar", "off", "--no-warn-script-location"]
    await _run([*pip, *options, "--", *(one.line for one in requirements)], Path("/"), scribe)


async def _install_node(directory: Path, requirements: Requirements, scribe: Scribe) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise CannotInstall(NO_NPM)
    await asyncio.to_thread(_declare, directory, requirements)
    cache = directory / "cache"
    # The lock file stays: it says which versions these are, with their checksums.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=http", "--logs-max=0"]
    await _run([npm, "install", *options, f"--cache={cache}"], directory, scribe)
    await asyncio.to_thread(shutil.rmtree, cache, ignore_errors=True)


def _declare(directory: Path, requirements: Requirements) -> None:
    (directory / "node_modules").mkdir(mode=0o755, parents=True)
    wanted = {"private": True, "dependencies": {one.name: one.versions or "*" for one in requirements}}
    (directory / "package.json").write_text(json.dumps(wanted), encoding="utf-8")


async def _run(command: Sequence[str], place: Path, scribe: Scribe) -> None:
    """A command in a session of its own, all of it ended with us. Raises CannotInstall."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=place,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=installer_environment(os.environ),
        start_new_session=True,
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None  # asked for above
        async for raw in process.stdout:
            lines.append(raw.decode("utf-8", "replace").rstrip())
            scribe.note(lines[-1])
        if await process.wait() != 0:
            raise CannotInstall("\n".join(lines[-REASON_LINES:]) or f"exit code {process.returncode}")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def installer_environment(given: Mapping[str, str]) -> dict[str, str]:
    """What an installer is given of the server's environment: how to reach an index, and no secret of the server's own."""
    return {
        name: value
        for name, value in given.items()
        if name in OF_THE_SERVER or name.lower() in PROXIES or name.lower().startswith(OF_INSTALLERS)
    }
