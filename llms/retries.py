"""Asking again: which failures are worth it, how often, and after how long. Every retry is told to `on_retry`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from llms.errors import ModelError, RefusedParallelParameter, TruncatedResponse
from llms.types import ModelClient, ModelEvent, ModelRequest, ModelResponse


@dataclass(frozen=True, slots=True)
class RetryNotice:
    """The model is about to be asked again. `attempt` counts requests from 1, so the first notice says 2.

    Viewers drop this step's deltas when `discards_deltas`. `refused_parallel`: the parallel parameter was refused and is
    left out from now on, so the effective flag is off.
    """

    attempt: int
    reason: str
    wait_seconds: float
    discards_deltas: bool
    refused_parallel: bool = False


OnRetry = Callable[[RetryNotice], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after how many seconds. `truncated` is rule 3.9."""

    unavailable: int = 4
    truncated: int = 3
    first_wait: float = 1.0
    longest_wait: float = 30.0
    longest_asked_wait: float = 60.0

    def wait_before(self, retry: int, error: ModelError, jitter: float) -> float:
        """Seconds before retry number `retry` (from 1): what the provider asked for, else doubling, with a `jitter` in
        0..1 that spreads the upper half; both are capped."""
        if error.retry_after is not None:
            return min(error.retry_after, self.longest_asked_wait)
        longest = min(self.first_wait * 2.0 ** (retry - 1), self.longest_wait)
        return longest * (0.5 + jitter / 2)


class _Budget:
    """How often each kind of failure may still be retried within one step."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._left = {"unavailable": policy.unavailable, "truncated": policy.truncated, "refused": 1}
        self.retries = 0

    def take(self, error: ModelError, jitter: float) -> float | None:
        """Seconds to wait before asking again, or none when this failure is final."""
        kind = _kind(error)
        if kind is None or not self._left[kind]:
            return None
        self._left[kind] -= 1
        self.retries += 1
        return 0.0 if kind == "refused" else self._policy.wait_before(self.retries, error, jitter)


def _kind(error: ModelError) -> str | None:
    if isinstance(error, RefusedParallelParameter):
        return "refused"
    if isinstance(error, TruncatedResponse):
        return "truncated"
    return "unavailable" if error.is_retryable else None


async def stream_with_retries(
    client: ModelClient,
    request: ModelRequest,
    *,
    on_retry: OnRetry,
    policy: RetryPolicy | None = None,
    sleep: Sleep = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> AsyncGenerator[ModelEvent, None]:
    """Deltas and one response, as from `client.stream`, asking again where that helps.

    Deltas of a failed attempt have been given already: the notice says to discard them. Raises the last `ModelError`.
    """
    budget = _Budget(policy or RetryPolicy())
    while True:
        has_given = False
        try:
            async with aclosing(_ask(client, request)) as events:
                async for event in events:
                    has_given = True
                    yield event
            return
        except ModelError as error:
            wait = budget.take(error, jitter())
            if wait is None:
                raise
            refused = isinstance(error, RefusedParallelParameter)
            notice = RetryNotice(budget.retries + 1, str(error), wait, has_given, refused)
        if refused:
            request = replace(request, parallel=False, sends_parallel=False)
        await on_retry(notice)
        await sleep(notice.wait_seconds)


async def _ask(client: ModelClient, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
    """One attempt; its connection is closed at once when the reader stops early. A client that ends without a response
    counts as truncated."""
    events = client.stream(request)
    try:
        async for event in events:
            yield event
            if isinstance(event, ModelResponse):
                return
        raise TruncatedResponse("The answer broke off: the stream ended without a response.")
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
