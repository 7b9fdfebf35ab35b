"""The HTTP client of a session. What goes wrong with one request is that request's answer and nobody else's: an
exception would end the whole session, and with it every other call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

NOT_SENT = "tandem:not-sent"
"""The `data` of an error where the server cannot have begun what it was asked."""
SESSION_GONE = "tandem:session-gone"
"""The same, because it has begun anew and knows nothing of the session."""
CUT_OFF = "tandem:cut-off"
"""The `data` of an error where nobody knows what the server has done."""

_CODE = -32003
_NOTICE_SECONDS = 5.0
_MOST_TEXT = 500


class SessionHttpClient(httpx2.AsyncClient):
    """Answers POSTs that fail with an error of the protocol that says why. `on_broken`, for sessions whose answers come
    another way than with the POST, is told instead."""

    def __init__(self, headers: Mapping[str, str], on_broken: Callable[[str], None] | None = None) -> None:
        # No read timeout: how long an answer may take is each call's own affair.
        timeout = httpx2.Timeout(None, connect=10.0, write=30.0)
        super().__init__(headers=dict(headers), timeout=timeout, limits=httpx2.Limits(max_connections=None))
        self._on_broken = on_broken

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send one request."""
        if request.method != "POST":
            async with asyncio.timeout(_NOTICE_SECONDS if request.method == "DELETE" else None):
                return await super().send(request, **options)
        try:
            async with asyncio.timeout(None if _is_question(request) else _NOTICE_SECONDS):
                response = await super().send(request, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            return self._failed(request, f"cannot connect to {_place(request)}: {_words(error)}", NOT_SENT)
        except (httpx2.TransportError, TimeoutError) as error:
            return self._failed(request, f"{_place(request)} did not answer: {_words(error)}", CUT_OFF)
        if response.status_code < 400:
            return response
        return await self._explained(request, response)

    async def _explained(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """An answer that says no: the protocol's own error where there is one, the status and the text otherwise."""
        try:
            body = (await response.aread()).decode(errors="replace")
        except httpx2.TransportError:
            body = ""
        if response.status_code == 404 and "mcp-session-id" in request.headers:
            return self._failed(request, "the server no longer knows the session", SESSION_GONE)
        if _is_protocol_error(body) and self._on_broken is None:
            return response
        said = f": {' '.join(body.split())[:_MOST_TEXT]}" if body.strip() else ""
        return self._failed(request, f"HTTP {response.status_code} {response.reason_phrase}{said}")

    def _failed(self, request: httpx2.Request, text: str, data: str | None = None) -> httpx2.Response:
        if self._on_broken is not None:
            self._on_broken(text)
        error = {"code": _CODE, "message": text, "data": data}
        return httpx2.Response(502, json={"jsonrpc": "2.0", "id": None, "error": error}, request=request)


def _is_question(request: httpx2.Request) -> bool:
    """Whether an answer is awaited, other than for a notification."""
    try:
        return "id" in json.loads(request.content)
    except (ValueError, TypeError, httpx2.RequestNotRead):
        return True


def _is_protocol_error(body: str) -> bool:
    try:
        said = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and isinstance(said.get("error"), dict) and "jsonrpc" in said


def _place(request: httpx2.Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc.decode().rpartition('@')[2]}"


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
