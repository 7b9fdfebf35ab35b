"""The SDK's three transports, opened as a server's configuration says, and watched for what has really been sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any

import httpx2
from django.conf import settings
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from mcp_servers.http_client import SessionHttpClient
from mcp_servers.models import ServerKind
from mcp_servers.reach import HttpReach, Reach, StdioReach, require_stdio
from mcp_servers.stderr_tail import StderrTail


class Sent:
    """Whether a call has left. The task that makes the call notes itself; what it writes is then the call's."""

    def __init__(self) -> None:
        self.is_sent = False
        self.is_over = False

    def note(self) -> None:
        """What this task writes from now on belongs to this call."""
        _current.set(self)


_current: ContextVar[Sent | None] = ContextVar("mcp_call", default=None)


class WatchedStream:
    """The stream to a server; whoever writes is noted as sent once the transport has taken the message."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def send(self, item: SessionMessage, /) -> None:
        """Hand the message to the transport."""
        await self._inner.send(item)
        if (call := _current.get()) is not None:
            call.is_sent = True

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    async def __aenter__(self) -> WatchedStream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


@asynccontextmanager
async def transport(
    reach: Reach, name: str, stderr: StderrTail, on_broken: Callable[[str], None]
) -> AsyncIterator[tuple[Any, WatchedStream]]:
    """The two streams of a session. Raises McpProblem, OSError, and whatever the SDK raises."""
    opened = _over_stdio(reach, stderr) if isinstance(reach, StdioReach) else _over_http(reach, on_broken)
    async with opened as (reading, writing):
        yield reading, WatchedStream(writing)


@asynccontextmanager
async def _over_stdio(reach: StdioReach, stderr: StderrTail) -> AsyncIterator[Any]:
    require_stdio()
    # Not where the server's own files are; the SDK hands on PATH and HOME, and no variable of ours.
    directory = settings.ADE_DATA_DIR / "mcp"
    directory.mkdir(exist_ok=True)
    parameters = StdioServerParameters(command=reach.command, args=list(reach.args), env=dict(reach.env), cwd=directory)
    with stderr.listening() as file:
        async with stdio_client(parameters, errlog=file) as streams:
            yield streams


def _over_http(reach: HttpReach, on_broken: Callable[[str], None]) -> AbstractAsyncContextManager[Any]:
    if reach.kind == ServerKind.SSE:

        def make(
            headers: Mapping[str, str] | None = None,
            timeout: httpx2.Timeout | None = None,
            auth: httpx2.Auth | None = None,
        ) -> SessionHttpClient:
            return SessionHttpClient(reach.headers, on_broken)

        return sse_client(reach.server_url, httpx_client_factory=make)
    return _over_streamable_http(reach)


@asynccontextmanager
async def _over_streamable_http(reach: HttpReach) -> AsyncIterator[Any]:
    async with SessionHttpClient(reach.headers) as client:
        async with streamable_http_client(reach.server_url, http_client=client) as streams:
            yield streams
