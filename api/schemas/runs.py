"""Runs and steps as the SDKs know them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from api.schemas.dates import entity_date
from api.schemas.messages import Wire, wire_list
from engine.specs import RunStatus, StopReason
from llms.catalogue import describe
from runs.models import Callback, Message, Run, Step

# A run that ends so has failed for a reason that a client must not overlook: it is raised, not returned.
FAULTS = frozenset({StopReason.ERROR, StopReason.LLM_API_ERROR, StopReason.INVALID_LLM_RESPONSE})


def run_state(run: Run) -> Wire:
    """A Run. Times of the summary are seconds, as on the run page; they are Tandem's own."""
    return {
        "id": run.pk,
        "agent_id": run.agent_id,
        "status": run.status,
        "stop_reason": run.stop_reason or None,
        "background": run.is_background,
        "created_at": entity_date(run.created_at),
        "completed_at": entity_date(run.ended_at),
        "metadata": {**run.metadata, **({"error": run.error} if run.error else {})},
        "request_config": None,
        "base_template_id": None,
        "conversation_id": run.conversation_id,
        **_callback_facts(run),
        "ttft_ns": None,
        "total_duration_ns": _nanoseconds(run),
        "error": run.error or None,
        "resumes_run_id": run.resumes_run_id,
        "started_by": run.started_by,
        "step_count": run.step_count,
        "call_count": run.call_count,
        "wall_seconds": run.wall_seconds,
        "work_seconds": run.work_seconds,
        "saved_seconds": run.saved_seconds,
    }


def _callback_facts(run: Run) -> Wire:
    callback: Callback | None = getattr(run, "callback", None)
    return {
        "callback_url": callback.url if callback else None,
        "callback_sent_at": entity_date(callback.sent_at) if callback and callback.sent_at else None,
        "callback_status_code": callback.status_code if callback else None,
        "callback_error": (callback.error or None) if callback else None,
    }


def _nanoseconds(run: Run) -> int | None:
    return int((run.ended_at - run.created_at).total_seconds() * 1e9) if run.ended_at else None


def usage_statistics(run: Run) -> Wire:
    """A run's token counts; those of a run that still goes on are those of its steps so far."""
    usage = run.usage or _usage_so_far(run)
    prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    return {
        "message_type": "usage_statistics",
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "step_count": run.step_count,
        "run_ids": [run.pk],
        "cached_input_tokens": usage.get("cached_input_tokens", 0),
        "cache_write_tokens": usage.get("cache_write_tokens", 0),
        "reasoning_tokens": usage.get("reasoning_tokens", 0),
        "context_tokens": _context_tokens(run),
    }


def run_usage(run: Run) -> Wire:
    """The answer of runs.usage.retrieve."""
    counts = usage_statistics(run)
    return {
        **{name: counts[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")},
        "prompt_tokens_details": {
            "cached_tokens": counts["cached_input_tokens"],
            "cache_read_tokens": counts["cached_input_tokens"],
            "cache_creation_tokens": counts["cache_write_tokens"],
        },
        "completion_tokens_details": {"reasoning_tokens": counts["reasoning_tokens"]},
    }


def stop_reason(run: Run) -> Wire:
    """Why the run ended."""
    return {"message_type": "stop_reason", "stop_reason": run.stop_reason}


def letta_response(run: Run, only: Iterable[str] | None) -> Wire:
    """What messages.create gives: the run's own messages, without those that were sent."""
    return {
        "messages": wire_list(_own_messages(run), only, tells_compactions=True),
        "stop_reason": stop_reason(run),
        "usage": usage_statistics(run),
        "logprobs": None,
        "turns": None,
        "run_id": run.pk,
    }


def _own_messages(run: Run) -> QuerySet[Message]:
    """What the run has added to the history; a summary only for those who asked to be told. An answer of the model has a
    step, one that was sent has none."""
    roles = ["assistant", "tool", *(["summary"] if run.request.get("tells_compactions") else [])]
    said = Message.objects.filter(run=run, role__in=roles).exclude(role="assistant", step=None)
    return said.order_by("position")


def step_state(step: Step) -> Wire:
    """A Step."""
    provider, _, model = step.model.partition("/")
    usage: dict[str, Any] = step.usage
    prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    return {
        "id": step.pk,
        "run_id": step.run_id,
        "agent_id": step.run.agent_id,
        "status": step.status,
        "stop_reason": _stop_reason_of(step),
        "model": model,
        "model_handle": step.model,
        "provider_name": provider,
        "provider_category": "base",
        "context_window_limit": describe(step.model).context_window,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cached_input_tokens": usage.get("cached_input_tokens", 0),
        "cache_write_tokens": usage.get("cache_write_tokens", 0),
        "reasoning_tokens": usage.get("reasoning_tokens", 0),
        "error_type": step.run.stop_reason if step.status == "failed" else None,
        "error_data": {"message": step.run.error} if step.status == "failed" and step.run.error else None,
        "tags": step.tags,
        "feedback": step.feedback or None,
        "origin": None,
        "project_id": None,
        "trace_id": None,
        "index": step.index,
        "parallel": step.parallel,
        "parallel_reason": step.reason,
        "created_at": entity_date(step.created_at),
    }


def _stop_reason_of(step: Step) -> str | None:
    """The run's, on its last step."""
    is_last = step.index + 1 == step.run.step_count
    return step.run.stop_reason or None if is_last else None


def _usage_so_far(run: Run) -> dict[str, int]:
    totals: dict[str, int] = {}
    for usage in run.steps.values_list("usage", flat=True):
        for name, count in usage.items():
            totals[name] = totals.get(name, 0) + count
    return totals


def _context_tokens(run: Run) -> int | None:
    last = run.steps.exclude(usage={}).order_by("-index").values_list("usage", flat=True).first()
    return None if last is None else last.get("prompt_tokens")


def is_fault(run: Run) -> bool:
    """Whether the run failed for a reason that is to be raised."""
    return run.status == RunStatus.FAILED and run.stop_reason in FAULTS
