"""What clients can say about agents."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema

from api.schemas.blocks import NewBlock

# Sent under another name than the one that Tandem keeps them under.
_RENAMED = {
    "context_window_limit": "context_window",
    "max_tokens": "max_output_tokens",
    "max_reasoning_tokens": "thinking_budget",
}
_OURS = (
    "name", "description", "system", "tags", "agent_type", "model", "parallel_tool_calls", "temperature", "tool_rules",
    "model_settings", "llm_config", "metadata", "timezone",
)  # fmt: skip
# Accepted, kept and given back; nothing in Tandem acts on them.
_EXTRAS = (
    "embedding", "embedding_config", "compaction_settings", "response_format", "message_buffer_autoclear",
    "enable_sleeptime", "hidden", "project_id", "template_id", "base_template_id", "max_files_open",
    "per_file_view_window_char_limit", "embedding_chunk_size", "memory_variables",
)  # fmt: skip


class AgentFields(Schema):
    """What can be said about an agent. What is not sent stays; what is unknown is ignored."""

    name: str | None = None
    description: str | None = None
    system: str | None = None
    tags: list[str] | None = None
    agent_type: str | None = None
    model: str | None = None
    llm_config: dict[str, Any] | None = None
    model_settings: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    context_window_limit: int | None = None
    max_tokens: int | None = None
    max_reasoning_tokens: int | None = None
    reasoning: bool | None = None
    enable_reasoner: bool | None = None
    tool_rules: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None
    timezone: str | None = None
    tool_ids: list[str] | None = None
    block_ids: list[str] | None = None
    identity_ids: list[str] | None = None
    folder_ids: list[str] | None = None
    source_ids: list[str] | None = None
    secrets: dict[str, str] | None = None
    tool_exec_environment_variables: dict[str, str] | None = None
    embedding: str | None = None
    embedding_config: dict[str, Any] | None = None
    compaction_settings: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    message_buffer_autoclear: bool | None = None
    enable_sleeptime: bool | None = None
    hidden: bool | None = None
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    max_files_open: int | None = None
    per_file_view_window_char_limit: int | None = None

    def sent(self) -> dict[str, Any]:
        """The agent's fields that were really sent, under our names; without tools and blocks."""
        given = self.model_dump(exclude_unset=True)
        fields = {name: given[name] for name in _OURS if name in given}
        fields |= {ours: given[theirs] for theirs, ours in _RENAMED.items() if theirs in given}
        if self.reasoning is False or self.enable_reasoner is False:
            fields |= {"reasoning_effort": "", "thinking_budget": None}
        extras = {name: given[name] for name in _EXTRAS if name in given}
        return {**fields, "extras": extras} if extras else fields


class FirstMessage(Schema):
    """A message that a new agent's history begins with."""

    role: Literal["user", "system", "assistant"]
    content: str | list[dict[str, Any]]
    name: str | None = None
    otid: str | None = None
    sender_id: str | None = None


class NewAgent(AgentFields):
    """An agent to make. `tools` are names. Unless `include_base_tools` is false it gets the built-in tools of its type as
    well; `include_base_tool_rules`, where sent, decides about the rules that go with them."""

    tools: list[str] | None = None
    memory_blocks: list[NewBlock] | None = None
    initial_message_sequence: list[FirstMessage] | None = None
    memory_variables: dict[str, str] | None = None
    embedding_chunk_size: int | None = None
    include_base_tools: bool | None = None
    include_base_tool_rules: bool | None = None
