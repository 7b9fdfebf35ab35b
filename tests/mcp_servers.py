"""The small MCP server of mcp_server.py as a subprocess, and as rows."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.server_fixtures import free_port

SCRIPT = Path(__file__).with_name("mcp_server.py")


class TinyServer:
    """A server over HTTP; `start` after `kill` takes the same port again."""

    def __init__(self, directory: Path, transport: str = "streamable_http", *options: str) -> None:
        self.directory = directory
        self.transport = transport
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/{'sse' if transport == 'sse' else 'mcp'}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> TinyServer:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def start(self) -> TinyServer:
        """Start it and wait until it listens."""
        command = [sys.executable, str(SCRIPT), self.transport, str(self.directory), str(self.port), *self._options]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            assert self._process.poll() is None, "the MCP server ended"
            time.sleep(0.05)
        raise AssertionError("the MCP server does not listen")

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended since."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def freeze(self) -> None:
        """Let it do nothing any more, its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    @property
    def config(self) -> dict[str, Any]:
        """As the API takes it."""
        return {"mcp_server_type": self.transport, "server_url": self.url}


def stdio_config(directory: Path, transport: str = "stdio", **env: str) -> dict[str, Any]:
    """The same server as a program, as the API takes it."""
    args = [str(SCRIPT), transport, str(directory)]
    return {"mcp_server_type": "stdio", "command": sys.executable, "args": args, "env": env or None}


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until this holds; an error where it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        await asyncio.sleep(0.02)
