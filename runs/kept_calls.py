"""How calls and their returns are kept in the messages of a history."""

from __future__ import annotations

from agents.base_tools import SPEAKING_TOOL
from engine.events import RespondedCall
from engine.specs import Outcome
from runs.contents import message_of
from runs.models import ToolCall


def kept_call(call: RespondedCall, *, speaks: bool) -> dict[str, object]:
    """A call of an answer. An agent that `speaks` by a tool says with it what others say in their text."""
    facts: dict[str, object] = {
        "id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "needs_approval": False,
    }
    is_spoken = speaks and call.name == SPEAKING_TOOL and message_of(call.arguments)
    return {**facts, "is_spoken": True} if is_spoken else facts


def kept_return(call: ToolCall, *, speaks: bool) -> dict[str, object]:
    """The return of a call. That of a message which was said has nothing to tell."""
    facts: dict[str, object] = {
        "call_id": call.pk,
        "name": call.name,
        "outcome": call.state,
        "text": call.text,
        "stdout": call.stdout,
        "stderr": call.stderr,
    }
    is_spoken = speaks and call.name == SPEAKING_TOOL and call.state == Outcome.SUCCESS and not call.needs_approval
    return {**facts, "is_spoken": True} if is_spoken else facts
