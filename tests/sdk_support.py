"""What the SDK tests share: small tools, and a run's progress as a plain HTTP client sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from letta_client import Letta
from letta_client.types import Tool

from tests.server_fixtures import TandemServer

Json = dict[str, Any]

_SOURCE = '''
import time


def {name}(n: int = 1, s: str = "") -> str:
    """Does {name}.

    Args:
        n: A number to give back.
        s: A text to print.
    """
    print(s)
    time.sleep({seconds})
    return f"{name} {{n}}"
'''


def connect(server: TandemServer, **options: Any) -> Letta:
    """An SDK client of this server."""
    return Letta(base_url=server.url, api_key=server.api_key, **options)


def source(name: str, seconds: float = 0.2) -> str:
    """The source of a tool that works for so long."""
    return _SOURCE.format(name=name, seconds=seconds)


def make_tool(client: Letta, name: str, *, parallel: bool = False, seconds: float = 0.2, **fields: Any) -> Tool:
    """A tool in the library; made anew where there is one of that name."""
    return client.tools.create(
        source_code=source(name, seconds), enable_parallel_execution=parallel, extra_body=fields or None
    )


def make_agent(client: Letta, *tools: Tool, model: str = "openai/gpt-4.1", parallel: bool = True) -> str:
    """The id of a new agent with these tools."""
    ids = [tool.id for tool in tools]
    return client.agents.create(model=model, parallel_tool_calls=parallel, tool_ids=ids).id


@dataclass(frozen=True)
class ServerSentEvent:
    """One event of a stream: its name ("" for messages) and its data."""

    name: str
    data: Any


def read_events(response: httpx.Response) -> Iterator[ServerSentEvent]:
    """The events of a streamed response, as they come."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            text = line.removeprefix("data: ")
            yield ServerSentEvent(name, text if text == "[DONE]" else json.loads(text))
            name = ""


def http(server: TandemServer) -> httpx.Client:
    """A plain HTTP client with the key."""
    return httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {server.api_key}"}, timeout=60, trust_env=False
    )


def events_of(server: TandemServer, run_id: str, starting_after: int = 0) -> list[ServerSentEvent]:
    """The whole stream of a run."""
    with (
        http(server) as client,
        client.stream(
            "POST", f"/v1/runs/{run_id}/stream", json={"starting_after": starting_after, "include_pings": False}
        ) as response,
    ):
        return list(read_events(response))


def story(server: TandemServer, run_id: str) -> list[tuple[str, str]]:
    """What the calls of a run did, in order: ("started" or "ended", the tool's name)."""
    names: dict[str, str] = {}
    told: list[tuple[str, str]] = []
    for event in events_of(server, run_id):
        if event.name != "tool_progress":
            continue
        if event.data["type"] == "call.queued":
            names[event.data["call_id"]] = event.data["name"]
        elif event.data["type"] in ("call.started", "call.ended"):
            told.append((event.data["type"].removeprefix("call."), names[event.data["call_id"]]))
    return told


def returns_of(messages: Any) -> list[Any]:
    """The returns of all batches, in their order."""
    return [
        returned
        for message in messages
        if message.message_type == "tool_return_message"
        for returned in message.tool_returns
    ]
