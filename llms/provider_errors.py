"""Turns what a provider answered into one of our errors, with words that say what to do next. Pure."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass

from llms.errors import (
    BadKey,
    BadRequest,
    ContextTooLong,
    ModelError,
    RefusedParallelParameter,
    Unavailable,
    UnknownModel,
)

_TOO_LONG = (
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "prompt is too long",
    "exceeds the context",
    "too many tokens",
    "input is too long",
)
_NO_CREDIT = ("insufficient_quota", "billing_error", "credit balance", "exceeded your current quota")
_BUSY_STATUS = frozenset({408, 409, 425, 429})
_STATUS_OF_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked what, for the message. `key_variable` names the setting that holds the key."""

    provider: str
    model: str
    key_variable: str
    sent_parallel: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A provider's error answer. `status` is 0 when it came in the middle of a stream: then `type` tells."""

    status: int
    message: str
    type: str = ""
    param: str = ""
    retry_after: float | None = None


def explain_refusal(asked: Asked, refusal: Refusal) -> ModelError:
    """The error to raise for this answer."""
    status = refusal.status if refusal.status >= 400 else _STATUS_OF_TYPE.get(refusal.type, 500)
    words = _shorten(refusal.message) or f"status {status}"
    told = f"{refusal.message} {refusal.type} {refusal.param}".lower()
    if status in (401, 403):
        return BadKey(f"{asked.provider} refused the key ({words}). Check {asked.key_variable}.")
    if status == 402 or any(mark in told for mark in _NO_CREDIT):
        return BadRequest(f"{asked.provider} has no credit left for this key: {words}")
    if status in _BUSY_STATUS or status >= 500:
        return Unavailable(
            f"{asked.provider} is not available now ({status}): {words}", retry_after=refusal.retry_after
        )
    if status == 413 or any(mark in told for mark in _TOO_LONG):
        return ContextTooLong(f"The history does not fit into the context window of {asked.model}: {words}")
    if status == 404:
        return UnknownModel(f"{asked.provider} does not know {asked.model}, or its base URL is wrong: {words}")
    if asked.sent_parallel and "parallel_tool_calls" in told:
        return RefusedParallelParameter(f"{asked.model} refuses parallel_tool_calls: {words}")
    return BadRequest(f"{asked.provider} refused the request ({status}): {words}")


def lost_connection(asked: Asked, error: Exception) -> Unavailable:
    """The error for a connection that could not be made, timed out or was cut."""
    words = _shorten(str(error)) or type(error).__name__
    cause = _shorten(str(error.__cause__ or ""))
    return Unavailable(f"{asked.provider} is out of reach: {words}{f' ({cause})' if cause else ''}")


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as the answer's headers say: `retry-after-ms`, or `retry-after` in seconds or as a date."""
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def _shorten(text: str, limit: int = 600) -> str:
    text = text.strip()
    return text if len(text) <= limit else f"{text[:limit]}…"
