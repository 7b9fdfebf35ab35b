"""A real server in a process of its own, beside an instant provider, spoken to over plain HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

BASE = Path(__file__).resolve().parent.parent.parent
KEY = "benchmark-key"
SECONDS_TO_START = 60.0


@dataclass
class Dashboard:
    """A running server. Requests go over one connection that stays open."""

    port: int
    _connection: HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=600)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One API request; the answer's JSON. Raises RuntimeError with the server's words."""
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)

    def make_tool(self, source: str, *, parallel: bool) -> str:
        """A new tool's id."""
        tool = self.ask("POST", "/v1/tools/", {"source_code": source, "enable_parallel_execution": parallel})
        return str(tool["id"])

    def make_agent(self, tool_ids: Sequence[str] = (), *, parallel: bool = True) -> str:
        """A new agent's id; its model is the provider's."""
        config = {"model": "openai/gpt-4.1", "parallel_tool_calls": parallel}
        return str(self.ask("POST", "/v1/agents/", {"llm_config": config, "tool_ids": list(tool_ids)})["id"])

    def send(self, agent_id: str, text: str) -> list[dict[str, Any]]:
        """Send a message and wait for the turn's end; the returns of its calls. Raises RuntimeError if one failed."""
        turn = self.ask("POST", f"/v1/agents/{agent_id}/messages", {"input": text})
        returns = [
            part
            for message in turn["messages"]
            if message["message_type"] == "tool_return_message"
            for part in message.get("tool_returns") or [message]
        ]
        failed = [part for part in returns if part["status"] != "success"]
        if failed or turn["stop_reason"]["stop_reason"] != "end_turn":
            raise RuntimeError(f"the turn failed: {json.dumps(turn)[:600]}")
        return returns


def free_port() -> int:
    """A port that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def provider() -> Iterator[str]:
    """The base URL of an instant OpenAI whose answers are said by marks in the message (CALL name*16)."""
    asked = [sys.executable, "-m", "tests.provider_stub", "--port", "0"]
    with subprocess.Popen(asked, cwd=BASE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # asked for above
        try:
            yield f"{process.stdout.readline().strip()}/v1"
        finally:
            process.terminate()


@contextmanager
def dashboard(provider_url: str, **settings: str) -> Iterator[Dashboard]:
    """A server on an empty data directory, started with the shipped commands."""
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as directory:
        port = free_port()
        environment = {
            **os.environ,
            "ADE_DATA_DIR": directory,
            "ADE_PORT": str(port),
            "ADE_API_KEY": KEY,
            "OPENAI_API_KEY": "none-needed",
            "OPENAI_BASE_URL": provider_url,
            "NO_PROXY": "127.0.0.1,localhost",
            "ADE_LOG_LEVEL": "WARNING",
            **settings,
        }
        command = [sys.executable, "manage.py", "serve", "--prepare"]
        with subprocess.Popen(command, cwd=BASE, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                yield _wait_until_healthy(port, process)
            finally:
                process.terminate()


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes]) -> Dashboard:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        server = Dashboard(port)
        try:
            server.ask("GET", "/v1/health/")
        except (OSError, RuntimeError):
            time.sleep(0.1)
            continue
        return server
    raise RuntimeError("the server did not start")
