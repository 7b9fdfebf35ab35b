"""Dates as Letta writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def entity_date(at: datetime | None) -> str | None:
    """ "2026-11-22T11:51:43.483398Z": of agents, tools, runs and steps."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def message_date(at: datetime) -> str:
    """ "2026-11-22T11:58:15+00:00": of messages, in whole seconds."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat()
