"""What steps and runs took, and what was exchanged with the model, as the SDKs know it."""

from __future__ import annotations

from datetime import datetime, timedelta

from api.schemas.dates import entity_date
from api.schemas.messages import Wire
from runs.models import ProviderTrace, Run, Step
from runs.step_facts import times_of


def step_metrics(step: Step) -> Wire:
    """A StepMetrics; `tool_execution_ns` is the wall time of the batch, not the sum of its calls."""
    times = times_of(step)
    start = _since_1970(times.started_at)
    return {
        "id": step.pk,
        "run_id": step.run_id,
        "agent_id": step.run.agent_id,
        "step_start_ns": start,
        "step_ns": times.whole,
        "llm_request_start_ns": start,
        "llm_request_ns": times.model,
        "tool_execution_ns": times.tools,
        "provider_id": None,
        "project_id": None,
        "template_id": None,
        "base_template_id": None,
    }


def run_metrics(run: Run) -> Wire:
    """A RunMetrics."""
    begin, end = run.started_at, run.ended_at
    return {
        "id": run.pk,
        "agent_id": run.agent_id,
        "run_start_ns": _since_1970(begin) if begin else None,
        "run_ns": _length(end - begin) if begin and end else None,
        "num_steps": run.step_count,
        "tools_used": sorted({call.name for call in run.calls.all() if call.started_at}),
        "project_id": None,
        "template_id": None,
        "base_template_id": None,
    }


def provider_trace(step: Step, kept: ProviderTrace) -> Wire:
    """A ProviderTrace."""
    model = step.responded_at - step.created_at if step.responded_at else None
    return {
        "id": f"provider_trace-{step.pk.removeprefix('step-')}",
        "step_id": step.pk,
        "run_id": step.run_id,
        "agent_id": step.run.agent_id,
        "agent_tags": step.run.agent.tags,
        "call_type": "agent_step",
        "source": "tandem",
        "request_json": kept.request,
        "response_json": kept.response,
        "latency_ms": model // timedelta(milliseconds=1) if model is not None else None,
        "created_at": entity_date(kept.created_at),
    }


def _since_1970(at: datetime) -> int:
    # A float of seconds has no room for microseconds after so many years.
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000


def _length(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1_000
