"""How a server is reached: what was asked for, checked, and split into what may be shown and what is secret."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from mcp_servers.models import McpServer, ServerKind
from mcp_servers.problems import McpProblem
from tools.redaction import MASK

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
STDIO_IS_OFF = (
    "Servers of type stdio are programs that this server would start on its own machine, as its own user. That is "
    "switched off here. Whoever runs the server can allow it with ADE_MCP_STDIO=on; or use streamable_http."
)


@dataclass(frozen=True, slots=True)
class HttpReach:
    """Over HTTP. With a token but no `auth_header` the token is sent as "Authorization: Bearer <token>"."""

    kind: ServerKind
    server_url: str
    auth_header: str = ""
    auth_token: str = ""
    custom_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """What is sent with every request."""
        if not self.auth_token:
            return dict(self.custom_headers)
        name = self.auth_header or "Authorization"
        # Letta's examples give the whole value, "Bearer …", for this header; people also give the bare token.
        is_bare = name.lower() == "authorization" and " " not in self.auth_token.strip()
        return {**self.custom_headers, name: f"Bearer {self.auth_token}" if is_bare else self.auth_token}

    @property
    def secrets(self) -> frozenset[str]:
        """The values that must not be shown."""
        return frozenset({self.auth_token, self.auth_token.removeprefix("Bearer "), *self.custom_headers.values()})


@dataclass(frozen=True, slots=True)
class StdioReach:
    """A program that speaks over its standard input and output."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    kind: ServerKind = ServerKind.STDIO

    @property
    def secrets(self) -> frozenset[str]:
        """The values that must not be shown."""
        return frozenset(self.env.values())


Reach = HttpReach | StdioReach


def read_reach(kind: str, given: Mapping[str, Any], before: Reach | None = None) -> Reach:
    """What was asked for. What is not given stays as it was `before`, where the kind is the same; None takes it away. A
    secret that is the mask is one that was read from us, so it stays. Raises McpProblem."""
    old = before if before is not None and before.kind == kind else None
    if kind == ServerKind.STDIO:
        assert old is None or isinstance(old, StdioReach)
        return _read_stdio(given, old or StdioReach(""))
    if kind not in (ServerKind.SSE, ServerKind.STREAMABLE_HTTP):
        raise McpProblem(f"mcp_server_type is one of {', '.join(ServerKind.values)}, not {kind!r}.", "mcp_server_type")
    assert old is None or isinstance(old, HttpReach)
    return _read_http(given, old or HttpReach(ServerKind(kind), ""))


def _read_http(given: Mapping[str, Any], old: HttpReach) -> HttpReach:
    url = str(_taken(given, "server_url", old.server_url)).strip()
    header = str(_taken(given, "auth_header", old.auth_header)).strip()
    token = _taken(given, "auth_token", old.auth_token)
    headers = _unmasked(_taken(given, "custom_headers", old.custom_headers), old.custom_headers)
    _check_url(url)
    for name in [*headers, *([header] if header else [])]:
        if not _HEADER.fullmatch(name):
            raise McpProblem(f"{name!r} is no name of an HTTP header.", "custom_headers")
    new_token = old.auth_token if token == MASK else str(token).strip()
    for value in [new_token, *headers.values()]:
        if re.search(r"[\r\n\0]", value) or not value.isascii():
            raise McpProblem("The value of a header is one line of ASCII.", "custom_headers")
    return HttpReach(old.kind, url, header, new_token, headers)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or len(url) > 2000 or re.search(r"\s", url):
        raise McpProblem("server_url is a whole URL: https://example.org/mcp", "server_url")


def _read_stdio(given: Mapping[str, Any], old: StdioReach) -> StdioReach:
    require_stdio()
    command = str(_taken(given, "command", old.command)).strip()
    args = tuple(_taken(given, "args", old.args))
    env = _unmasked(_taken(given, "env", old.env), old.env)
    if not command or "\0" in "".join([command, *args, *env.values()]):
        raise McpProblem("A stdio server needs a command: the program to start.", "command")
    for name in env:
        if not _VARIABLE.fullmatch(name):
            raise McpProblem(f"{name!r} is no name of a variable: letters, digits and _ only.", "env")
    return StdioReach(command, args, env)


def require_stdio() -> None:
    """Raises McpProblem where programs may not be started."""
    if not settings.ADE_MCP_STDIO:
        raise McpProblem(STDIO_IS_OFF, "mcp_server_type")


def _taken(given: Mapping[str, Any], name: str, old: Any) -> Any:
    """The given value; the old one where nothing was given; the empty one of the same type for None."""
    value = given.get(name, old)
    return type(old)() if value is None else value


def _unmasked(values: Mapping[str, str], old: Mapping[str, str]) -> dict[str, str]:
    return {name: old.get(name, value) if value == MASK else value for name, value in values.items()}


def store_reach(server: McpServer, reach: Reach) -> None:
    """Put it into the row; the caller saves."""
    server.kind = reach.kind
    if isinstance(reach, StdioReach):
        secrets: dict[str, Any] = {"env": dict(reach.env)}
        server.config = {"command": reach.command, "args": list(reach.args), "env_names": list(reach.env)}
    else:
        secrets = {"auth_token": reach.auth_token, "custom_headers": dict(reach.custom_headers)}
        server.config = {
            "server_url": reach.server_url,
            "auth_header": reach.auth_header,
            "has_token": bool(reach.auth_token),
            "header_names": list(reach.custom_headers),
        }
    server.encrypted_secrets = _fernet().encrypt(json.dumps(secrets).encode())


def reach_of(server: McpServer) -> Reach:
    """How the stored server is reached. Raises McpProblem where its secrets were encrypted with another key."""
    try:
        secrets = json.loads(_fernet().decrypt(bytes(server.encrypted_secrets)))
    except InvalidToken as error:
        raise McpProblem(
            f"The secrets of the MCP server {server.server_name} were encrypted with another key. Restore "
            "ADE_ENCRYPTION_KEY (or the file encryption_key of the data directory), or set them anew."
        ) from error
    if server.kind == ServerKind.STDIO:
        return StdioReach(server.config["command"], tuple(server.config["args"]), secrets["env"])
    return HttpReach(
        ServerKind(server.kind),
        server.config["server_url"],
        server.config["auth_header"],
        secrets["auth_token"],
        secrets["custom_headers"],
    )


def _fernet() -> Fernet:
    try:
        return Fernet(settings.ADE_ENCRYPTION_KEY)
    except ValueError as error:
        raise McpProblem("ADE_ENCRYPTION_KEY is no Fernet key: 32 url-safe base64-encoded bytes.") from error
