"""What the stub provider is asked, in either dialect, and what the marks in it tell it to answer."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_ITEM = r"[A-Za-z_][\w\-.]*(?:\([^)]*\))?(?:\*\d+)?"
_CALL = re.compile(rf"\bCALL\s+({_ITEM}(?:\s*,\s*{_ITEM})*)")
_ITEM_PARTS = re.compile(r"([A-Za-z_][\w\-.]*)(?:\(([^)]*)\))?(?:\*(\d+))?")


@dataclass(frozen=True)
class Call:
    """A call that the stub makes; `id` may be empty."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Asked:
    """A request, whichever dialect: the last user text, and what came after it."""

    text: str
    rounds: int
    returns: int
    schemas: dict[str, Json]
    forced: tuple[str, ...]
    broken: str
    sent_parallel: bool

    def has(self, mark: str) -> bool:
        """Whether the mark stands in the text."""
        return re.search(rf"\b{mark}\b", self.text) is not None

    def number(self, mark: str, otherwise: int = 0) -> int:
        """The number after a mark."""
        found = re.search(rf"\b{mark}\s+(\d+)", self.text)
        return int(found[1]) if found else otherwise

    def line(self, mark: str) -> str:
        """The text after a mark, to the end of the line."""
        found = re.search(rf"\b{mark}\s+([^\n\"]+)", self.text)
        return found[1].strip() if found else ""


@dataclass(frozen=True)
class Answer:
    """What to answer."""

    text: str
    calls: tuple[Call, ...]
    reasoning: str
    finish: str


def decide(asked: Asked) -> Answer:
    """The answer that the marks ask for."""
    calls = _calls(asked) if asked.rounds < asked.number("ROUNDS", 1) else ()
    finish = "length" if asked.has("LENGTH") else "filter" if asked.has("FILTER") else "calls" if calls else "stop"
    text = asked.line("THINK") if calls else asked.line("FINAL") or f"done: {asked.returns} tool results"
    return Answer(text, calls, asked.line("REASON"), finish)


def _calls(asked: Asked) -> tuple[Call, ...]:
    items: list[tuple[str, str, str]] = [(name, "", "") for name in asked.forced] if asked.has("FORCED") else []
    if found := _CALL.search(asked.text):
        items += _ITEM_PARTS.findall(found[1])
    named = [(name, written) for name, written, times in items for _ in range(int(times or 1))]
    return tuple(_call(asked, number, name, written) for number, (name, written) in enumerate(named))


def _call(asked: Asked, number: int, name: str, written: str) -> Call:
    arguments = {
        key.strip(): _value(value) for key, _, value in (part.partition("=") for part in written.split(";")) if key
    }
    schema = asked.schemas.get(name) or {}
    for needed in schema.get("required") or []:
        kind = ((schema.get("properties") or {}).get(needed) or {}).get("type")
        made_up: Json = {"integer": number, "number": number, "boolean": False, "array": [], "object": {}}
        arguments.setdefault(needed, made_up.get(str(kind), "x"))
    text = json.dumps(arguments)
    id_ = "" if asked.has("NOIDS") else "call_0" if asked.has("SAMEIDS") else f"call_{uuid.uuid4().hex[:20]}"
    return Call(id_, name, text[:-1] + ', "broken' if asked.has("BADJSON") else text)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_openai(body: Json) -> Asked:
    """A chat completions request; `broken` says in OpenAI's words what is wrong with the history."""
    text, rounds, returns, broken = "", 0, 0, ""
    open_ids: list[str] = []
    for message in body["messages"]:
        role = message["role"]
        if role == "tool":
            returns += 1
            if message["tool_call_id"] not in open_ids:
                broken = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            else:
                open_ids.remove(message["tool_call_id"])
            continue
        broken = broken or _unanswered(open_ids)
        open_ids = [call["id"] for call in message.get("tool_calls") or []]
        rounds += bool(open_ids)
        if role == "user":
            text, rounds, returns = message["content"], 0, 0
    tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in body.get("tools") or []}
    choice = body.get("tool_choice")
    forced = (choice["function"]["name"],) if isinstance(choice, dict) else tuple(tools) if choice == "required" else ()
    return Asked(text, rounds, returns, tools, forced, broken or _unanswered(open_ids), "parallel_tool_calls" in body)


def _unanswered(ids: list[str]) -> str:
    said = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    )
    return f"{said}The following tool_call_ids did not have response messages: {', '.join(ids)}" if ids else ""


def read_anthropic(body: Json) -> Asked:
    """A messages request; `broken` says in Anthropic's words what is wrong with the history."""
    text, rounds, returns, broken = "", 0, 0, ""
    open_ids: list[str] = []
    for number, message in enumerate(body["messages"]):
        blocks = message["content"]
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
        got = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        kinds = [block["type"] == "tool_result" for block in blocks]
        if sorted(got) != sorted(open_ids) or kinds != sorted(kinds, reverse=True):
            broken = broken or _misfit(number, got, open_ids)
        open_ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
        rounds += bool(open_ids)
        returns += len(got)
        said = "\n".join(block["text"] for block in blocks if block["type"] == "text")
        if message["role"] == "user" and said:
            text, rounds, returns = said, 0, 0
    if "temperature" in body:
        broken = "temperature: Extra inputs are not permitted"
    choice = body.get("tool_choice") or {}
    tools = {tool["name"]: tool["input_schema"] for tool in body.get("tools") or []}
    forced = (choice["name"],) if "name" in choice else tuple(tools) if choice.get("type") == "any" else ()
    return Asked(text, rounds, returns, tools, forced, broken or _misfit(len(body["messages"]), [], open_ids), False)


def _misfit(number: int, got: list[str], wanted: list[str]) -> str:
    if missing := [id_ for id_ in wanted if id_ not in got]:
        return (
            f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
        )
    orphans = [id_ for id_ in got if id_ not in wanted]
    if orphans or got:
        return f"messages.{number}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(orphans or got)}."
    return ""
