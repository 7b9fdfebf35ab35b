"""What can be taken away from a run page: the log, a trace, the full text of a return or of an output."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from runs.follow import read_log
from runs.models import Run, ToolCall
from runs.reading import picture_of
from runs.trace import chrome_trace


@require_safe
def log_json(request: HttpRequest, run_id: str) -> HttpResponse:
    """The run and its whole log."""
    run = get_object_or_404(Run.objects.select_related("agent"), pk=run_id)
    log = [{"seq": row.seq, "type": row.type, "at": row.at, "data": row.data} for row in read_log(run.pk)]
    about = {
        "id": run.pk,
        "agent_id": run.agent_id,
        "agent": run.agent.name,
        "status": run.status,
        "stop_reason": run.stop_reason,
        "resumes_run_id": run.resumes_run_id,
        "created_at": run.created_at,
        "events": log,
    }
    return _as_file(JsonResponse(about, json_dumps_params={"indent": 1}), f"{run.pk}.json")


@require_safe
def trace_json(request: HttpRequest, run_id: str) -> HttpResponse:
    """The run as a Chrome trace."""
    run = get_object_or_404(Run, pk=run_id)
    return _as_file(JsonResponse(chrome_trace(picture_of(run))), f"{run.pk}.trace.json")


@require_safe
def return_text(request: HttpRequest, run_id: str, call_id: str) -> HttpResponse:
    """The full return of a call, whatever of it the model was shown."""
    call = _call(run_id, call_id)
    return _as_text(call.full_text or call.text, f"{call.pk}-return.txt")


@require_safe
def output_text(request: HttpRequest, run_id: str, call_id: str) -> HttpResponse:
    """All that a call printed, as far as it was kept."""
    call = _call(run_id, call_id)
    errors = f"\n--- stderr ---\n{call.stderr}" if call.stderr else ""
    return _as_text(call.stdout + errors, f"{call.pk}-output.txt")


def _call(run_id: str, call_id: str) -> ToolCall:
    """A call that this run carried out, or that its model asked for."""
    here = ToolCall.objects.filter(Q(run_id=run_id) | Q(step__run_id=run_id))
    return get_object_or_404(here, pk=call_id)


def _as_text(text: str, name: str) -> HttpResponse:
    safe = text.encode("utf-8", errors="backslashreplace")
    return _as_file(HttpResponse(safe, content_type="text/plain; charset=utf-8"), name)


def _as_file(response: HttpResponse, name: str) -> HttpResponse:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
