"""From a picture's parts to what the templates are given.

Templates have no logic beyond if and for. Page load, reload and live stream all pass through here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from engine.specs import CallState
from runs.picture import RunPicture, tally
from runs.picture_parts import CallPicture, PhasePicture, Piece, StepPicture
from runs.shown import CallView, PendingView, PhaseView, RunView, StepView
from runs.timeline import axis, call_bars, model_bar, phase_band
from runs.wording import arguments_preview, count_text, cut, duration_text, markdown_html, pretty_json, preview

CARD_CALLS = 60
"""More calls than this of one phase are not shown in the conversation; the run page has them all."""


class Presenter:
    """Turns parts of one picture into views, on one axis, as of `now`."""

    def __init__(self, picture: RunPicture, now: datetime, calls_per_phase: int | None = None) -> None:
        self.picture = picture
        self.axis = axis(picture.started_at or now, picture.ended_at or max(now, picture.last_at or now))
        self._limit = calls_per_phase

    def run(self, *, with_steps: bool = True) -> RunView:
        picture = self.picture
        calls = list(picture.calls.values())
        elapsed = (picture.ended_at - picture.started_at) if picture.ended_at and picture.started_at else None
        return RunView(
            picture=picture,
            axis=self.axis,
            state=picture.stop_reason if picture.pending_calls and picture.stop_reason else picture.status.value,
            tally=", ".join(f"{number} {state}" for state, number in tally(calls).items()),
            call_count=len(calls),
            ended_count=sum(call.is_ended for call in calls),
            saved=duration_text(picture.saved_seconds),
            has_saved=picture.saved_seconds >= 0.001,
            elapsed_ms=elapsed.total_seconds() * 1000 if elapsed is not None else None,
            steps=[self.step(step) for step in picture.ordered_steps] if with_steps else [],
            pending=[PendingView(self.call(call)) for call in picture.pending_calls] if picture.is_ended else [],
            error_tone="bad" if picture.status.value == "failed" else "warn",
            origin_ms=round(self.axis.origin.timestamp() * 1000),
            now_ms=round(self.axis.now.timestamp() * 1000),
        )

    def step_head(self, step: StepPicture) -> StepView:
        """The step without its phases: enough for the heads that change with every call."""
        return self.step(step, with_phases=False)

    def step(self, step: StepPicture, *, with_phases: bool = True) -> StepView:
        ended = self.picture.ended_at
        thought = (step.responded_at - step.requested_at) if step.responded_at and step.requested_at else None
        bar = model_bar(step, self.axis, ended)
        bars = [bar] if bar else []
        return StepView(
            id=step.id,
            index=step.index,
            number=step.index + 1,
            text=mark_safe(markdown_html(cut(step.text)[0])) if step.text else SafeString(""),
            reasoning=mark_safe(markdown_html(cut(step.reasoning)[0])) if step.reasoning else SafeString(""),
            is_streaming=step.is_streaming and ended is None,
            is_silent=not (step.text or step.reasoning or step.is_streaming),
            batch_title=count_text(len(step.calls), "tool call"),
            decision_title=count_text(sum(call.needs_decision for call in step.calls), "tool call"),
            batch_state=step.batch_state,
            batch_meta=batch_meta(step),
            model_bars=bars,
            mark=self.axis.mark(duration_text(thought.total_seconds()) if thought else "…", bars),
            model_ms=thought.total_seconds() * 1000 if thought else None,
            model_state="success" if step.responded_at else "cancelled" if ended else "running",
            phases=[self.phase(phase) for phase in step.groups] if with_phases else [],
            picture=step,
        )

    def phase(self, phase: PhasePicture, *, with_calls: bool = True) -> PhaseView:
        shown = phase.calls[: self._limit] if with_calls else []
        mode = phase.mode.value if phase.mode else ""
        number = phase.index + 1
        return PhaseView(
            key=f"{phase.step_id}-{number}",
            step_id=phase.step_id,
            index=phase.index,
            number=number,
            mode=mode,
            count=len(phase.calls),
            meta=_phase_meta(phase),
            state=phase.state,
            title=_phase_title(mode, len(phase.calls)),
            band=phase_band(phase, self.axis),
            calls=[self.call(call) for call in shown],
            left_out=len(phase.calls) - len(shown) if with_calls else 0,
        )

    def call(self, call: CallPicture) -> CallView:
        seconds = call.seconds
        bars = call_bars(call, self.axis)
        arguments, _ = cut(pretty_json(call.arguments))
        return CallView(
            id=call.id,
            name=call.name,
            state=str(call.state),
            mode=call.mode.value if call.mode else "",
            arguments_preview=arguments_preview(call.arguments),
            arguments=arguments,
            why=why_not_yet(call),
            started_at=call.started_at,
            duration_ms=seconds * 1000 if seconds is not None else None,
            return_preview=preview(call.text) if call.is_ended else "",
            result=cut(call.text)[0],
            output=output_html(call),
            step_id=call.step_id,
            order=f"{call.phase + 1}.{call.index}",
            number=call.index + 1,
            label=_bar_label(call, seconds),
            timing=timing_rows(call, self.picture.started_at),
            bars=bars,
            mark=self.axis.mark(_bar_text(call, seconds), bars, is_reason=call.state is CallState.WAITING),
            is_critical=call.is_critical,
            is_failed=call.is_failed,
            needs_decision=call.needs_decision and call.state is CallState.HELD,
            picture=call,
        )


def why_not_yet(call: CallPicture) -> str:
    """Why a call does not run yet: never silent (rule 3.3). "" for one that runs or has ended."""
    match call.state:
        case CallState.WAITING:
            return call.waits_for
        case CallState.HELD if call.needs_decision:
            return "held: needs your decision"
        case CallState.HELD:
            return "held: nothing of this batch runs before the decision"
        case CallState.QUEUED if call.decision:
            return f"{call.decision}: planned next"
        case CallState.QUEUED if call.phase > 0:
            return f"queued: phase {call.phase + 1} starts when phase {call.phase} has ended"
        case CallState.QUEUED:
            return "queued: starts next"
        case _:
            return ""


def piece_html(call_id: str, piece: Piece) -> SafeString:
    """One piece of output; the page's script counts its lines to keep the same tail as `OutputTail`. Its id has the
    call's: a conversation shows many runs, whose numbers repeat."""
    return format_html(
        '<span id="output-{}-{}" class="{}" data-lines="{}">{}</span>',
        call_id,
        piece.seq,
        piece.stream,
        piece.lines,
        piece.text,
    )


def output_html(call: CallPicture) -> SafeString:
    """The tail of what a call printed."""
    return format_html_join("", "{}", ((piece_html(call.id, piece),) for piece in call.output.pieces))


def timing_rows(call: CallPicture, origin: datetime | None) -> list[tuple[str, str]]:
    """When a call was queued, waited, started and ended, and how long each part took."""
    turn = call.waiting_at or call.started_at or call.ended_at
    parts = [
        ("Queued", call.queued_at, turn, "for its phase"),
        ("Waited", call.waiting_at, call.started_at or call.ended_at, "for what it needs"),
        ("Ran", call.started_at, call.ended_at, ""),
    ]
    rows = [(name, _part_text(begun, ended, origin, what)) for name, begun, ended, what in parts if begun and origin]
    if call.ended_at and origin:
        rows.append(("Ended", f"at {duration_text((call.ended_at - origin).total_seconds())}"))
    return rows or [("Not yet", "the batch has not been planned")]


def _part_text(begun: datetime | None, ended: datetime | None, origin: datetime | None, what: str) -> str:
    if begun is None or origin is None:
        return ""
    since = f"from {duration_text((begun - origin).total_seconds())}"
    return f"{since}, {duration_text((ended - begun).total_seconds())} {what}".strip() if ended else f"{since}, still"


def batch_meta(step: StepPicture) -> str:
    """What a batch's header says besides the number of calls."""
    ended = sum(call.is_ended for call in step.calls)
    if not step.is_batch_ended:
        return f"{ended} of {len(step.calls)} ended" if ended else ""
    wall = duration_text(step.wall_seconds)
    return f"{wall}, saved {duration_text(step.saved_seconds)}" if step.saved_seconds >= 0.001 else wall


def _phase_meta(phase: PhasePicture) -> str:
    if phase.started_at and phase.ended_at:
        return duration_text((phase.ended_at - phase.started_at).total_seconds())
    running = sum(call.state is CallState.RUNNING for call in phase.calls)
    ended = sum(call.is_ended for call in phase.calls)
    said: list[tuple[int, str]] = [(running, "running"), (ended, "ended")]
    return ", ".join(f"{number} {word}" for number, word in said if number and len(phase.calls) > 1)


def _phase_title(mode: str, size: int) -> str:
    words: dict[str, Callable[[int], str]] = {
        "parallel": lambda number: f"{number} in parallel",
        "sequential": lambda number: f"{number} sequential",
    }
    return words[mode](size) if mode else f"{count_text(size, 'call')}, not planned yet"


def _bar_text(call: CallPicture, seconds: float | None) -> str:
    """What stands beside a call's bar: why it waits, its running clock, how long it took."""
    if call.state is CallState.RUNNING:
        return "…"
    return why_not_yet(call) if call.state is CallState.WAITING else _bar_label(call, seconds)


def _bar_label(call: CallPicture, seconds: float | None) -> str:
    if seconds is None:
        return str(call.state) if call.is_ended else ""
    return duration_text(seconds) + ("" if not call.is_failed else f" {call.state}")
