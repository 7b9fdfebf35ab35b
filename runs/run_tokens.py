"""Tokens with which a tool reaches the API: signed, never stored, and worth nothing once what it was made for has ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import signing

from runs.models import Run
from sandbox.environments import BUILD_SECONDS
from tools.models import Tool
from tools.toolbox import Caller

PREFIX = "tdr-"
_SALT = "tandem.run-token"
_SECONDS_OF_GRACE = 5.0


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """For whom a valid token was made. `run_id` is "" for a tool that a person runs directly."""

    agent_id: str
    run_id: str


def make_token(caller: Caller, tool: Tool) -> str:
    """A token for one call: it dies with the run; without a run, when the call must have ended."""
    content: dict[str, Any] = {"agent": caller.agent_id, "run": caller.run_id}
    if not caller.run_id:
        build = BUILD_SECONDS if tool.pip_requirements or tool.npm_requirements else 0.0
        seconds = tool.timeout_seconds or settings.ADE_TOOL_TIMEOUT
        content["until"] = time.time() + seconds + build + _SECONDS_OF_GRACE
    return PREFIX + signing.dumps(content, salt=_SALT)


def read_token(token: str) -> TokenHolder | None:
    """For whom it stands; None where it is none of ours, or no longer valid."""
    if not token.startswith(PREFIX):
        return None
    try:
        content = signing.loads(token.removeprefix(PREFIX), salt=_SALT)
    except signing.BadSignature:
        return None
    holder = TokenHolder(content["agent"], content["run"])
    if holder.run_id:
        is_valid = Run.objects.live().filter(pk=holder.run_id, agent_id=holder.agent_id).exists()
    else:
        is_valid = time.time() < content["until"]
    return holder if is_valid else None
