"""What is asked of the sandbox and what it answers. Pure data, no Django."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Network(StrEnum):
    """What a tool may reach: nothing, the web (DNS, TCP 80 and 443), or everything."""

    OFF = "off"
    WEB = "web"
    FULL = "full"


class Language(StrEnum):
    """What a tool is written in."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"


class SandboxUnavailable(RuntimeError):
    """Tools cannot run here. The message says why and what to do."""


class Outcome(StrEnum):
    """How a call in the sandbox ended. Cancelling it raises `asyncio.CancelledError` instead."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one call. Seconds are wall time from the start of the child; sizes are bytes, `return_chars` characters."""

    seconds: float = 60.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 64 << 20
    open_files: int = 256
    processes: int = 256
    scratch_bytes: int = 256 << 20
    scratch_files: int = 20_000
    output_chars: int = 50_000
    return_chars: int = 50_000
    full_return_bytes: int = 10 << 20


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """A call's way to this server's API: where it listens, and the token that stands for the call."""

    host: str
    port: int
    token: str = field(repr=False)
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The base URL for clients."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SandboxCall:
    """One call: run `source`, then its function `function` with keyword arguments `arguments` (JSON values).

    `environment` is the whole environment the tool sees besides the sandbox's own harmless defaults (PATH, HOME,
    TMPDIR, LANG); nothing of the server's environment is inherited. `writable_paths` are directories of the operator's
    choice that the tool may use besides its scratch directory. `parameters` are the names of the tool's arguments, in
    order; TypeScript tools are bound by them, and import from `node_modules`. A Python tool gets `agent_state` and `agent_id` where it names a parameter
    so; with `wants_client` also `client`, as a parameter and as a name of its module: a Letta client that uses `server`.
    """

    source: str
    function: str
    arguments: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    network: Network = Network.WEB
    agent_state: Mapping[str, Any] | None = None
    agent_id: str = ""
    server: ServerAccess | None = None
    wants_client: bool = False
    writable_paths: tuple[str, ...] = ()
    language: Language = Language.PYTHON
    parameters: tuple[str, ...] = ()
    node_modules: str = ""


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """How it ended.

    `text` is what the model is told: the return value as text (a str as it is, anything else as JSON, NaN as "NaN",
    lone surrogates escaped), or the error in one or a few lines; cut to `limits.return_chars` with a note.
    `full_text` is the same uncut, up to `limits.full_return_bytes`; `json_text` is what was returned as JSON, where that
    was no text and nothing of it was cut, else "". `stdout` and `stderr` are capped with a note.
    """

    outcome: Outcome
    text: str
    full_text: str
    json_text: str = ""
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0


class OutputStream(StrEnum):
    """Which of a tool's two streams a piece of output came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


OnOutput = Callable[[OutputStream, str], None]


class Sandbox(Protocol):
    """The port that the rest of the product runs tools through."""

    async def start(self) -> None:
        """Get ready (idempotent). Raises `SandboxUnavailable` with what to do."""
        ...

    async def run(self, call: SandboxCall, on_output: OnOutput | None = None) -> SandboxResult:
        """Run one call. A tool's failure is a result, never an exception. `on_output` is told each complete piece of
        decoded text as it is printed, within the caps. When cancelled, the call's processes, grandchildren included,
        are gone before `CancelledError` leaves."""
        ...

    async def close(self) -> None:
        """End everything that still runs."""
        ...
