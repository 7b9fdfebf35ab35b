"""A provider of our own for tests: OpenAI's chat completions and Anthropic's messages, without a model.

What it answers is said by marks in the last user message:

    CALL a,b(n=3;s=hello)*2,c   one response with these calls     ROUNDS 3      the same for the first 3 requests of the turn
    THINK text  text before the calls (to the end of the line)    FINAL text    the text at the end of the turn
    REASON text reasoning before everything                       FORCED        call what tool_choice names
    DELAY 250   answer after so many ms                           STREAMDELAY 20  ms between the pieces
    FAIL 429    the first request of this text fails so           FAILS 3       the first three do (with FAIL, else 500)
    RETRYAFTER 2  header of those failures                        OVERLOADED    an error event in the middle of the stream
    TRUNCATE    the stream ends without a finish reason           CUT           the connection is cut midway
    LENGTH, FILTER  that finish reason                            BADJSON       the calls' arguments are malformed
    SAMEIDS     all calls are call_0                              NOIDS         they have no ids
    NOINDEX     pieces without an index                           REFUSEPARALLEL  400 if the parallel parameter is sent
    BADKEY, NOMODEL, TOOLONG  those refusals

Strict like the real ones: a history with an unanswered call or an orphan return gets 400 in the provider's words.
GET /stub/log: summaries of requests; GET /stub/last?n=1: whole bodies; POST /stub/reset. Run: python -m tests.provider_stub --port 18090
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from tests import provider_stub_vectors
from tests.provider_stub_answers import stream_anthropic, stream_openai, whole_anthropic, whole_openai
from tests.provider_stub_asked import Asked, Json, decide, read_anthropic, read_openai

_MODELS = (
    "gpt-4.1",
    "gpt-4o-mini",
    "o3",
    "stub-model",
    "text-embedding-3-small",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
)


@dataclass
class Stub:
    """What the stub remembers."""

    log: list[Json] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)


STUB = web.AppKey("stub", Stub)


# What each dialect says of a refusal: status, type, code, words.
_REFUSALS = {
    "BADKEY": (401, "authentication_error", "invalid_api_key", "Incorrect API key provided."),
    "NOMODEL": (404, "not_found_error", "model_not_found", "The model does not exist or you do not have access to it."),
    "TOOLONG": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ),
}


def refuse(stub: Stub, asked: Asked) -> web.Response | None:
    """The refusal that is due, if any. Its body suits both dialects: each reads its own fields."""
    if asked.broken:
        return _refusal(400, "invalid_request_error", None, asked.broken)
    for mark, (status, kind, code, words) in _REFUSALS.items():
        if asked.has(mark):
            return _refusal(status, kind, code, words)
    if asked.has("REFUSEPARALLEL") and asked.sent_parallel:
        words = "Unsupported parameter: 'parallel_tool_calls' is not supported with this model."
        return _refusal(400, "invalid_request_error", "unsupported_parameter", words)
    due = asked.number("FAILS", 1 if asked.has("FAIL") else 0)
    if stub.failures[asked.text] < due:
        stub.failures[asked.text] += 1
        status = asked.number("FAIL", 500)
        headers = {"retry-after": str(asked.number("RETRYAFTER"))} if asked.has("RETRYAFTER") else {}
        return _refusal(status, "api_error", None, f"stub failure {status}", headers)
    return None


def _refusal(
    status: int, kind: str, code: str | None, words: str, headers: dict[str, str] | None = None
) -> web.Response:
    error = {"type": kind, "message": words, "param": None, "code": code}
    return web.json_response({"type": "error", "error": error}, status=status, headers=headers)


async def answer_openai(request: web.Request) -> web.StreamResponse:
    """POST /v1/chat/completions"""
    body = await request.json()
    asked = read_openai(body)
    _remember(request, "openai", body, asked, body.get("parallel_tool_calls"))
    if refusal := refuse(request.app[STUB], asked):
        return refusal
    answer = decide(asked)
    await asyncio.sleep(asked.number("DELAY") / 1000)
    if not body.get("stream"):
        return web.json_response(whole_openai(body, answer))
    return await _send(request, asked, list(stream_openai(body, asked, answer)))


async def answer_anthropic(request: web.Request) -> web.StreamResponse:
    """POST /v1/messages"""
    body = await request.json()
    asked = read_anthropic(body)
    disabled = (body.get("tool_choice") or {}).get("disable_parallel_tool_use")
    _remember(request, "anthropic", body, asked, None if disabled is None else not disabled)
    if refusal := refuse(request.app[STUB], asked):
        return refusal
    answer = decide(asked)
    await asyncio.sleep(asked.number("DELAY") / 1000)
    if not body.get("stream"):
        return web.json_response(whole_anthropic(body, answer))
    return await _send(request, asked, list(stream_anthropic(body, asked, answer)))


def _remember(request: web.Request, dialect: str, body: Json, asked: Asked, parallel: bool | None) -> None:
    stub = request.app[STUB]
    stub.bodies.append(body)
    stub.log.append(
        {
            "api": dialect, "model": body["model"], "stream": bool(body.get("stream")), "parallel": parallel,
            "tool_choice": body.get("tool_choice"), "tools": list(asked.schemas), "messages": len(body["messages"]),
            "returns": asked.returns, "rounds": asked.rounds, "broken": asked.broken,
            "key": request.headers.get("Authorization", request.headers.get("X-Api-Key", "")).removeprefix("Bearer "),
        }
    )  # fmt: skip


async def _send(request: web.Request, asked: Asked, events: list[str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    async for event in _paced(events[: len(events) // 2] if asked.has("CUT") else events, asked.number("STREAMDELAY")):
        await response.write(event.encode())
    if asked.has("CUT"):
        assert request.transport is not None
        request.transport.close()  # No last chunk: the client sees a connection that broke.
        return response
    await response.write_eof()
    return response


async def _paced(events: list[str], pause: int) -> AsyncIterator[str]:
    if not pause:
        yield "".join(events)
        return
    for event in events:
        yield event
        await asyncio.sleep(pause / 1000)


async def embed(request: web.Request) -> web.Response:
    """POST /v1/embeddings"""
    body = await request.json()
    stub = request.app[STUB]
    stub.bodies.append(body)
    stub.log.append({"provider": "openai", "embeds": body["input"]})
    status, answer = provider_stub_vectors.answer(body)
    return web.json_response(answer, status=status)


async def list_models(request: web.Request) -> web.Response:
    """GET /v1/models, in the dialect of whoever asks. The key "bad-key" is refused."""
    if request.headers.get("authorization") == "Bearer bad-key":
        return _refusal(*_REFUSALS["BADKEY"])
    if "anthropic-version" not in request.headers:
        models = [
            {"id": name, "object": "model", "created": 1, "owned_by": "stub"}
            for name in _MODELS
            if "claude" not in name
        ]
        return web.json_response({"object": "list", "data": models})
    claudes = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2025-10-01T00:00:00Z", "lifecycle": "active"}
        for name in _MODELS
        if "claude" in name
    ]
    return web.json_response(
        {"data": claudes, "has_more": False, "first_id": claudes[0]["id"], "last_id": claudes[-1]["id"]}
    )


async def show_log(request: web.Request) -> web.Response:
    """GET /stub/log"""
    return web.json_response(request.app[STUB].log)


async def show_last(request: web.Request) -> web.Response:
    """GET /stub/last?n=1"""
    return web.json_response(request.app[STUB].bodies[-int(request.query.get("n", "1")) :])


async def reset(request: web.Request) -> web.Response:
    """POST /stub/reset"""
    stub = request.app[STUB]
    stub.log.clear()
    stub.bodies.clear()
    stub.failures.clear()
    return web.json_response({"ok": True})


def build() -> web.Application:
    """The stub as an application."""
    app = web.Application(client_max_size=64 << 20)
    app[STUB] = Stub()
    app.add_routes(
        [
            web.post("/v1/chat/completions", answer_openai),
            web.post("/v1/messages", answer_anthropic),
            web.post("/v1/embeddings", embed),
            web.get("/v1/models", list_models),
            web.get("/stub/log", show_log),
            web.get("/stub/last", show_last),
            web.post("/stub/reset", reset),
        ]
    )
    return app


async def serve(port: int) -> None:
    """Serve until cancelled; prints the address when it listens. Port 0 takes a free one."""
    runner = web.AppRunner(build(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=18090)
    try:
        asyncio.run(serve(parser.parse_args().port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
