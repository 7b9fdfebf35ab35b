"""Where a turn stands: what the loop reads and moves forward."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.rule_solver import PastCall
from engine.specs import OpenBatch, ToolCall, ToolResult
from llms.types import ModelMessage, ModelResponse, RequestedCall, Role, Usage


@dataclass(slots=True)
class Turn:
    """A turn in progress, at its beginning or taken over in the middle.

    `messages` is the history without the system prompt, `past` the calls of this run and those it resumes,
    `steps` how many steps have been taken, `open_step` the id of a step whose request was sent but not answered.
    `returns` are the ids of returns that joined the history since the last request. `calibration` corrects estimates of
    tokens by what the provider counted last (see engine.tokens).
    """

    messages: list[ModelMessage]
    past: list[PastCall] = field(default_factory=list)
    batch: OpenBatch | None = None
    steps: int = 0
    open_step: str | None = None
    usage: Usage = field(default_factory=Usage)
    returns: tuple[str, ...] = ()
    calibration: float = 1.0

    def add_answer(self, answer: ModelResponse, calls: tuple[ToolCall, ...], message_id: str) -> None:
        """The model's answer joins the history, with the calls under our ids."""
        self.messages.append(
            ModelMessage(
                Role.ASSISTANT,
                answer.text,
                tuple(RequestedCall(call.id, call.name, call.arguments) for call in calls),
                reasoning=answer.reasoning,
                reasoning_signature=answer.reasoning_signature,
                message_id=message_id,
            )
        )

    def close_batch(self, results: dict[str, ToolResult]) -> None:
        """The returns join the history in the model's order, whatever order they finished in (rule 3.6)."""
        assert self.batch is not None  # only an open batch can be closed
        for call in self.batch.calls:
            result = results[call.id]
            self.messages.append(ModelMessage(Role.TOOL, result.text, call_id=call.id, is_error=result.is_error))
        self.returns = tuple(call.id for call in self.batch.calls)
        self.batch = None
