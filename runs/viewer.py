"""From an event to what a browser shows: one frame per event, for page load, reload and live stream the same templates.

A frame's `html` is the event's line in the raw log and every part of the page that the event changed, each an element
with a stable id. The page replaces the element with that id, or puts it into the container that `data-into` names, in
the order of `data-order`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone

from runs.picture import LogRow, RunPicture
from runs.picture_parts import Change, Part
from runs.presentation import CARD_CALLS, Presenter, piece_html

Frame = dict[str, Any]

LONGEST_TEXT = 2_000
"""Longer strings of an event's facts are cut in a frame; the log's export has them whole."""


class Page(StrEnum):
    """Which page is looking: they show the same picture in different pieces."""

    RUN = "run"
    CHAT = "chat"


FRAGMENTS: Mapping[Page, Mapping[Part, tuple[str, ...]]] = {
    Page.RUN: {
        Part.RUN: ("runs/parts/header.html",),
        Part.STEP: ("runs/parts/tree_step.html", "runs/parts/timeline_step.html"),
        Part.MODEL: ("runs/parts/timeline_model.html",),
        Part.BATCH: ("runs/parts/tree_step.html", "runs/parts/timeline_step.html"),
        Part.PHASE: ("runs/parts/timeline_phase_head.html",),
        Part.CALL: ("runs/parts/tree_call.html", "runs/parts/timeline_call.html"),
        Part.OUTPUT: ("runs/parts/output_piece.html",),
        Part.END: ("runs/parts/verdict_slot.html", "runs/parts/approval.html"),
    },
    Page.CHAT: {
        Part.RUN: ("runs/chat/status.html",),
        Part.STEP: ("runs/chat/step.html",),
        Part.MODEL: ("runs/chat/answer.html",),
        Part.BATCH: ("runs/chat/batch.html",),
        Part.PHASE: ("runs/chat/batch_head.html", "runs/chat/phase_head.html"),
        Part.CALL: ("runs/chat/call.html",),
        Part.OUTPUT: ("runs/parts/output_piece.html",),
        Part.END: ("runs/chat/end.html",),
    },
}
"""One template per part and page. A page's whole is made of these same templates."""


def frame(row: LogRow, picture: RunPicture, page: Page = Page.RUN) -> Frame:
    """The frame of one row, which is applied to the picture."""
    return frames([row], picture, page)[0]


def frames(rows: Sequence[LogRow], picture: RunPicture, page: Page = Page.RUN) -> list[Frame]:
    """The frames of rows that came together. A part that several of them change is rendered once, with the last."""
    changes = [picture.apply(row) for row in rows]
    last: dict[Change, int] = {change: position for position, changed in enumerate(changes) for change in changed}
    presenter = Presenter(picture, timezone.now(), CARD_CALLS if page is Page.CHAT else None)
    made = []
    for position, (row, changed) in enumerate(zip(rows, changes, strict=True)):
        due = [change for change in changed if last[change] == position or change.part is Part.OUTPUT]
        log_line = log_row_html(row, picture) if page is Page.RUN else ""
        made.append(_frame(row, log_line + "".join(_fragments(presenter, change, row.seq, page) for change in due)))
    return made


def _frame(row: LogRow, html: str) -> Frame:
    return {"seq": row.seq, "type": row.type, "at": row.at.isoformat(), "data": shortened(row.data), "html": html}


def _fragments(presenter: Presenter, change: Change, seq: int, page: Page) -> str:
    context = _context(presenter, change, seq)
    if context is None:
        return ""
    return "".join(render_to_string(template, context) for template in FRAGMENTS[page][change.part])


def _context(presenter: Presenter, change: Change, seq: int) -> dict[str, Any] | None:
    """What the templates of a part are given; None where there is nothing to show."""
    picture = presenter.picture
    run_id = picture.run_id
    match change.part:
        case Part.RUN | Part.END:
            return {"run_id": run_id, "run": presenter.run(with_steps=False), "is_live": True}
        case Part.STEP | Part.MODEL | Part.BATCH:
            return {"run_id": run_id, "step": presenter.step(picture.steps[change.id]), "is_piecemeal": True}
        case Part.PHASE:
            step = picture.steps[change.id]
            phase = next((one for one in step.groups if one.index == change.phase), None)
            if phase is None:
                return None
            view = presenter.phase(phase, with_calls=False)
            return {"run_id": run_id, "step": presenter.step_head(step), "phase": view}
        case Part.CALL:
            return {"run_id": run_id, "call": presenter.call(picture.calls[change.id])}
        case Part.OUTPUT:
            pieces = picture.calls[change.id].output.pieces
            piece = next((one for one in pieces if one.seq == seq), None)
            return {"call_id": change.id, "piece": piece_html(change.id, piece)} if piece else None


def log_row_html(row: LogRow, picture: RunPicture) -> str:
    """The event's line in the raw log, from the one template of its type."""
    offset = (row.at - picture.started_at).total_seconds() if picture.started_at else 0.0
    call = picture.calls.get(str(row.data.get("call_id", "")))
    context = {
        "row": row,
        "facts": shortened(row.data),
        "offset": f"{offset:.3f}",
        "body": event_template(row.type),
        "call_name": call.name if call else "",
    }
    return render_to_string("runs/parts/log_row.html", context)


def event_template(event_type: str) -> str:
    """The one template of an event type."""
    return f"runs/events/{event_type.replace('.', '_')}.html"


def log_rows_html(rows: Iterable[LogRow], picture: RunPicture) -> list[str]:
    return [log_row_html(row, picture) for row in rows]


def delta_frame(delta_seq: int, *, after_seq: int, step_id: str, kind: str, text: str, call: Any) -> Frame:
    """A piece of the model's answer while it streams: never part of the log."""
    facts = {"after_seq": after_seq, "step_id": step_id, "kind": kind, "text": text, "call": call}
    return {"type": "delta", "delta_seq": delta_seq, "data": facts, "html": ""}


def shortened(facts: Any) -> Any:
    """The same facts with long strings cut."""
    if isinstance(facts, str):
        return facts if len(facts) <= LONGEST_TEXT else facts[:LONGEST_TEXT] + "…"
    if isinstance(facts, Mapping):
        return {key: shortened(value) for key, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [shortened(value) for value in facts]
    return facts
