"""Which tools ask for a way to this server's API, and what they are given for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from sandbox.specs import ServerAccess
from tools.typescript import TYPESCRIPT

CLIENT = "client"
PORTS = {"http": 80, "https": 443}
# What the SDKs read from the environment, and tools that make a client of their own.
VARIABLES = ("LETTA_API_KEY", "LETTA_BASE_URL", "LETTA_AGENT_ID")
_ASKS_FOR_VARIABLES = re.compile("LETTA_API_KEY|LETTA_BASE_URL|letta_client|letta-client")
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def asks_for_access(source: str, language: str) -> bool:
    """Whether a tool names `client`, a Letta package or the variables that stand for one: no other gets a token."""
    return bool(_ASKS_FOR_VARIABLES.search(source)) or asks_for_client(source, language)


@lru_cache(maxsize=1024)
def asks_for_client(source: str, language: str) -> bool:
    """Whether a Python tool has a parameter `client`, or uses the name without ever giving it a meaning itself."""
    if language == TYPESCRIPT or CLIENT not in source:
        return False
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # The call itself will say so.
        return False
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if functions and CLIENT in _parameters(functions[-1]):
        return True
    nodes = list(ast.walk(module))
    is_used = any(isinstance(node, ast.Name) and node.id == CLIENT for node in nodes)
    return is_used and CLIENT not in {name for node in nodes for name in _bound_by(node)}


def access_for(token: str) -> ServerAccess:
    """The way to this very process, or to where the settings say that the API is served."""
    if settings.ADE_API_URL:
        url = urlsplit(settings.ADE_API_URL)
        return ServerAccess(url.hostname or "", url.port or PORTS.get(url.scheme, 80), token, url.scheme)
    return ServerAccess(_ANYWHERE.get(settings.ADE_HOST, settings.ADE_HOST), settings.ADE_PORT, token)


def variables_for(access: ServerAccess, agent_id: str) -> dict[str, str]:
    """What the SDKs look for in the environment."""
    return dict(zip(VARIABLES, (access.token, access.url, agent_id), strict=True))


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    arguments = function.args
    return {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}


def _bound_by(node: ast.AST) -> Iterator[str]:
    """The names that a piece of source gives a meaning to."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((one.asname or one.name).partition(".")[0] for one in names)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
