"""Messages as the SDKs know them. Every answer, list and stream of the API gets its messages from here.

One row of the history may be several of Letta's messages, which then share its id: an answer with reasoning, text and
calls is a reasoning_message, an assistant_message and a tool_call_message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from api.schemas.dates import message_date
from engine.ids import answer_id
from engine.specs import Outcome
from runs.contents import content_text, message_of
from runs.models import Message, ToolCall

Wire = dict[str, Any]

# The place of each part within its row: Letta derives the part's `otid` from it.
_REASONING, _TEXT, _CALLS, _RETURNS, _SPOKEN = range(5)


def wire_messages(row: Message) -> list[Wire]:
    """All that a row of the history is on the wire."""
    return _BUILDERS[row.role](row)


def wire_list(
    rows: Iterable[Message], only: Iterable[str] | None = None, *, tells_compactions: bool = False
) -> list[Wire]:
    """The rows on the wire, in their order; `only` these message types, where given. `tells_compactions` adds to each
    summary the event that made it."""
    tell = _compaction if tells_compactions else wire_messages
    messages = [message for row in rows for message in tell(row)]
    return messages if only is None else [message for message in messages if message["message_type"] in set(only)]


def reasoning(row: Message) -> list[Wire]:
    """The model's visible reasoning, if there was any."""
    if not row.reasoning:
        return []
    facts = {"source": "reasoner_model", "reasoning": row.reasoning, "signature": row.reasoning_signature or None}
    return [_message(row, "reasoning_message", _REASONING, facts)]


def text(row: Message) -> list[Wire]:
    """What the model said, if it said something."""
    return [_message(row, "assistant_message", _TEXT, {"content": row.content})] if row.content else []


def spoken(row: Message) -> list[Wire]:
    """What the model said by calls of send_message, as agents of older types do: an assistant_message for each."""
    calls = (call for call in row.calls if is_spoken(call))
    return [
        _message(row, "assistant_message", _SPOKEN + number, {"content": message_of(call["arguments"])})
        for number, call in enumerate(calls)
    ]


def is_spoken(call: Mapping[str, Any]) -> bool:
    """Whether the call is told as a message. One that a person has to approve is told as the call it is."""
    return bool(call.get("is_spoken")) and not call["needs_approval"]


def free_calls(row: Message) -> list[Wire]:
    """One tool_call_message with the calls of the batch that need nobody's approval."""
    calls = [wire_call(call) for call in row.calls if not call["needs_approval"] and not is_spoken(call)]
    return [_message(row, "tool_call_message", _CALLS, {"tool_call": calls[0], "tool_calls": calls})] if calls else []


def approval_request(row: Message) -> list[Wire]:
    """One approval_request_message with the calls of the batch that wait for a person."""
    calls = [wire_call(call) for call in row.calls if call["needs_approval"]]
    if not calls:
        return []
    facts = {"tool_call": calls[0], "tool_calls": calls, "otid": row.pk}
    return [_message(row, "approval_request_message", _CALLS, facts)]


def tool_returns(row: Message) -> list[Wire]:
    """One tool_return_message with all returns of the batch, in the model's order (rule 3.6); without those of calls that
    are told as messages."""
    told = [each for each in row.returns if not each.get("is_spoken")]
    if not told:
        return []
    returns = [wire_return(each) for each in told]
    first = returns[0]
    singles = {key: first[key] for key in ("tool_return", "status", "tool_call_id", "stdout", "stderr")}
    facts = {**singles, "tool_returns": returns, "name": told[0]["name"]}
    return [_message(row, "tool_return_message", _RETURNS, facts)]


def wire_call(call: Mapping[str, Any]) -> Wire:
    """A call as the model wrote it; `arguments` is JSON text."""
    return {"name": call["name"], "arguments": call["arguments"], "tool_call_id": call["id"]}


def pending_request(calls: Iterable[ToolCall]) -> Wire | None:
    """The approval request behind calls that wait for a decision, None without any."""
    waiting = list(calls)
    if not waiting:
        return None
    row = Message.objects.filter(step_id=waiting[0].step_id, role="assistant").first()
    return approval_request(row)[0] if row and approval_request(row) else None


def otid(message_id: str, index: int) -> str:
    """Letta's id of one part of a message: the message's UUID with its lowest 7 bits replaced by the part's place."""
    number = UUID(message_id.removeprefix("message-")).int
    return str(UUID(int=number & ~0x7F | index & 0x7F))


def part_of_answer(kind: str, step_id: str, run_id: str, date: str, facts: Mapping[str, Any]) -> Wire:
    """A piece of an answer that still streams, under the ids that the whole of it will have."""
    places = {"reasoning_message": _REASONING, "assistant_message": _TEXT, "tool_call_message": _CALLS}
    message_id = answer_id(step_id)
    return {
        "id": message_id,
        "date": date,
        "message_type": kind,
        "otid": otid(message_id, places[kind]),
        "step_id": step_id,
        "run_id": run_id,
        **facts,
    }


def _message(row: Message, kind: str, place: int, facts: Mapping[str, Any]) -> Wire:
    return {
        "id": row.pk,
        "date": message_date(row.created_at),
        "message_type": kind,
        "name": row.name or None,
        "otid": row.otid or otid(row.pk, place),
        "sender_id": row.sender_id or None,
        "step_id": row.step_id,
        "run_id": row.run_id,
        "is_err": None,
        "seq_id": None,
        **facts,
    }


def wire_return(returned: Mapping[str, Any]) -> Wire:
    """One return. Letta knows success and error only; `outcome` says which error (rule 3.5)."""
    return {
        "type": "tool",
        "tool_return": returned["text"],
        "status": "success" if returned["outcome"] == Outcome.SUCCESS else "error",
        "tool_call_id": returned["call_id"],
        "stdout": returned["stdout"].splitlines() or None,
        "stderr": returned["stderr"].splitlines() or None,
        "outcome": returned["outcome"],
        "name": returned["name"],
    }


def compaction_messages(row: Message) -> list[Wire]:
    """That older messages have left the context window, and the summary that stands there for them."""
    return [
        _message(row, "event_message", 1, {"event_type": "compaction", "event_data": row.compaction}),
        *_summary(row),
    ]


def _compaction(row: Message) -> list[Wire]:
    return compaction_messages(row) if row.role == "summary" else wire_messages(row)


def _summary(row: Message) -> list[Wire]:
    stats = {key: value for key, value in row.compaction.items() if key != "error"}
    return [_message(row, "summary_message", 0, {"summary": row.content, "compaction_stats": stats or None})]


def _user(row: Message) -> list[Wire]:
    return [_message(row, "user_message", 0, {"content": row.content})]


def _system(row: Message) -> list[Wire]:
    return [_message(row, "system_message", 0, {"content": content_text(row.content)})]


def _assistant(row: Message) -> list[Wire]:
    return [*reasoning(row), *text(row), *spoken(row), *free_calls(row), *approval_request(row)]


def _decided(decision: Mapping[str, Any]) -> Wire:
    """One decision, or the return of a call that the client ran."""
    returned = decision.get("returned")
    if returned is None:
        reason = decision["reason"] or None
        return {
            "type": "approval",
            "tool_call_id": decision["call_id"],
            "approve": decision["approve"],
            "reason": reason,
        }
    return {
        "type": "tool",
        "tool_call_id": decision["call_id"],
        "tool_return": returned["text"],
        "status": "error" if returned["is_error"] else "success",
        "stdout": returned["stdout"].splitlines() or None,
        "stderr": returned["stderr"].splitlines() or None,
    }


def _approval(row: Message) -> list[Wire]:
    reasons = (decision["reason"] for decision in row.decisions if decision["reason"])
    facts = {
        "approvals": [_decided(decision) for decision in row.decisions],
        "approve": all(decision["approve"] for decision in row.decisions),
        "approval_request_id": answer_id(row.step_id) if row.step_id else None,
        "reason": next(reasons, None),
    }
    return [_message(row, "approval_response_message", 0, facts)]


_BUILDERS: Mapping[str, Callable[[Message], list[Wire]]] = {
    "user": _user,
    "system": _system,
    "assistant": _assistant,
    "tool": tool_returns,
    "approval": _approval,
    "summary": _summary,
}
