"""What clients send to an agent: messages, or decisions about calls that wait."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema
from pydantic import Field, model_validator

from api.absent import not_here
from api.errors import ApiProblem, invalid
from engine.specs import Decision

_CLIENT_TOOLS = "tools that the client runs itself"
UNSUPPORTED = {
    "client_tools": _CLIENT_TOOLS,
    "override_model": "another model for this request",
    "override_system": "another system prompt for this request",
    "return_logprobs": "log probabilities",
    "return_token_ids": "token ids",
    "callback_url": "a callback",
}


class Approval(Schema):
    """A decision about one call; of type "tool" it is the return of a call that the client ran."""

    type: Literal["approval", "tool"] = "approval"
    tool_call_id: str
    approve: bool | None = None
    reason: str | None = None


class SentMessage(Schema):
    """One item of `messages`: a message, an approval, or returns of client tools."""

    type: str | None = None
    role: Literal["user", "system", "assistant"] | None = None
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    otid: str | None = None
    sender_id: str | None = None
    approvals: list[Approval] | None = None
    approve: bool | None = None
    approval_request_id: str | None = None
    reason: str | None = None

    @property
    def is_approval(self) -> bool:
        return self.type == "approval"


class Sent(Schema):
    """The body of messages.create and its relatives. What is unknown is ignored."""

    input: str | list[dict[str, Any]] | None = None
    messages: list[SentMessage] | None = None
    max_steps: int = Field(50, ge=1)
    streaming: bool = False
    stream_tokens: bool = False
    include_pings: bool = True
    background: bool = False
    include_return_message_types: list[str] | None = None
    client_tools: list[dict[str, Any]] | None = None
    override_model: str | None = None
    override_system: str | None = None
    return_logprobs: bool = False
    return_token_ids: bool = False
    callback_url: str | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Sent:
        if (self.input is None) == (self.messages is None):
            raise ValueError("send exactly one of `input` and `messages`")
        if not self.input and not self.messages:
            raise ValueError("there is nothing to send: `messages` and `input` must not be empty")
        return self

    def chat(self) -> list[dict[str, Any]]:
        """The messages to store: {"role", "content", "name", "otid", "sender_id"} each. Raises ApiProblem."""
        if self.input is not None:
            return [{"role": "user", "content": self.input}]
        return [_chat_message(message) for message in self.messages or ()]

    def approval(self) -> SentMessage | None:
        """The approval, where one was sent: alone in its request. Raises ApiProblem."""
        sent = self.messages or []
        if not any(message.is_approval for message in sent):
            return None
        if len(sent) > 1:
            raise invalid("An approval is sent alone: send the message once its run has ended.")
        return sent[0]


def decisions(approval: SentMessage, pending: list[str]) -> list[Decision]:
    """What was decided. The older single form, `approve`, decides about all of the `pending` calls. Raises ApiProblem."""
    if approval.approvals:
        if any(item.type == "tool" for item in approval.approvals):
            raise not_here(f"An approval of type `tool` belongs to {_CLIENT_TOOLS}")
        return [Decision(item.tool_call_id, bool(item.approve), item.reason or "") for item in approval.approvals]
    if approval.approve is None:
        raise invalid("An approval says `approvals`, or `approve` for all calls that wait.")
    if not pending:
        raise ApiProblem(400, "No tool call of this agent waits for approval.")
    return [Decision(call_id, approval.approve, approval.reason or "") for call_id in pending]


def _chat_message(message: SentMessage) -> dict[str, Any]:
    if message.type == "tool_return":
        raise not_here(f"A message of type `tool_return` belongs to {_CLIENT_TOOLS}")
    if message.role is None or not message.content:
        raise invalid("A message has a `role` (user, system or assistant) and a `content` that is not empty.")
    return message.model_dump(include={"role", "content", "name", "otid", "sender_id"}, exclude_none=True)
