"""What stands in an agent's context window now, part by part, in tokens as engine.tokens estimates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.assembly import spec_of
from agents.models import Agent
from archives.memory import passages_of
from engine.specs import AgentSpec
from engine.tokens import tokens_of_message, tokens_of_messages, tokens_of_text, tokens_of_tool
from llms.types import ModelMessage, ModelTool
from runs.history import in_context, model_messages
from runs.models import Conversation, Message
from runs.overriding import overridden
from runs.requests import as_requested
from runs.takeover import calibration_of


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the window. `key` names it in pages, `title` to people; `detail` says what it is made of."""

    key: str
    title: str
    tokens: int
    detail: str


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """A context window. `system` are the agent's own instructions, `core_memory` what is compiled behind them; `rows` are
    the messages in it, a summary at their head where there is one. `archived` counts passages, `recalled` all messages."""

    size: int
    model: str
    system: str
    core_memory: str
    tools: tuple[ModelTool, ...]
    summary: str | None
    rows: Sequence[Message]
    parts: tuple[Part, ...]
    archived: int
    recalled: int

    @property
    def used(self) -> int:
        """Tokens of all parts together."""
        return sum(part.tokens for part in self.parts)

    def tokens(self, key: str) -> int:
        """Tokens of one part."""
        return next(part.tokens for part in self.parts if part.key == key)


def context_window(agent: Agent, conversation: Conversation | None = None) -> ContextWindow:
    """The window as the next request in this history would find it."""
    agent_here = overridden(agent, conversation)
    spec = as_requested(spec_of(agent_here), agent_here, {})
    rows = in_context(agent, conversation)
    messages = list(model_messages(rows))
    summary = next((row for row in rows if row.role == "summary"), None)
    is_prefixed = spec.system.startswith(agent.system)
    core_memory = spec.system[len(agent.system) :].strip() if is_prefixed else spec.system
    tools = tuple(ModelTool(tool.name, tool.description, tool.parameters) for tool in spec.tools)
    history = Message.objects.filter(agent=agent, conversation=conversation).exclude(position=None)
    return ContextWindow(
        size=spec.context_window,
        model=spec.model,
        system=agent.system if is_prefixed else "",
        core_memory=core_memory,
        tools=tools,
        summary=str(summary.content) if summary else None,
        rows=rows,
        parts=_parts(agent, spec, core_memory, tools, messages, calibration_of(agent.pk, _id_of(conversation))),
        archived=passages_of(agent_id=agent.pk).count(),
        recalled=history.count(),
    )


def definitions(tools: Sequence[ModelTool]) -> list[Mapping[str, Any]]:
    """The tools as the model is told of them, in OpenAI's form."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]


def _parts(
    agent: Agent,
    spec: AgentSpec,
    core_memory: str,
    tools: Sequence[ModelTool],
    messages: Sequence[ModelMessage],
    calibration: float,
) -> tuple[Part, ...]:
    spoken = [message for message in messages if not message.is_summary]
    summaries = [message for message in messages if message.is_summary]
    count = len(tools)
    found = (
        ("system", "System instructions", tokens_of_text(agent.system), f"{len(agent.system):,} characters"),
        ("memory", "Core memory", tokens_of_text(core_memory), f"{len(core_memory):,} characters"),
        ("tools", "Tools", sum(map(tokens_of_tool, tools)), str(count)),
        (
            "summary",
            "Summary",
            sum(map(tokens_of_message, summaries)),
            "of older messages" if summaries else "none yet",
        ),
        ("messages", "Messages", tokens_of_messages(spoken), f"{len(spoken):,}"),
    )
    return tuple(Part(key, title, round(tokens * calibration), detail) for key, title, tokens, detail in found)


def _id_of(conversation: Conversation | None) -> str | None:
    return conversation.pk if conversation else None
