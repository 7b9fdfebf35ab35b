"""Nudges from whoever writes a run's log to whoever looks at it: "there is news". They may be lost, and the channel
layer may be away: that costs a second, never a run and never a viewer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

_LAYER_ERRORS = (RedisError, OSError, TimeoutError, ChannelFull)
# A channel layer that hangs must not keep anybody.
_PATIENCE = 2.0
_SAY_AGAIN_AFTER = 30.0


def group_name(run_id: str) -> str:
    """The channel group whose members are told that a run has news."""
    return f"run.{run_id}"


class _Complaint:
    """Says that the channel layer is away, once in a while."""

    def __init__(self) -> None:
        self._said_at = -_SAY_AGAIN_AFTER

    def say(self, error: BaseException) -> None:
        if time.monotonic() - self._said_at > _SAY_AGAIN_AFTER:
            self._said_at = time.monotonic()
            log.warning("the channel layer does not answer, viewers look by themselves: %r", error)


_complaint = _Complaint()


class Ringer:
    """Rings for the writer of the log, apart from it. News of one run that come close together are one nudge."""

    def __init__(self) -> None:
        self._run_ids: dict[str, None] = {}
        self._news = asyncio.Event()

    def ring(self, run_ids: set[str]) -> None:
        """These runs have news."""
        self._run_ids.update(dict.fromkeys(run_ids))
        self._news.set()

    async def serve(self) -> None:
        """Ring until cancelled."""
        layer = get_channel_layer()
        task = asyncio.current_task()
        # Redis's client has been seen to swallow the cancellation that comes while it sends.
        while task is not None and not task.cancelling():
            await self._news.wait()
            self._news.clear()
            run_ids, self._run_ids = self._run_ids, {}
            try:
                async with asyncio.timeout(_PATIENCE):
                    for run_id in run_ids:
                        await layer.group_send(group_name(run_id), {"type": "run.changed"})
            except _LAYER_ERRORS as error:
                _complaint.say(error)


class Listener:
    """A member of a run's group. Deaf while the channel layer is away: `wait` then takes its whole time."""

    def __init__(self, run_id: str) -> None:
        self._group = group_name(run_id)
        self._layer = get_channel_layer()
        self._channel = ""
        # Kept over several waits: a layer takes a cancelled `receive` for a member that has gone.
        self._receiving: asyncio.Task[Any] | None = None
        self.is_deaf = False

    async def join(self) -> None:
        """Be a member from now on; anew each time, because a layer drops members whose queues have overflowed."""
        try:
            async with asyncio.timeout(_PATIENCE):
                self._channel = self._channel or await self._layer.new_channel()
                await self._layer.group_add(self._group, self._channel)
            self.is_deaf = False
        except _LAYER_ERRORS as error:
            _complaint.say(error)
            self.is_deaf = True

    async def wait(self, seconds: float) -> None:
        """Return at the next nudge, or after so many seconds."""
        if self._receiving is None and self._channel:
            self._receiving = asyncio.create_task(self._layer.receive(self._channel))
        if self._receiving is None:
            await asyncio.sleep(seconds)
            return
        done, _ = await asyncio.wait([self._receiving], timeout=seconds)
        if done:
            await self._heard(self._receiving, seconds)

    async def _heard(self, received: asyncio.Task[Any], seconds: float) -> None:
        self._receiving = None
        error = received.exception()
        if error is None:
            return
        if not isinstance(error, _LAYER_ERRORS):
            raise error
        _complaint.say(error)
        self._channel = ""
        await asyncio.sleep(seconds)

    async def leave(self) -> None:
        """No member any more."""
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.gather(self._receiving, return_exceptions=True)
        if self._channel:
            with contextlib.suppress(*_LAYER_ERRORS):
                async with asyncio.timeout(_PATIENCE):
                    await self._layer.group_discard(self._group, self._channel)
