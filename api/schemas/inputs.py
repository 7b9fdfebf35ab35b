"""What clients send to an agent: messages, or decisions about calls that wait."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema
from pydantic import AliasChoices, Field, field_validator, model_validator

from agents.model_choice import HandleProblem, check_handle
from api.errors import ApiProblem, invalid
from api.schemas.client_tools import ClientSkill, ClientTool
from api.schemas.contents import Content, has_pictures, is_empty, is_http_url, stored, text_of
from engine.specs import ClientReturn, Decision
from llms.catalogue import describe

UNSUPPORTED = {
    "return_logprobs": "log probabilities",
    "return_token_ids": "token ids",
}
_LONGEST_RETURN = 50_000

MessageType = Literal[
    "system_message",
    "user_message",
    "assistant_message",
    "reasoning_message",
    "hidden_reasoning_message",
    "tool_call_message",
    "tool_return_message",
    "approval_request_message",
    "approval_response_message",
    "summary_message",
    "event_message",
]


class ReturnedCall(Schema):
    """What a call gave that the client ran."""

    type: Literal["tool"] = "tool"
    tool_call_id: str
    tool_return: Content
    status: Literal["success", "error"]
    stdout: list[str] | None = None
    stderr: list[str] | None = None

    def decision(self) -> Decision:
        """That the client ran the call, and its return; a very long one is cut for the model and kept whole."""
        full = text_of(self.tool_return)
        is_cut = len(full) > _LONGEST_RETURN
        text = f"{full[:_LONGEST_RETURN]}\n[cut: {len(full)} characters in all]" if is_cut else full
        returned = ClientReturn(
            text,
            self.status == "error",
            full if is_cut else "",
            "\n".join(self.stdout or ()),
            "\n".join(self.stderr or ()),
        )
        return Decision(self.tool_call_id, is_approved=True, returned=returned)


class DecidedCall(Schema):
    """Whether a call may run."""

    type: Literal["approval"] = "approval"
    tool_call_id: str
    approve: bool
    reason: str | None = None

    def decision(self) -> Decision:
        """The same as the engine knows it."""
        return Decision(self.tool_call_id, self.approve, self.reason or "")


class SentMessage(Schema):
    """One item of `messages`: a message, an approval, or returns of client tools."""

    type: Literal["message", "approval", "tool_return"] | None = None
    role: Literal["user", "system", "assistant"] | None = None
    content: Content | None = None
    name: str | None = None
    otid: str | None = None
    sender_id: str | None = None
    approvals: list[ReturnedCall | DecidedCall] | None = None
    tool_returns: list[ReturnedCall] | None = None
    approve: bool | None = None
    approval_request_id: str | None = None
    reason: str | None = None

    @property
    def is_approval(self) -> bool:
        return self.type in ("approval", "tool_return")


class Sent(Schema):
    """The body of messages.create and its relatives. What is unknown is ignored.

    `use_assistant_message`, `assistant_message_tool_name`, `assistant_message_tool_kwarg` and `enable_thinking` are
    accepted and change nothing: Letta has deprecated them.
    """

    input: Content | None = None
    messages: list[SentMessage] | None = None
    max_steps: int = Field(50, ge=1, le=10_000)
    streaming: bool = False
    stream_tokens: bool = False
    include_pings: bool = True
    background: bool = False
    include_return_message_types: list[MessageType] | None = Field(
        None, validation_alias=AliasChoices("include_return_message_types", "return_message_types")
    )
    include_compaction_messages: bool = False
    client_tools: list[ClientTool] | None = None
    client_skills: list[ClientSkill] | None = None
    override_model: str | None = None
    override_system: str | None = None
    callback_url: str | None = Field(None, max_length=2000)
    return_logprobs: bool = False
    return_token_ids: bool = False
    top_logprobs: int | None = None
    use_assistant_message: bool = True
    assistant_message_tool_name: str | None = None
    assistant_message_tool_kwarg: str | None = None
    enable_thinking: bool | str | None = None

    @field_validator("callback_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None and not is_http_url(url):
            raise ValueError("`callback_url` begins with http:// or https://")
        return url

    @field_validator("client_tools")
    @classmethod
    def _names_differ(cls, tools: list[ClientTool] | None) -> list[ClientTool] | None:
        names = [tool.name for tool in tools or ()]
        if len(names) != len(set(names)):
            raise ValueError("two client tools bear the same name")
        return tools

    @model_validator(mode="after")
    def _one_input(self) -> Sent:
        if (self.input is None) == (self.messages is None):
            raise ValueError("send exactly one of `input` and `messages`")
        if is_empty(self.input) and not self.messages:
            raise ValueError("there is nothing to send: `messages` and `input` must not be empty")
        return self

    def chat(self) -> list[dict[str, Any]]:
        """The messages to store: {"role", "content", "name", "otid", "sender_id"} each. Raises ApiProblem."""
        if self.input is not None:
            return [{"role": "user", "content": stored(self.input)}]
        return [_chat_message(message) for message in self.messages or ()]

    def approval(self) -> SentMessage | None:
        """The approval or the returns, where such were sent: alone in their request. Raises ApiProblem."""
        sent = self.messages or []
        if not any(message.is_approval for message in sent):
            return None
        if len(sent) > 1:
            raise invalid("An approval is sent alone: send the message once its run has ended.")
        return sent[0]

    def request(self) -> dict[str, Any]:
        """What is asked for besides the input, as runs.requests has it. Raises ApiProblem: 404 for an unknown model."""
        asked: dict[str, Any] = {
            "model": self.override_model and known_handle(self.override_model),
            "system": self.override_system,
            "client_tools": self.client_tools and [tool.model_dump() for tool in self.client_tools],
            "client_skills": self.client_skills and [skill.model_dump() for skill in self.client_skills],
            "tells_compactions": self.include_compaction_messages or None,
        }
        return {name: value for name, value in asked.items() if value is not None}


def decisions(approval: SentMessage, pending: list[str]) -> list[Decision]:
    """What was decided. The older single form, `approve`, decides about all of the `pending` calls. Raises ApiProblem."""
    if items := approval.approvals or approval.tool_returns:
        return [item.decision() for item in items]
    if approval.type == "tool_return":
        raise invalid("A message of type `tool_return` has `tool_returns`, one for each call that waits.")
    if approval.approve is None:
        raise invalid("An approval says `approvals`, or `approve` for all calls that wait.")
    if not pending:
        raise ApiProblem(400, "No tool call of this agent waits for approval.")
    return [Decision(call_id, approval.approve, approval.reason or "") for call_id in pending]


def _chat_message(message: SentMessage) -> dict[str, Any]:
    if message.role is None or message.content is None or is_empty(message.content):
        raise invalid("A message has a `role` (user, system or assistant) and a `content` that is not empty.")
    if message.role != "user" and has_pictures(message.content):
        raise invalid("Only a message of role user shows pictures.")
    content = stored(message.content) if message.role == "user" else text_of(message.content)
    said = message.model_dump(include={"role", "name", "otid", "sender_id"}, exclude_none=True)
    return {**said, "content": content}


def known_handle(handle: str) -> str:
    """The handle, where it may name a model. Raises ApiProblem: 404, 400 where it is no handle."""
    try:
        checked = check_handle(handle)
    except HandleProblem as problem:
        raise ApiProblem(404 if problem.is_unknown else 400, str(problem)) from None
    if checked.startswith("demo/") and not describe(checked).is_known:
        raise ApiProblem(404, f"There is no model {checked!r}; the built-in one is demo/planner.")
    return checked
