"""Knows a client's automatic retry of the same message again, so that it attaches to the run of the first try."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.models import Agent
from runs.models import Run

RETRY_WINDOW = timedelta(minutes=10)


def request_digest(history_id: str, body: bytes | Mapping[str, Any]) -> str:
    """What identifies a client's automatic retry: the same agent or conversation and the same body (rule 6.3)."""
    text = body if isinstance(body, bytes) else json.dumps(body, sort_keys=True, default=str).encode()
    return hashlib.sha256(history_id.encode() + b"\0" + text).hexdigest()


def earlier_try(agent: Agent, digest: str) -> Run | None:
    """The run that an earlier try of the same request started, where it is or was under way lately (rule 6.3)."""
    recent = Run.objects.filter(agent=agent, request_digest=digest)
    in_window = recent.filter(ended_at__gt=timezone.now() - RETRY_WINDOW) | recent.filter(ended_at=None)
    return in_window.order_by("-created_at").first()
