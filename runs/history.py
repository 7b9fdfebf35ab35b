"""An agent's history as a model is told of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from agents.models import Agent
from engine.compaction import summary_message
from engine.specs import Outcome
from llms.types import ContentPart, ImagePart, ModelMessage, RequestedCall, Role, TextPart
from runs.contents import content_text
from runs.models import Conversation, Message, Run


def model_history(agent: Agent, conversation: Conversation | None = None) -> list[ModelMessage]:
    """The messages of a conversation (None: the agent's own history) that stand in the context window, oldest first,
    without the system prompt. Where older ones were compacted, the latest summary stands for them."""
    return list(model_messages(in_context(agent, conversation)))


def turn_history(run: Run, chain: Collection[str]) -> list[ModelMessage]:
    """The messages that a run begins or goes on with; `chain` are the run and those it resumes. An agent whose message
    buffer is cleared by itself remembers nothing of earlier runs."""
    only = chain if run.agent.extras.get("message_buffer_autoclear") else None
    return list(model_messages(in_context(run.agent, run.conversation, only_of=only)))


def in_context(
    agent: Agent, conversation: Conversation | None = None, *, only_of: Collection[str] | None = None
) -> list[Message]:
    """The rows that stand in the context window: the latest summary, if any, and what it does not cover. `only_of` are
    runs: then no others' messages are looked at."""
    joined = Message.objects.filter(agent=agent, conversation=conversation, position__isnull=False)
    joined = joined if only_of is None else joined.filter(run__in=only_of)
    summary = joined.filter(role="summary").order_by("-position").first()
    shown = joined.exclude(role="summary").order_by("position")
    if summary is None:
        return list(shown)
    return [summary, *shown.filter(position__gt=summary.covers_until)]


def model_messages(messages: Iterable[Message]) -> Iterator[ModelMessage]:
    """These rows as a model is told of them."""
    for message in messages:
        match message.role:
            case "user" | "system":
                yield _input(message)
            case "summary":
                yield summary_message(content_text(message.content), message.pk)
            case "assistant":
                yield _assistant(message)
            case "tool":
                for answer in message.returns:
                    is_error = answer["outcome"] != Outcome.SUCCESS
                    yield ModelMessage(Role.TOOL, answer["text"], call_id=answer["call_id"], is_error=is_error)
            case _:
                pass  # an approval's decisions are told by the returns


def _input(message: Message) -> ModelMessage:
    """What was sent, by a user or as a system message."""
    role = Role.USER if message.role == "user" else Role.SYSTEM
    parts = tuple(_parts(message.content)) if role is Role.USER else ()
    has_images = any(isinstance(part, ImagePart) for part in parts)
    text = content_text(message.content)
    return ModelMessage(role, text, parts=parts if has_images else (), message_id=message.pk)


def _parts(content: Any) -> Iterator[ContentPart]:
    """The parts of a stored content, as a provider is given them."""
    for part in content if isinstance(content, list) else ():
        source = part.get("source") or {}
        if part.get("type") == "image":
            yield ImagePart(
                source.get("media_type") or "",
                source.get("data") or "",
                source.get("url") or "",
                source.get("detail") or "",
            )
        elif isinstance(part.get("text"), str):
            yield TextPart(part["text"])


def _assistant(message: Message) -> ModelMessage:
    calls = tuple(RequestedCall(call["id"], call["name"], call["arguments"]) for call in message.calls)
    return ModelMessage(
        Role.ASSISTANT,
        content_text(message.content),
        calls,
        reasoning=message.reasoning,
        reasoning_signature=message.reasoning_signature,
        message_id=message.pk,
    )
