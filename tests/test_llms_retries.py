"""Asking again: how often, after how long, and what is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from llms.errors import BadKey, ModelError, RefusedParallelParameter, TruncatedResponse, Unavailable
from llms.openai_client import OpenAIClient
from llms.retries import RetryNotice, RetryPolicy, stream_with_retries
from llms.testing import ScriptedClient, asks_for, fails, says, truncated
from llms.types import ModelClient, ModelEvent, ModelMessage, ModelRequest, ModelResponse, ModelTool, Role, TextDelta
from tests.provider_fixtures import ProviderStub

REQUEST = ModelRequest("m", (ModelMessage(Role.USER, "hello"),), parallel=True)


@dataclass
class Listener:
    """Asks with retries, and keeps all that was told; nothing really waits."""

    notices: list[RetryNotice] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    events: list[ModelEvent] = field(default_factory=list)

    async def ask(self, client: ModelClient, request: ModelRequest = REQUEST, *, jitter: float = 1.0) -> ModelResponse:
        keep = self.events.append
        async for event in stream_with_retries(
            client,
            request,
            on_retry=self._note,
            sleep=self._sleep,
            jitter=lambda: jitter,
        ):
            keep(event)
        last = self.events[-1]
        assert isinstance(last, ModelResponse)
        return last

    async def _note(self, notice: RetryNotice) -> None:
        self.notices.append(notice)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_an_answer_at_once_is_not_retried() -> None:
    listener = Listener()
    with ScriptedClient(says("hi")) as client:
        assert (await listener.ask(client)).text == "hi"
    assert listener.notices == []


async def test_a_busy_provider_is_asked_again_with_growing_waits() -> None:
    listener = Listener()
    with ScriptedClient(*[fails(Unavailable("busy"))] * 4, says("hi")) as client:
        await listener.ask(client)
    assert listener.slept == [1.0, 2.0, 4.0, 8.0] == [notice.wait_seconds for notice in listener.notices]
    assert [notice.attempt for notice in listener.notices] == [2, 3, 4, 5]
    assert all(notice.reason == "busy" and not notice.discards_deltas for notice in listener.notices)


async def test_a_provider_that_stays_busy_is_given_up_after_four_retries() -> None:
    listener = Listener()
    with ScriptedClient(*[fails(Unavailable("busy"))] * 5) as client:
        with pytest.raises(Unavailable, match="busy"):
            await listener.ask(client)
    assert len(listener.notices) == 4


async def test_a_truncated_answer_is_asked_again_three_times_and_its_deltas_are_dropped() -> None:
    listener = Listener()
    with ScriptedClient(*[truncated("a", text="half")] * 4) as client:
        with pytest.raises(TruncatedResponse):
            await listener.ask(client)
    assert [notice.discards_deltas for notice in listener.notices] == [True, True, True]


async def test_a_truncated_answer_that_comes_whole_the_second_time_is_taken() -> None:
    listener = Listener()
    with ScriptedClient(truncated("a"), asks_for("a", "b")) as client:
        response = await listener.ask(client)
    assert [call.name for call in response.calls] == ["a", "b"]
    assert sum(isinstance(event, ModelResponse) for event in listener.events) == 1


async def test_a_refused_parallel_parameter_is_left_out_and_told() -> None:
    listener = Listener()
    with ScriptedClient(fails(RefusedParallelParameter("no")), says("hi")) as client:
        await listener.ask(client)
    assert [request.sends_parallel for request in client.requests] == [True, False]
    assert client.requests[1].parallel is False
    assert listener.slept == [0.0]
    assert listener.notices[0].refused_parallel


async def test_a_parameter_refused_twice_is_an_error() -> None:
    listener = Listener()
    with ScriptedClient(*[fails(RefusedParallelParameter("no"))] * 2) as client:
        with pytest.raises(RefusedParallelParameter):
            await listener.ask(client)


async def test_an_error_that_no_retry_helps_is_raised_at_once() -> None:
    listener = Listener()
    with ScriptedClient(fails(BadKey("wrong key"))) as client:
        with pytest.raises(BadKey):
            await listener.ask(client)
    assert listener.notices == []


async def test_deltas_given_before_a_failure_are_to_be_dropped() -> None:
    listener = Listener()
    with ScriptedClient(fails(Unavailable("cut"), after=[TextDelta("ha")]), says("hi")) as client:
        await listener.ask(client)
    assert listener.notices[0].discards_deltas


@pytest.mark.parametrize(
    ("error", "retry", "jitter", "seconds"),
    [
        (Unavailable("busy"), 1, 0.0, 0.5),
        (Unavailable("busy"), 1, 1.0, 1.0),
        (Unavailable("busy"), 10, 1.0, 30.0),
        (Unavailable("busy", retry_after=7), 1, 0.0, 7.0),
        (Unavailable("busy", retry_after=0), 3, 1.0, 0.0),
        (Unavailable("busy", retry_after=3600), 1, 1.0, 60.0),
        (TruncatedResponse("half"), 2, 1.0, 2.0),
    ],
)
def test_waits(error: ModelError, retry: int, jitter: float, seconds: float) -> None:
    assert RetryPolicy().wait_before(retry, error, jitter) == seconds


async def test_a_reader_that_stops_early_closes_the_stream() -> None:
    closed: list[str] = []

    class Endless:
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            try:
                while True:
                    yield TextDelta("more")
            finally:
                closed.append(request.model)

    listener = Listener()
    events = stream_with_retries(Endless(), REQUEST, on_retry=listener._note)
    assert await anext(events) == TextDelta("more")
    await events.aclose()
    assert closed == ["m"]


@pytest.mark.parametrize(
    ("text", "model", "requests"),
    [("FAIL 429 FAILS 2 RETRYAFTER 3 FINAL ok", "gpt-4.1", 3), ("REFUSEPARALLEL FINAL ok", "gpt-4.1", 2)],
)
async def test_retries_over_the_wire(provider_stub: ProviderStub, text: str, model: str, requests: int) -> None:
    client = OpenAIClient(base_url=provider_stub.openai_url, api_key="k")
    tool = ModelTool("a", "Does a.", {"type": "object", "properties": {}})
    listener = Listener()
    response = await listener.ask(client, ModelRequest(model, (ModelMessage(Role.USER, text),), (tool,), parallel=True))
    await client.aclose()
    assert response.text == "ok"
    assert len(provider_stub.log()) == requests
    assert [entry["parallel"] for entry in provider_stub.log()][-1] == (None if "REFUSE" in text else True)


def test_the_scripted_client_complains_about_unsaid_lines() -> None:
    with pytest.raises(AssertionError, match="never said"):
        with ScriptedClient(says("hi")):
            pass


async def test_the_scripted_client_complains_about_questions_beyond_the_script() -> None:
    client = ScriptedClient(says("hi"))
    await Listener().ask(client)
    with pytest.raises(AssertionError, match="asked 2 times"):
        await Listener().ask(client)
