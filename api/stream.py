"""What a client's stream says at each event of a run: one answer per event type, and `ANSWERS` is complete.

In step mode every message comes whole. In token mode the pieces of a model's answer come as they arrive, and whatever
of the answer has not come that way follows when it is complete, so that no piece is lost or told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from api.pieces import Pieces
from api.schemas import messages as wire
from api.schemas.dates import message_date
from api.schemas.messages import Wire
from runs.models import Message, RunDelta, RunEvent

# A named event, which the SDKs skip and other clients may show.
PROGRESS = "tool_progress"

# The place of an event's chunks and deltas in the stream's own numbering, see `number`.
_STRIDE = 1_000_000
_DELTAS_FROM = 100


@dataclass(frozen=True, slots=True)
class Chunk:
    """One thing to say. `event` "" is a message that the SDKs read; other names they skip, "error" they raise."""

    data: Wire
    event: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """An event with the rows of the history that belong to its step: the answer, and the returns it brought, if any; or
    with the summary that it made."""

    event: RunEvent
    answer: Message | None = None
    returns: Message | None = None
    summary: Message | None = None


@dataclass(slots=True)
class Teller:
    """Turns one run's log and deltas into chunks, in order. `held_back` are the tools whose calls need approval."""

    run_id: str
    is_token_mode: bool = False
    held_back: frozenset[str] = frozenset()
    tells_compactions: bool = False
    date: str = ""
    told_calls: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    pieces: dict[str, Pieces] = field(default_factory=dict)

    def tell(self, heard: Heard) -> list[Chunk]:
        """What to say at an event."""
        self.date = message_date(heard.event.at)
        return ANSWERS[heard.event.type](self, heard)

    def tell_delta(self, delta: RunDelta) -> list[Chunk]:
        """What to say at a piece of an answer; nothing once the answer is complete, or in step mode."""
        if not self.is_token_mode or delta.step_id in self.answered:
            return []
        pieces = self.pieces.setdefault(delta.step_id, Pieces(delta.step_id, self.run_id, self.held_back))
        return _chunks(pieces.add(delta, self.date))

    def calls_of(self, answer: Message | None) -> list[Chunk]:
        """The calls of an answer of this run that need no approval, once."""
        if answer is None or answer.run_id != self.run_id or answer.pk in self.told_calls:
            return []
        self.told_calls.add(answer.pk)
        pieces = self.pieces.get(answer.step_id or "")
        calls = pieces.rest_of_calls(answer) if pieces else wire.free_calls(answer)
        return _chunks([*wire.spoken(answer), *calls])


def number(event: RunEvent, place: int) -> int:
    """The `seq_id` of an event's chunk: rising over the stream, the same for whoever asks again."""
    return event.seq * _STRIDE + place


def number_delta(delta: RunDelta) -> int:
    """The `seq_id` of a delta's chunk: behind its event's, before the next one's."""
    return delta.after_seq * _STRIDE + _DELTAS_FROM + delta.delta_seq


def _chunks(messages: Iterable[Wire]) -> list[Chunk]:
    return [Chunk(message) for message in messages]


def _silent(teller: Teller, heard: Heard) -> list[Chunk]:
    return []


def _progress(teller: Teller, heard: Heard) -> list[Chunk]:
    event = heard.event
    facts = {"type": event.type, "run_id": teller.run_id, "seq": event.seq, "date": teller.date}
    return [Chunk({**event.data, **facts}, PROGRESS)]


def _retried(teller: Teller, heard: Heard) -> list[Chunk]:
    if heard.event.data["discards_deltas"]:
        teller.pieces.pop(heard.event.data["step_id"], None)
    return _progress(teller, heard)


def _responded(teller: Teller, heard: Heard) -> list[Chunk]:
    """Reasoning and text. The calls follow with the next event, which tells whether they need approval."""
    assert heard.answer is not None
    step_id = heard.event.data["step_id"]
    teller.answered.add(step_id)
    pieces = teller.pieces.get(step_id)
    if pieces is not None:
        return _chunks(pieces.rest_of_text(heard.answer))
    return _chunks([*wire.reasoning(heard.answer), *wire.text(heard.answer)])


def _planned(teller: Teller, heard: Heard) -> list[Chunk]:
    return [*teller.calls_of(heard.answer), *_progress(teller, heard)]


def _approval_requested(teller: Teller, heard: Heard) -> list[Chunk]:
    assert heard.answer is not None
    return [*teller.calls_of(heard.answer), *_chunks(wire.approval_request(heard.answer))]


def _returned(teller: Teller, heard: Heard) -> list[Chunk]:
    """The returns that joined the history with this event, after their calls, should those not have been told."""
    if heard.returns is None:
        return []
    return [*teller.calls_of(heard.answer), *_chunks(wire.tool_returns(heard.returns))]


def _compacted(teller: Teller, heard: Heard) -> list[Chunk]:
    """For those who asked for it: that messages have left the context window, and what stands there for them."""
    if not teller.tells_compactions or heard.summary is None:
        return _progress(teller, heard)
    return _chunks(wire.compaction_messages(heard.summary))


ANSWERS: Mapping[str, Callable[[Teller, Heard], list[Chunk]]] = {
    "run.started": _silent,
    "model.requested": _returned,
    "model.retried": _retried,
    "model.responded": _responded,
    "batch.planned": _planned,
    "call.queued": _progress,
    "call.waiting": _progress,
    "call.started": _progress,
    "call.output": _progress,
    "call.ended": _progress,
    "approval.requested": _approval_requested,
    "approval.decided": _progress,
    "context.compacted": _compacted,
    "run.ended": _returned,
}
