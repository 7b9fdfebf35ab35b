"""What clients can ask for and this server cannot do: said with 501, never quietly ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping

from api.errors import ApiProblem

# The methods of the SDKs that only Letta's cloud has.
CLOUD_ONLY: tuple[tuple[str, str], ...] = (
    ("POST", "agents/{agent_id}/schedule"),
    ("GET", "agents/{agent_id}/schedule"),
    ("GET", "agents/{agent_id}/schedule/{scheduled_message_id}"),
    ("DELETE", "agents/{agent_id}/schedule/{scheduled_message_id}"),
    ("POST", "templates"),
    ("PATCH", "templates/{template_name}"),
    ("DELETE", "templates/{template_name}"),
    ("POST", "templates/{template_name}/rollback"),
    ("POST", "templates/{template_name}/save"),
    ("POST", "templates/{template_version}/agents"),
    ("GET", "environments"),
    ("GET", "environments/{device_id}"),
    ("POST", "environments/{connection_id}/messages"),
    ("POST", "client-side-access-tokens"),
    ("GET", "client-side-access-tokens"),
    ("DELETE", "client-side-access-tokens/{token}"),
)
_PATTERNS = tuple((method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path))) for method, path in CLOUD_ONLY)


def not_here(what: str) -> ApiProblem:
    """501 for something that this server does not do; the text begins with what."""
    return ApiProblem(501, f"{what}, which this server does not do.", is_final=True)


def unknown(method: str, path: str) -> ApiProblem:
    """The answer for a path under /v1/ that no route knows."""
    if any(method == known and pattern.fullmatch(path) for known, pattern in _PATTERNS):
        return not_here(f"{method} /v1/{path} belongs to Letta's cloud")
    return ApiProblem(404, f"There is no {method} /v1/{path} on this server.")


def refuse_unsupported(sent: Mapping[str, object], unsupported: Mapping[str, str]) -> None:
    """Raise for the first sent field of `unsupported` ({field: what it asks for}) that has a value."""
    for field, what in unsupported.items():
        if sent.get(field):
            raise not_here(f"`{field}` asks for {what}")
