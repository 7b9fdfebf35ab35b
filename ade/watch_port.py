"""A small port beside the worker: /metrics, /live and /ready, for a process that serves no pages."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from prometheus_client import CONTENT_TYPE_LATEST

from ade.metrics import exposition, may_read_metrics
from runs.readiness import Check, readiness

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

_PATIENCE = 10.0
Answer = tuple[str, str, bytes]


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """One line every few seconds for each scrape would be all that the log says."""


@contextmanager
def watch_port() -> Iterator[int]:
    """Answer on `ADE_METRICS_PORT` for the time of the block, from a thread; the port, or 0 where there is to be none.

    Entered on the worker's loop. Raises ImproperlyConfigured where everybody could read the numbers.
    """
    if not settings.ADE_METRICS_PORT:
        yield 0
        return
    refuse_open_metrics(settings.ADE_METRICS_HOST, settings.ADE_METRICS_TOKEN)
    loop = asyncio.get_running_loop()
    server = make_server(
        settings.ADE_METRICS_HOST, settings.ADE_METRICS_PORT, _application(loop), WSGIServer, handler_class=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever, name="watch-port", daemon=True)
    thread.start()
    log.info("metrics and readiness on %s:%d", settings.ADE_METRICS_HOST, server.server_port)
    try:
        yield server.server_port
    finally:
        # Not waited for: the thread may be waiting for this very loop.
        threading.Thread(target=_close, args=(server,), daemon=True).start()


def refuse_open_metrics(host: str, token: str) -> None:
    """Numbers are for whoever is on this machine, or has the token."""
    try:
        is_local = ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if not is_local and not token:
        raise ImproperlyConfigured(f"ADE_METRICS_HOST is {host}: set ADE_METRICS_TOKEN too, or use 127.0.0.1.")


def _close(server: WSGIServer) -> None:
    server.shutdown()
    server.server_close()


def _application(loop: asyncio.AbstractEventLoop) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        status, content_type, body = _answer(environ, loop)
        start(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def _answer(environ: WSGIEnvironment, loop: asyncio.AbstractEventLoop) -> Answer:
    match environ.get("PATH_INFO", "").rstrip("/"):
        case "/live":
            return _text("200 OK", "ok")
        case "/ready":
            return _ready(loop)
        case "/metrics":
            try:
                return _metrics(environ.get("HTTP_AUTHORIZATION", ""))
            finally:
                connection.close()
        case _:
            return _text("404 Not Found", "Here are /metrics, /live and /ready.")


def _metrics(authorization: str) -> Answer:
    if settings.ADE_METRICS_TOKEN and not may_read_metrics(authorization):
        return _text("401 Unauthorized", "Send ADE_METRICS_TOKEN as a bearer token.")
    return "200 OK", CONTENT_TYPE_LATEST, exposition()


def _ready(loop: asyncio.AbstractEventLoop) -> Answer:
    asked = asyncio.run_coroutine_threadsafe(readiness(), loop)
    try:
        checks = asked.result(_PATIENCE)
    except FutureTimeout:
        asked.cancel()
        checks = [Check("loop", f"the worker's loop did not answer within {_PATIENCE:g} seconds")]
    problems = [f"{check.name}: {check.problem}" for check in checks if check.problem]
    return _text("503 Service Unavailable", "\n".join(problems)) if problems else _text("200 OK", "ready")


def _text(status: str, text: str) -> Answer:
    return status, "text/plain; charset=utf-8", f"{text}\n".encode()
