"""The tool's side of its way to the server: connections to the server's address go through the inherited switch.

Runs inside the tool's process; see `gateway` for the other side.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

NEEDS_AGENT = (
    "the tool asks for `client`, which only calls for an agent have: attach the tool to an agent, or choose one in the "
    "Test tab"
)
NEEDS_PACKAGE = (
    "the tool asks for `client`, which needs the package letta-client, and its own environment has none: add it to the "
    "tool's requirements"
)


class CannotConnect(Exception):
    """There can be no client here; the text says what to do."""


class NoClient:
    """What a tool gets as `client` where nobody is called for. It is false, and whoever uses it is told why."""

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        raise CannotConnect(NEEDS_AGENT)


class Connection(socket.socket):
    """A Unix socket where a TCP one is expected: what is asked of TCP alone means nothing to it."""

    def setsockopt(self, level: int, *arguments: Any) -> None:
        """As usual, for options that it has."""
        if level != socket.IPPROTO_TCP:
            super().setsockopt(level, *arguments)


def open_doorway(server: Mapping[str, Any], switch: socket.socket) -> None:
    """Have `socket.create_connection`, which HTTP clients use, reach the server through the switch."""
    usual = socket.create_connection
    place = (server["host"], server["port"])

    def create_connection(address: tuple[str, int], timeout: Any = None, *others: Any, **named: Any) -> socket.socket:
        if (address[0], address[1]) != place:
            return usual(address, timeout, *others, **named)
        connection = _ask(switch)
        if isinstance(timeout, int | float):
            connection.settimeout(timeout)
        return connection

    socket.create_connection = create_connection  # type: ignore[assignment]


def make_client(server: Mapping[str, Any] | None) -> Any:
    """A Letta client of the server, as the call's agent may use it."""
    if server is None:
        return NoClient()
    try:
        from letta_client import DefaultHttpxClient, Letta
    except ModuleNotFoundError as error:
        if error.name != "letta_client":
            raise
        raise CannotConnect(NEEDS_PACKAGE) from None
    return Letta(base_url=server["url"], api_key=server["token"], http_client=DefaultHttpxClient(trust_env=False))


def _ask(switch: socket.socket) -> socket.socket:
    """A new connection. Any answer is as good as another, so threads and forks may ask at once."""
    switch.send(b"?")
    _, fds, _, _ = socket.recv_fds(switch, 16, 1, socket.MSG_CMSG_CLOEXEC)
    if not fds:
        raise ConnectionRefusedError("the server no longer takes connections of this call")
    return Connection(fileno=fds[0])
