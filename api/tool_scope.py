"""What a tool may ask of the API with the token of its run: what agents work with, and nothing that people decide.

It may look at everything but what holds credentials. It may change agents, what they remember, read and talk about. It may
not make or change tools (their source, their network), run them past an approval, decide approvals, or touch MCP servers,
providers and keys. What is not listed is refused, so that a new route is closed until somebody has thought about it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_READABLE = (
    "agents", "archives", "blocks", "conversations", "embeddings", "folders", "groups", "health", "identities", "jobs",
    "messages", "models", "passages", "runs", "sources", "steps", "tags", "tools",
)  # fmt: skip
_CHANGEABLE = (
    "agents", "archives", "blocks", "conversations", "folders", "groups", "identities", "messages", "passages", "runs",
    "sources",
)  # fmt: skip
_NEVER = re.compile(r"/v1/agents/[^/]+/tools/(approval/[^/]+|[^/]+/run)|/v1/agents/import|/v1/agents/[^/]+/export")
_SEARCH = re.compile(r"/v1/[a-z-]+/search")

REFUSAL = (
    "The token of a run is not good for this. A tool may read, and may change agents, messages and what agents remember; "
    "tools, approvals, MCP servers, providers and keys are for people: use an API key."
)


def is_in_scope(method: str, path: str) -> bool:
    """Whether a tool may ask this; `path` without a slash at its end."""
    kind = path.removeprefix("/v1/").partition("/")[0]
    if _NEVER.fullmatch(path):
        return False
    if method in ("GET", "HEAD", "OPTIONS") or _SEARCH.fullmatch(path):
        return kind in _READABLE
    return kind in _CHANGEABLE


def decides_approvals(body: bytes) -> bool:
    """Whether a request's JSON holds, at any depth, a decision about a call that waits: a person's to make."""
    if b"approv" not in body and b"\\u" not in body:
        return False
    try:
        return _holds_decision(json.loads(body))
    except (ValueError, RecursionError):
        # Who reads it will say so; nothing can be decided with it.
        return False


def _holds_decision(value: object) -> bool:
    if isinstance(value, Mapping):
        is_decision = value.get("type") == "approval" or "approvals" in value
        return is_decision or any(_holds_decision(item) for item in value.values())
    return isinstance(value, list) and any(_holds_decision(item) for item in value)
