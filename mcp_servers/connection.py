"""One session with a server. A task of its own opens it, holds it and closes it: the cancel scopes of the SDK must be
left by the task that entered them. Calls come from any task and share the session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from contextvars import Context
from typing import Any

from django.conf import settings
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, CallToolResult, Implementation, Tool

from mcp_servers.http_client import CUT_OFF, NOT_SENT, SESSION_GONE
from mcp_servers.models import ServerKind
from mcp_servers.problems import ConnectionLost, ServerRefused, Unreachable
from mcp_servers.reach import Reach
from mcp_servers.stderr_tail import StderrTail
from mcp_servers.transports import Sent, transport
from tools.redaction import Redactor

log = logging.getLogger(__name__)

OPEN_SECONDS = 45.0  # a program may have to be downloaded by its launcher first
IDLE_SECONDS = 300.0
_PROBE_SECONDS = 5.0
# The SDK itself gives a program two seconds to end by itself, two after SIGTERM, two after SIGKILL.
_CLOSE_SECONDS = 8.0
_MOST_PAGES = 100
# What the SDK itself says to all calls of a session that has ended; servers use the code for errors of their own.
_CLOSED = "Connection closed"

_ME = Implementation(name="tandem", version=settings.VERSION)

OnProgress = Callable[[str], None]
"""Told a line about how far a call is."""


class Connection:
    """A session with a server, from `open` until `close`, loss, or five minutes without a call."""

    def __init__(self, name: str, reach: Reach) -> None:
        self.name = name
        self.reach = reach
        self.tools: tuple[Tool, ...] = ()
        self._redactor = Redactor(reach.secrets)
        self._stderr = StderrTail()
        self._client: Client | None = None
        self._stop = asyncio.Event()
        self._why = ""
        self._is_retired = False
        self._lost: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._owner: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._idle: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls can be made."""
        return self._client is not None and not self._stop.is_set() and not self._is_retired

    async def open(self) -> None:
        """Connect and read which tools there are. Raises Unreachable."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A context of its own: what is logged for the session belongs to no call.
        self._owner = owner = asyncio.create_task(self._own(ready), context=Context())
        owner.add_done_callback(_look_at)
        try:
            await asyncio.wait([ready, owner, self._lost], timeout=OPEN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not ready.done():
                owner.cancel()
        if not ready.done():
            why = self._why or f"it did not answer within {OPEN_SECONDS:g} seconds"
            raise Unreachable(f"The MCP server {self.name} cannot be used: {self._with_last_words(why)}")

    async def leave(self) -> None:
        """Take no more calls, and end the session when those under way have ended."""
        if self._client is None:
            await self.close()
            return
        self._retire("it is reached otherwise now")
        if self._owner is not None:
            await asyncio.wait({self._owner})

    async def close(self) -> None:
        """End the session; a program that was started for it is ended too."""
        self._lose("the connection was closed")
        if self._owner is not None:
            if self._client is None:  # it is still being opened
                self._owner.cancel()
            await asyncio.wait({self._owner}, timeout=_CLOSE_SECONDS)

    async def call(
        self, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress, seconds: float | None = None
    ) -> CallToolResult:
        """Call a tool of the server. Whoever cancels or runs out of time leaves at once; the server is told.

        Raises ConnectionLost, ServerRefused, TimeoutError.
        """
        sent = Sent()
        self._begin()
        calling = asyncio.create_task(self._ask(tool, dict(arguments), sent, on_progress))
        try:
            await asyncio.wait([calling, self._lost], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sent.is_over = True
            if not calling.done():
                calling.cancel()
            calling.add_done_callback(_look_at)
            self._end()
        if calling.done():
            return calling.result()
        if self._lost.done():
            raise ConnectionLost(self._with_last_words(self._why), was_sent=sent.is_sent)
        self._spawn(self._probe())
        raise TimeoutError

    async def _ask(self, tool: str, arguments: dict[str, Any], sent: Sent, on_progress: OnProgress) -> CallToolResult:
        async def tell(progress: float, total: float | None, message: str | None) -> None:
            if not sent.is_over:
                on_progress(self._redactor.clean(_progress_line(progress, total, message)))

        if self._client is None or not self.is_open:
            raise ConnectionLost(self._why, was_sent=False)
        sent.note()
        try:
            return await self._client.call_tool(tool, arguments, progress_callback=tell)
        except MCPError as error:
            raise self._explained(error, sent) from error
        except (RuntimeError, ValueError) as error:  # what came is no answer that the protocol knows
            raise ServerRefused(self._redactor.clean(str(error))) from error

    def _explained(self, error: MCPError, sent: Sent) -> Exception:
        """What an error means for the call, and for the session."""
        text = self._redactor.clean(error.message)
        if error.message == _CLOSED:
            self._lose("the server closed the connection")
            return ConnectionLost(self._with_last_words(self._why), was_sent=sent.is_sent)
        if error.data == SESSION_GONE:
            # The others are told so themselves, each as an answer of its own.
            self._retire(text)
        if error.data in (NOT_SENT, SESSION_GONE):
            return ConnectionLost(text, was_sent=False)
        # The answer to this one call was cut off; the session may well live.
        is_cut_off = error.code == CONNECTION_CLOSED and error.message.startswith("SSE stream")
        return ConnectionLost(text, was_sent=True) if error.data == CUT_OFF or is_cut_off else ServerRefused(text)

    async def _own(self, ready: asyncio.Future[None]) -> None:
        try:
            async with AsyncExitStack() as stack:
                streams = transport(self.reach, self.name, self._stderr, self._lose)
                # Servers of this transport know nothing of the newest protocol's first question.
                mode = "legacy" if self.reach.kind == ServerKind.SSE else "auto"
                client = await stack.enter_async_context(Client(streams, mode=mode, cache=None, client_info=_ME))
                self.tools = await _listed(client)
                self._client = client
                ready.set_result(None)
                self._rest()
                await self._stop.wait()
        except Exception as error:
            log.debug("connection to MCP server %s", self.name, exc_info=error)
            self._lose(_reason(error))
        finally:
            self._lose("the connection was closed")

    def _lose(self, why: str) -> None:
        """No more calls; those under way fail. The first reason is the one that is told."""
        if not self._stop.is_set():
            self._why = self._why or self._redactor.clean(why)
            self._stop.set()
        if not self._lost.done():
            self._lost.set_result(None)
        if self._idle is not None:
            self._idle.cancel()

    def _retire(self, why: str) -> None:
        self._is_retired, self._why = True, self._why or self._redactor.clean(why)
        if not self._in_flight:
            self._lose(self._why)

    async def _probe(self) -> None:
        """After a call that took too long: a server that does not answer at all is given up."""
        if self._client is None:
            return
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._client.list_tools()
        except (TimeoutError, MCPError, RuntimeError, ValueError):
            self._lose("the server no longer answers")

    def _begin(self) -> None:
        self._in_flight += 1
        if self._idle is not None:
            self._idle.cancel()

    def _end(self) -> None:
        self._in_flight -= 1
        if not self._in_flight and self._is_retired:
            self._lose(self._why)
        elif not self._in_flight:
            self._rest()

    def _rest(self) -> None:
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(IDLE_SECONDS, self._lose, "it was not used for a while")

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work, context=Context())
        _KEPT.add(task)
        task.add_done_callback(_KEPT.discard)

    def _with_last_words(self, why: str) -> str:
        said = self._redactor.clean(self._stderr.text)
        return f"{why}. It said: {said}" if said else why


# The loop itself holds tasks only weakly.
_KEPT: set[asyncio.Task[Any]] = set()


async def _listed(client: Client) -> tuple[Tool, ...]:
    """All tools, page by page."""
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor:
            break
    return tuple(tools)


def _look_at(task: asyncio.Task[Any]) -> None:
    """Whoever left does not want to know how it ended."""
    if not task.cancelled():
        task.exception()


def _reason(error: BaseException) -> str:
    """The innermost reason, for a person."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return "it closed the connection" if error.code == CONNECTION_CLOSED else error.message
    return f"{error}" or type(error).__name__


def _progress_line(progress: float, total: float | None, message: str | None) -> str:
    of = f"/{total:g}" if total else ""
    return f"[{progress:g}{of}] {message}\n" if message else f"[{progress:g}{of}]\n"
