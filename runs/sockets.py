"""The run socket: replays the log behind the client's cursor, then follows, whatever was lost on the way (rule 7.1).

`/ws/runs/<id>/?after=<seq>&after_delta=<n>&page=run|chat`. Close codes: 4401 not signed in, 4404 no such run.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path

from runs.database import in_database
from runs.follow import News, follow
from runs.models import Run
from runs.picture import RunPicture
from runs.reading import picture_of
from runs.viewer import Frame, Page, delta_frame, frames

NOT_SIGNED_IN = 4401
NO_SUCH_RUN = 4404
TRY_AGAIN = 1011

log = logging.getLogger(__name__)


class RunConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One browser that looks at one run."""

    # None: it listens through `follow`, which goes on without the channel layer while that is away.
    channel_layer_alias = "none"

    async def connect(self) -> None:
        self._following: asyncio.Task[None] | None = None
        await self.accept()
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.close(NOT_SIGNED_IN)
            return
        run = await in_database(Run.objects.filter(pk=self.scope["url_route"]["kwargs"]["run_id"]).first)
        if run is None:
            await self.close(NO_SUCH_RUN)
            return
        self._following = asyncio.create_task(self._follow(run))
        self._following.add_done_callback(self._hang_up_after)

    async def disconnect(self, code: int) -> None:
        if self._following is not None:
            self._following.cancel()

    def _hang_up_after(self, following: asyncio.Task[None]) -> None:
        """A follower that failed leaves no silent socket behind: the browser is to come again."""
        error = None if following.cancelled() else following.exception()
        if error is not None:
            log.error("following a run failed", exc_info=error)
            self._following = asyncio.create_task(self.close(TRY_AGAIN))

    async def _follow(self, run: Run) -> None:
        query = parse_qs(self.scope["query_string"].decode(errors="replace"))
        after, after_delta = _number(query, "after"), _number(query, "after_delta")
        page = Page.CHAT if query.get("page") == [Page.CHAT.value] else Page.RUN
        picture = await in_database(picture_of, run, after)
        # Up to here the client has missed it; what comes later is live.
        await self.send(json.dumps({"type": "hello", "seq": picture.seq, "last_seq": run.last_seq}))
        async with aclosing(follow(run.pk, after=picture.seq, after_delta=after_delta)) as stream:  # type: ignore[type-var]
            async for news in stream:
                for frame in await asyncio.to_thread(_news_frames, news, picture, page):
                    await self.send(json.dumps(frame))
        await self.send(json.dumps({"type": "over", "seq": picture.seq}))
        await self.close()


def _news_frames(news: News, picture: RunPicture, page: Page) -> list[Frame]:
    """Events first: a delta is shown in the bubble that its step's event opens. Silence becomes a heartbeat."""
    deltas = [
        delta_frame(
            delta.delta_seq,
            after_seq=delta.after_seq,
            step_id=delta.step_id,
            kind=delta.kind,
            text=delta.text,
            call=delta.call,
        )
        for delta in news.deltas
    ]
    made = [*(frames(news.events, picture, page) if news.events else []), *deltas]
    return made or [{"type": "heartbeat", "seq": picture.seq, "outage": news.outage}]


def _number(query: dict[str, list[str]], name: str) -> int:
    text = query.get(name, ["0"])[-1]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


socket_urls: list[Any] = [path("ws/runs/<str:run_id>/", RunConsumer.as_asgi())]
