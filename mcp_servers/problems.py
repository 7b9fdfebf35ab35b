"""What can be wrong with a server, said for a person."""

from __future__ import annotations


class McpProblem(ValueError):
    """A server that cannot be as it was asked for. The text says what to do; `field` is what it is about, "" for none."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class ServerNameTaken(McpProblem):
    """Another server has this name."""


class Unreachable(McpProblem):
    """The server did not answer as an MCP server; the text says what came instead."""


class ConnectionLost(Exception):
    """The connection ended under a call. `was_sent` is False where the server cannot have begun the call."""

    def __init__(self, text: str, *, was_sent: bool) -> None:
        super().__init__(text)
        self.was_sent = was_sent


class ServerRefused(Exception):
    """The server answered a call with an error of the protocol, or with something that is no answer."""
