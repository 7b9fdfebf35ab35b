"""Keeps what was exchanged with models, step by step, for those who look into a step. Only the latest of an agent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from engine.asking import Exchange
from llms import anthropic_request, openai_request
from llms.catalogue import describe
from llms.openai_client import DEFAULT_BASE_URL
from llms.types import ModelResponse
from runs.models import ProviderTrace

KEPT_PER_AGENT = 100
_LONGEST_TEXT = 100_000


def keep_exchange(agent_id: str, exchange: Exchange) -> None:
    """Store it, and drop the oldest of the agent. The body has no key in it: keys go as headers."""
    kept = {"agent_id": agent_id, "request": _short(request_body(exchange)), "response": _short(_answer(exchange))}
    try:
        with transaction.atomic():
            ProviderTrace.objects.update_or_create(pk=exchange.step_id, defaults=kept)
            latest = ProviderTrace.objects.filter(agent_id=agent_id).order_by("-created_at", "-pk")
            ProviderTrace.objects.filter(pk__in=list(latest.values_list("pk", flat=True)[KEPT_PER_AGENT:])).delete()
    except IntegrityError:
        return  # the step is gone: its run was deleted while it asked


def request_body(exchange: Exchange) -> dict[str, Any]:
    """The body as it was sent to the provider; the demo model is asked in OpenAI's form."""
    known = describe(exchange.handle)
    if exchange.handle.startswith("anthropic/"):
        return anthropic_request.write_request(exchange.request, known)
    base_url = getattr(settings, "OPENAI_BASE_URL", "") or DEFAULT_BASE_URL
    return openai_request.write_request(exchange.request, known, is_official=openai_request.is_official(base_url))


def _answer(exchange: Exchange) -> dict[str, Any]:
    """The answer put together from its stream, in one form for all providers."""
    return {"error": exchange.error} if exchange.response is None else response_body(exchange.response)


def response_body(response: ModelResponse) -> dict[str, Any]:
    """An answer as JSON values: calls as the provider sent them, with its ids."""
    return {
        "model": response.model,
        "finish_reason": response.finish,
        "content": response.text,
        "reasoning": response.reasoning,
        "tool_calls": [asdict(call) for call in response.calls],
        "usage": asdict(response.usage),
    }


def _short(value: Any) -> Any:
    """Without texts that are too long to keep: those of pictures, mostly."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else f"{value[:1000]}… ({len(value)} characters, not kept)"
    if isinstance(value, dict):
        return {str(key): _short(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_short(item) for item in value]
    return value
