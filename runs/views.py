"""The run page, the live viewer, and its parts."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from runs.conversation import is_decided, messages_of
from runs.models import Run, RunEvent
from runs.picture import RunPicture
from runs.presentation import Presenter
from runs.reading import blank_picture, log_of, picture_of, verdict_on
from runs.retention import is_pruned
from runs.timeline import SPANS
from runs.viewer import log_rows_html
from runs.waiting import place_of

LOG_ROWS = 200


@require_safe
def run_page(request: HttpRequest, run_id: str) -> HttpResponse:
    """The live viewer: everything as the log stands now; the socket goes on from there."""
    run = get_object_or_404(Run.objects.select_related("agent", "conversation", "resumes_run"), pk=run_id)
    rows = log_of(run)
    picture = blank_picture(run).apply_all(rows)
    presenter = Presenter(picture, timezone.now())
    selected = request.GET.get("at", "")
    pruned = is_pruned(run)
    context = {
        "record": run,
        "run_id": run.pk,
        "run": presenter.run(),
        "picture": picture,
        "selected": selected,
        "spans": " ".join(f"{span:g}" for span in SPANS),
        "now": timezone.now(),
        "place": place_of(run),
        "resumed_by": Run.objects.filter(resumes_run=run).first(),
        "is_decided": is_decided(run),
        "is_pruned": pruned,
        "verdict": verdict_on(run) if run.is_ended and not pruned else None,
        "is_undecided": bool(picture.pending_calls) and not is_decided(run),
        **_log_lines(rows, picture),
        **_inspected(run, picture, presenter, selected),
    }
    return render(request, "runs/detail.html", context)


@require_safe
def waiting(request: HttpRequest, run_id: str) -> HttpResponse:
    """Where a run that has not begun stands in the line, and why it waits."""
    run = get_object_or_404(Run, pk=run_id)
    return render(request, "runs/parts/waiting.html", {"run_id": run.pk, "record": run, "place": place_of(run)})


@require_safe
def inspector(request: HttpRequest, run_id: str) -> HttpResponse:
    """The details of what is selected: a call, a step, or the run."""
    run = get_object_or_404(Run.objects.select_related("agent"), pk=run_id)
    picture = picture_of(run)
    presenter = Presenter(picture, timezone.now())
    context = {"record": run, "run_id": run.pk, "run": presenter.run(with_steps=False), "picture": picture}
    context.update(_inspected(run, picture, presenter, request.GET.get("at", "")))
    return render(request, "runs/inspector.html", context)


@require_safe
def verdict(request: HttpRequest, run_id: str) -> HttpResponse:
    """What the independent checker says about the finished run and those linked with it (rule 7.3)."""
    run = get_object_or_404(Run.objects.select_related("resumes_run"), pk=run_id)
    is_undecided = run in Run.objects.awaiting_approval().filter(pk=run.pk)
    context = {"run_id": run.pk, "verdict": verdict_on(run), "is_undecided": is_undecided}
    return render(request, "runs/parts/verdict.html", context)


@require_safe
def earlier_log(request: HttpRequest, run_id: str) -> HttpResponse:
    """The rows of the raw log before `before`."""
    run = get_object_or_404(Run, pk=run_id)
    before = request.GET.get("before", "")
    last = int(before) if before.isascii() and before.isdigit() else 0
    rows = log_of(run)
    picture = blank_picture(run).apply_all(rows)
    context = {"run_id": run.pk, **_log_lines([row for row in rows if row.seq < last], picture)}
    return render(request, "runs/parts/log_earlier.html", context)


def _log_lines(rows: list[RunEvent], picture: RunPicture) -> dict[str, Any]:
    """The end of the raw log; `log_before` is its first row's seq where there are more before it, else 0."""
    shown = rows[-LOG_ROWS:]
    lines = [mark_safe(line) for line in log_rows_html(shown, picture)]
    return {"log_lines": lines, "log_before": shown[0].seq if len(rows) > LOG_ROWS else 0}


def _inspected(run: Run, picture: RunPicture, presenter: Presenter, selected: str) -> dict[str, Any]:
    if selected in picture.calls:
        return {"kind": "call", "call": presenter.call(picture.calls[selected]), "origin": picture.started_at}
    if selected in picture.steps:
        return {"kind": "step", "step": presenter.step(picture.steps[selected])}
    answers = [step for step in map(presenter.step_head, picture.ordered_steps) if step.text or step.reasoning]
    return {"kind": "run", "said": messages_of(run, picture), "answers": answers}
