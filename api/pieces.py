"""An answer that is streamed in pieces, and the account of which pieces have been told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.schemas.dates import message_date
from api.schemas.messages import Wire, is_spoken, part_of_answer
from runs.models import Message, RunDelta


@dataclass(slots=True)
class Pieces:
    """What has been told of one answer. `held_back` are tools whose calls need approval: their pieces are not told,
    since those calls come as an approval request."""

    step_id: str
    run_id: str
    held_back: frozenset[str]
    text: str = ""
    reasoning: str = ""
    arguments: dict[str, str] = field(default_factory=dict)

    def add(self, delta: RunDelta, date: str) -> list[Wire]:
        """The message of one more piece."""
        if delta.kind == "text":
            self.text += delta.text
            return [self._text(delta.text, date)]
        if delta.kind == "reasoning":
            self.reasoning += delta.text
            return [self._reasoning(delta.text, date)]
        assert delta.call is not None
        call_id, name = delta.call["id"], delta.call["name"]
        if name in self.held_back or (call_id not in self.arguments and not name):
            return []
        return self._call(call_id, name, delta.text, date)

    def rest_of_text(self, answer: Message) -> list[Wire]:
        """What of the reasoning and the text has not been told."""
        date = message_date(answer.created_at)
        reasoning, text = _rest(answer.reasoning, self.reasoning), _rest(str(answer.content), self.text)
        return [
            *([self._reasoning(reasoning, date)] if reasoning else []),
            *([self._text(text, date)] if text else []),
        ]

    def rest_of_calls(self, answer: Message) -> list[Wire]:
        """What of the calls that need no approval has not been told."""
        date = message_date(answer.created_at)
        messages = []
        for call in answer.calls:
            told = self.arguments.get(call["id"])
            rest = _rest(call["arguments"], told or "")
            if not call["needs_approval"] and not is_spoken(call) and (rest or told is None):
                messages += self._call(call["id"], call["name"], rest, date)
        return messages

    def _text(self, text: str, date: str) -> Wire:
        return self._piece("assistant_message", date, {"content": text})

    def _reasoning(self, text: str, date: str) -> Wire:
        return self._piece("reasoning_message", date, {"source": "reasoner_model", "reasoning": text})

    def _call(self, call_id: str, name: str, arguments: str, date: str) -> list[Wire]:
        """A delta of a call: its name once, its arguments in pieces, without keys that say nothing."""
        is_first = call_id not in self.arguments
        if not is_first and not arguments:
            return []
        self.arguments[call_id] = self.arguments.get(call_id, "") + arguments
        piece = {"tool_call_id": call_id}
        piece |= {"name": name} if is_first else {}
        piece |= {"arguments": arguments} if arguments else {}
        return [self._piece("tool_call_message", date, {"tool_call": piece, "tool_calls": piece})]

    def _piece(self, kind: str, date: str, facts: Mapping[str, Any]) -> Wire:
        return part_of_answer(kind, self.step_id, self.run_id, date, facts)


def _rest(whole: str, told: str) -> str:
    """The end that is missing; the whole, where what was told is something else."""
    return whole[len(told) :] if whole.startswith(told) else whole
