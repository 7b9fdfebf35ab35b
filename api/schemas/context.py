"""The context window as the API tells it, and how room is made in it."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from api.schemas.messages import Wire, wire_list
from runs.context_window import ContextWindow, definitions


class CompactionSettings(Schema):
    """How to summarise. Parts that are not sent are as by default."""

    mode: Literal["all", "sliding_window", "self_compact_all", "self_compact_sliding_window"] | None = None
    model: str | None = None
    model_settings: dict[str, Any] | None = None
    prompt: str | None = None
    prompt_acknowledgement: bool | None = None
    clip_chars: int | None = Field(None, ge=1)
    sliding_window_percentage: float | None = Field(None, ge=0, le=1)


class CompactionRequest(Schema):
    """What may be said when a summary is asked for; `agent_id` whose, for the conversation `default`."""

    agent_id: str | None = None
    compaction_settings: CompactionSettings | None = None

    def settings(self) -> dict[str, Any]:
        """The settings that were sent."""
        return self.compaction_settings.model_dump(exclude_unset=True) if self.compaction_settings else {}


class Reset(Schema):
    """An agent begins here with an empty history, so there are no initial messages to add."""

    add_default_initial_messages: bool = False


def window_state(window: ContextWindow) -> Wire:
    """A ContextWindowOverview."""
    has_summary = window.summary is not None
    return {
        "context_window_size_max": window.size,
        "context_window_size_current": window.used,
        "num_messages": len(window.rows),
        "num_archival_memory": window.archived,
        "num_recall_memory": window.recalled,
        "num_tokens_system": window.tokens("system"),
        "system_prompt": window.system,
        "num_tokens_core_memory": window.tokens("memory"),
        "core_memory": window.core_memory,
        "num_tokens_summary_memory": window.tokens("summary"),
        "summary_memory": window.summary,
        "num_tokens_functions_definitions": window.tokens("tools"),
        "functions_definitions": definitions(window.tools),
        "num_tokens_messages": window.tokens("messages"),
        "messages": wire_list(window.rows[1:] if has_summary else window.rows),
        # Nothing of the sort is sent to the model.
        "num_tokens_external_memory_summary": 0,
        "external_memory_summary": "",
    }
