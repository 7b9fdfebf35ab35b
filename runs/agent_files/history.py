"""An agent's history in an agent file, and back into rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils import timezone

from agents.models import Agent
from engine.ids import new_call_id
from engine.specs import Outcome
from runs.agent_files.shape import FileMessage, FileReturn
from runs.contents import content_text, search_text
from runs.models import Message

Wire = dict[str, Any]


def written(message: Message, agent_id: str, number: int) -> Wire:
    """The row as a message of a file."""
    return {
        **blank(agent_id, number),
        "role": message.role,
        "content": _content(message),
        "name": message.name or None,
        "otid": message.otid or None,
        "sender_id": message.sender_id or None,
        "tool_calls": [_call(call) for call in message.calls] or None,
        "tool_call_id": message.returns[0]["call_id"] if message.returns else None,
        "tool_returns": [_return(returned) for returned in message.returns],
        "approvals": [_approval(decision) for decision in message.decisions],
        "created_at": message.created_at.isoformat(),
        **({"compaction": message.compaction} if message.compaction else {}),
    }


def blank(agent_id: str, number: int) -> Wire:
    """What every message of a file has."""
    empty = ("batch_item_id", "group_id", "model", "approve", "approval_request_id", "denial_reason")
    return {"type": "message", "id": f"message-{number}", "agent_id": agent_id, **dict.fromkeys(empty)}


def text_part(text: str) -> Wire:
    return {"type": "text", "text": text, "signature": None}


def _content(message: Message) -> list[Wire]:
    if message.role == "tool":
        return [text_part(_packed(returned)) for returned in message.returns]
    reasoning = {"type": "reasoning", "is_native": True, "reasoning": message.reasoning}
    thought = [{**reasoning, "signature": message.reasoning_signature or None}] if message.reasoning else []
    if isinstance(message.content, list):
        return [*thought, *message.content]
    return [*thought, *([text_part(message.content)] if message.content else [])]


def _call(call: Mapping[str, Any]) -> Wire:
    function = {"name": call["name"], "arguments": call["arguments"]}
    return {"id": call["id"], "type": "function", "function": function, "needs_approval": call["needs_approval"]}


def _return(returned: Mapping[str, Any]) -> Wire:
    is_good = returned["outcome"] == Outcome.SUCCESS
    return {
        "tool_call_id": returned["call_id"],
        "status": "success" if is_good else "error",
        "stdout": [returned["stdout"]] if returned["stdout"] else None,
        "stderr": [returned["stderr"]] if returned["stderr"] else None,
        "func_response": _packed(returned),
        "outcome": returned["outcome"],
    }


def _packed(returned: Mapping[str, Any]) -> str:
    """Letta keeps a return's text in JSON, with whether it is good."""
    is_good = returned["outcome"] == Outcome.SUCCESS
    return json.dumps({"status": "OK" if is_good else "Failed", "message": returned["text"]}, ensure_ascii=False)


def _approval(decision: Mapping[str, Any]) -> Wire:
    return {
        "type": "approval",
        "tool_call_id": decision.get("call_id"),
        "approve": decision.get("approve"),
        "reason": decision.get("reason"),
    }


def without_prompt(messages: Sequence[FileMessage]) -> Sequence[FileMessage]:
    """The messages without the compiled system prompt, which Letta has in their first place: it is put together anew."""
    return messages[1:] if messages and messages[0].role == "system" else messages


def store_history(agent: Agent, messages: Sequence[FileMessage], in_context: Iterable[str]) -> int:
    """Store a file's messages as the history of a new agent, in their order; how many were left out.

    Where there is no summary for them, messages that no longer stood in the context window are left out, for they
    would stand in it again. Calls that nobody answered, and returns without their call, are left out as no provider
    would take them.
    """
    shown = set(in_context)
    is_summarised = any(message.role == "summary" for message in messages)
    kept = [message for message in messages if is_summarised or not shown or message.id in shown]
    read = _Reader(agent, kept)
    rows = [(message.id, row) for message in kept if _says_something(row := read.row(message))]
    for position, (_, row) in enumerate(rows, 1):
        row.position = position
        if row.role == "summary":
            row.covers_until = _covered(rows[: position - 1], shown)
    Message.objects.bulk_create([row for _, row in rows], batch_size=500)
    return len(messages) - len(kept)


def _covered(before: Sequence[tuple[str, Message]], shown: set[str]) -> int:
    """Up to which position a summary stands for what is before it: all that is not in the context window itself."""
    hidden = [position for position, (key, _) in enumerate(before, 1) if key not in shown]
    return max(hidden, default=0)


def _says_something(row: Message) -> bool:
    return bool(row.content or row.calls or row.returns or row.decisions or row.reasoning)


class _Reader:
    """Rows of a file's messages. Calls get ids of ours, as the file's may be those of another agent here."""

    def __init__(self, agent: Agent, messages: Sequence[FileMessage]) -> None:
        self._agent = agent
        asked = {call.id: call.function.name for message in messages for call in message.tool_calls or ()}
        answered = {given.tool_call_id for message in messages for given in _returns_of(message)}
        self._names = {key: name for key, name in asked.items() if key in answered}
        self._ids = {key: new_call_id() for key in self._names}

    def row(self, message: FileMessage) -> Message:
        """The message as a row, unsaved and without a position."""
        content, reasoning, signature = _read_content(message)
        calls = [
            {
                "id": self._ids[call.id],
                "name": call.function.name,
                "arguments": call.function.arguments,
                "needs_approval": call.needs_approval or message.role == "approval",
            }
            for call in message.tool_calls or ()
            if call.id in self._ids
        ]
        returns = [self._read_return(given) for given in _returns_of(message) if given.tool_call_id in self._ids]
        return Message(
            agent=self._agent,
            role=_role(message),
            content=content,
            name=(message.name or "")[:200] if message.role != "tool" else "",
            otid=(message.otid or "")[:200],
            sender_id=(message.sender_id or "")[:200],
            reasoning=reasoning,
            reasoning_signature=signature,
            calls=calls,
            returns=returns,
            decisions=[*self._decisions(message)],
            compaction=message.compaction or {},
            search_text=search_text(content, reasoning, returns),
            created_at=message.created_at or timezone.now(),
        )

    def _read_return(self, given: FileReturn) -> Wire:
        outcome = given.outcome if given.outcome in set(Outcome) else _OUTCOMES.get(given.status, Outcome.ERROR)
        key = given.tool_call_id or ""
        return {
            "call_id": self._ids[key],
            "name": self._names[key],
            "outcome": str(outcome),
            "text": _unpacked(content_text(given.func_response or "")),
            "stdout": _joined(given.stdout),
            "stderr": _joined(given.stderr),
        }

    def _decisions(self, message: FileMessage) -> Iterable[Wire]:
        for given in message.approvals or ():
            key = given.get("tool_call_id")
            if given.get("type", "approval") == "approval" and key in self._ids:
                yield {
                    "call_id": self._ids[key],
                    "approve": bool(given.get("approve")),
                    "reason": str(given.get("reason") or ""),
                }


_OUTCOMES = {"success": Outcome.SUCCESS, "error": Outcome.ERROR}


def _role(message: FileMessage) -> str:
    """Letta's request for approval is an assistant's message with calls; its oldest tool messages are of a "function"."""
    if message.role == "approval" and message.tool_calls:
        return "assistant"
    return "tool" if message.role == "function" else message.role


def _returns_of(message: FileMessage) -> list[FileReturn]:
    if message.role not in ("tool", "function"):
        return []
    if message.tool_returns:
        return [
            given.model_copy(update={"tool_call_id": given.tool_call_id or message.tool_call_id})
            for given in message.tool_returns
        ]
    return [FileReturn(tool_call_id=message.tool_call_id, func_response=content_text(message.content or ""))]


def _read_content(message: FileMessage) -> tuple[Any, str, str]:
    """Content, reasoning and its signature. Texts alone become one text."""
    if message.role in ("tool", "function"):
        return "", "", ""
    if not isinstance(message.content, list):
        return message.content or "", "", ""
    thoughts = [part for part in message.content if part.get("type") == "reasoning"]
    shown = [part for part in message.content if part.get("type") in ("text", "image")]
    is_text = all(part.get("type") == "text" for part in shown)
    reasoning = "\n".join(str(part.get("reasoning") or "") for part in thoughts)
    signature = next((str(part["signature"]) for part in reversed(thoughts) if part.get("signature")), "")
    return content_text(shown) if is_text else shown, reasoning, signature


def _unpacked(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    is_packed = isinstance(value, dict) and value.keys() <= {"status", "message", "time"} and "message" in value
    return str(value["message"]) if is_packed else text


def _joined(lines: list[str] | str | None) -> str:
    return lines if isinstance(lines, str) else "\n".join(lines or ())
