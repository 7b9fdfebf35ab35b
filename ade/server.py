"""One process: Daphne serves HTTP and WebSocket, and the worker runs on Daphne's own loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from daphne.server import Server
from twisted.internet import reactor
from twisted.internet.defer import Deferred

log = logging.getLogger(__name__)
loop_reactor: Any = reactor  # Twisted's module is replaced by the reactor that Daphne installs


def serve(
    application: Any,
    *,
    host: str,
    port: int,
    work: Callable[[], Coroutine[Any, Any, None]] | None,
    ready: Callable[[], None],
) -> int:
    """Serve until a signal comes; the exit code. `work` is the worker, `ready` is called when requests are taken.

    Should the worker end by itself, the process ends with 1: a dashboard whose worker is silently gone helps nobody.
    """
    exit_code = 0

    def start() -> None:
        # Only once the reactor runs does it hear signals: who is told that Ctrl-C stops it may press it at once.
        loop_reactor.callWhenRunning(ready)
        if work is None:
            return
        task = asyncio.get_event_loop().create_task(work())
        task.add_done_callback(worker_ended)
        loop_reactor.addSystemEventTrigger("before", "shutdown", lambda: _finish(task))

    def worker_ended(task: asyncio.Task[None]) -> None:
        nonlocal exit_code
        if not task.cancelled() and task.exception() is not None:
            exit_code = 1
            log.critical("The worker has ended, so the server stops.", exc_info=task.exception())
            if loop_reactor.running:
                loop_reactor.stop()

    _refuse_taken_port(host, port)
    # A shell starts what it puts into the background with SIGINT ignored; "Ctrl-C stops it" has to be true there too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    Server(
        application=application,
        endpoints=[f"tcp:port={port}:interface={host.replace(':', chr(92) + ':')}"],
        signal_handlers=True,
        http_timeout=None,
        websocket_timeout=-1,
        server_name="tandem",
        ready_callable=start,
        application_close_timeout=5,
        verbosity=0,
    ).run()
    return exit_code


def _finish(task: asyncio.Task[None]) -> Deferred[None]:
    """Daphne's loop stops only after the worker has cleaned up. A second signal ends it at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(1))
    done: Deferred[None] = Deferred()
    task.add_done_callback(lambda _: done.callback(None))
    task.cancel()
    return done


class PortTaken(Exception):
    """Something else listens there; the text says what to do."""


def _refuse_taken_port(host: str, port: int) -> None:
    """Daphne would only log that it cannot listen, and stay."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"Cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}). Set ADE_PORT."
            ) from error


def warm_up() -> None:
    """Import what is slow before the loop runs: an import of a second on the loop looks like a dead worker."""
    import anthropic
    import openai

    assert "openai" in sys.modules and openai and anthropic
