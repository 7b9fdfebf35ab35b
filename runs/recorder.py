"""The one writer of a run's log while a worker holds the run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from engine.events import CallOutput, Event
from engine.specs import ToolResult
from llms.types import CallDelta, ModelDelta, ReasoningDelta, TextDelta
from runs.journal import DeltaRow, Entry, EventRow, Journal

# Rule 7.2: at most 10 rows a second per call. A call has two streams, each at most one row per flush.
_OUTPUT_GAP = 0.2
_FIRST_OUTPUT_AFTER = 0.02
# At most 20 rows a second per run.
_DELTA_GAP = 0.05


@dataclass(slots=True)
class _Output:
    """What a call has printed since the last flush."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    flushed_at: float = 0.0
    timer: asyncio.TimerHandle | None = None


class RunRecorder:
    """Numbers, stamps and hands on the facts of one run, as engine.ports.Recorder asks."""

    def __init__(self, journal: Journal, run_id: str, *, epoch: int, last_seq: int, last_delta_seq: int) -> None:
        self._journal = journal
        self._run_id = run_id
        self._epoch = epoch
        self._seq = last_seq
        self._delta_seq = last_delta_seq
        self._last_at = timezone.now()
        self._outputs: dict[str, _Output] = {}
        self._deltas: list[DeltaRow] = []
        self._delta_timer: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def record(self, *events: Event, results: tuple[ToolResult, ...] = ()) -> None:
        """Store these events; what was printed and said before stands before them. Raises LostRun."""
        rows = [*self._take_outputs(), *(self._row(event) for event in events)]
        await self._journal.write(self._entry(tuple(rows), results))

    def output(self, call_id: str, stream: str, text: str) -> None:
        """Note a piece of output; stored with the next event or within a fifth of a second."""
        output = self._outputs.setdefault(call_id, _Output())
        output.texts.setdefault(stream, []).append(text)
        if output.timer is None:
            loop = asyncio.get_running_loop()
            wait = max(_FIRST_OUTPUT_AFTER, output.flushed_at + _OUTPUT_GAP - loop.time())
            output.timer = loop.call_later(wait, self._flush_output, call_id)

    def delta(self, step_id: str, delta: ModelDelta) -> None:
        """Note a piece of the answer; stored within a twentieth of a second."""
        row = self._delta_row(step_id, delta)
        if self._deltas and _continues(self._deltas[-1], row):
            last = self._deltas[-1]
            self._deltas[-1] = DeltaRow(
                last.delta_seq, last.after_seq, last.step_id, last.kind, last.text + row.text, last.call
            )
        else:
            self._delta_seq = row.delta_seq
            self._deltas.append(row)
        if self._delta_timer is None:
            self._delta_timer = asyncio.get_running_loop().call_later(_DELTA_GAP, self._flush_deltas)

    def close(self) -> None:
        """Forget what is not written yet: the run is over or another worker's."""
        for output in self._outputs.values():
            if output.timer is not None:
                output.timer.cancel()
        if self._delta_timer is not None:
            self._delta_timer.cancel()

    def _row(self, event: Event) -> EventRow:
        self._seq += 1
        return EventRow(self._seq, self._now(), event)

    def _now(self) -> datetime:
        # A clock that is set back must not make the log run backwards.
        self._last_at = max(self._last_at, timezone.now())
        return self._last_at

    def _entry(self, rows: tuple[EventRow, ...], results: tuple[ToolResult, ...] = ()) -> Entry:
        deltas, self._deltas = tuple(self._deltas), []
        return Entry(self._run_id, self._epoch, rows, deltas, results)

    def _take_outputs(self) -> list[EventRow]:
        return [row for call_id in list(self._outputs) for row in self._take_output(call_id)]

    def _take_output(self, call_id: str) -> list[EventRow]:
        output = self._outputs[call_id]
        if output.timer is not None:
            output.timer.cancel()
            output.timer = None
        if not output.texts:
            return []
        texts, output.texts = output.texts, {}
        output.flushed_at = asyncio.get_running_loop().time()
        return [self._row(CallOutput(call_id, stream, "".join(pieces))) for stream, pieces in texts.items()]

    def _flush_output(self, call_id: str) -> None:
        self._write_soon(self._entry(tuple(self._take_output(call_id))))

    def _flush_deltas(self) -> None:
        self._delta_timer = None
        if self._deltas:
            self._write_soon(self._entry(()))

    def _write_soon(self, entry: Entry) -> None:
        task = asyncio.get_running_loop().create_task(self._journal.write(entry))
        self._background.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # a lost run says so at the next record(), which is awaited

    def _delta_row(self, step_id: str, delta: ModelDelta) -> DeltaRow:
        number = self._delta_seq + 1
        match delta:
            case TextDelta(text):
                return DeltaRow(number, self._seq, step_id, "text", text)
            case ReasoningDelta(text):
                return DeltaRow(number, self._seq, step_id, "reasoning", text)
            case CallDelta(index, call_id, name, arguments):
                call: dict[str, object] = {"index": index, "id": call_id, "name": name}
                return DeltaRow(number, self._seq, step_id, "call", arguments, call)


def _continues(last: DeltaRow, row: DeltaRow) -> bool:
    if last.step_id != row.step_id or last.kind != row.kind or last.after_seq != row.after_seq:
        return False
    if row.call is None or last.call is None:
        return row.call is last.call
    return last.call["index"] == row.call["index"] and not row.call["name"]
