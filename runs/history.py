"""An agent's history as a model is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agents.models import Agent
from engine.specs import Outcome
from llms.types import ModelMessage, RequestedCall, Role
from runs.contents import content_text
from runs.models import Conversation, Message


def model_history(agent: Agent, conversation: Conversation | None = None) -> list[ModelMessage]:
    """All messages that have joined the history of a conversation (None: the agent's own), oldest first, without the
    system prompt."""
    messages = Message.objects.filter(agent=agent, conversation=conversation, position__isnull=False)
    return list(_expand(messages.order_by("position")))


def _expand(messages: Iterable[Message]) -> Iterator[ModelMessage]:
    for message in messages:
        match message.role:
            case "user" | "system":
                yield ModelMessage(_input_role(message.role), content_text(message.content))
            case "assistant":
                yield _assistant(message)
            case "tool":
                for answer in message.returns:
                    is_error = answer["outcome"] != Outcome.SUCCESS
                    yield ModelMessage(Role.TOOL, answer["text"], call_id=answer["call_id"], is_error=is_error)
            case _:
                pass  # an approval's decisions are told by the returns


def _input_role(role: str) -> Role:
    # A system message in the middle of a history: several providers take only one, at the beginning.
    return Role.USER if role == "user" else Role.SYSTEM


def _assistant(message: Message) -> ModelMessage:
    calls = tuple(RequestedCall(call["id"], call["name"], call["arguments"]) for call in message.calls)
    return ModelMessage(
        Role.ASSISTANT,
        content_text(message.content),
        calls,
        reasoning=message.reasoning,
        reasoning_signature=message.reasoning_signature,
    )
