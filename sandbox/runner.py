"""Runs one tool in its own process and leaves a report. The process is already confined and used for nothing else."""

from __future__ import annotations

import asyncio
import inspect
import linecache
import os
import sys
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from .coerce import bind, to_record
from .doorway import CannotConnect, make_client
from .report import ReportKind, ReportMemory
from .values import described, escape_surrogates

MODULE = "tool"
FILE = "<tool>"
ERROR_CHARS = 1000
# Known to every tool: older clients send a function's source without the imports above it.
ANNOTATION_NAMES = (
    "Annotated", "Any", "Callable", "Dict", "FrozenSet", "Iterable", "List", "Literal", "Mapping", "Optional", "Sequence",
    "Set", "Tuple", "Type", "TypedDict", "Union",
)  # fmt: skip
TRACEBACK_LINES = 12


class ToolError(Exception):
    """The source cannot be called as asked; the message is for the person who wrote it."""


def run_tool(call: Mapping[str, Any], memory: ReportMemory) -> NoReturn:
    """Call the function, leave the report and end the process. Never returns."""
    pid = os.getpid()
    kind, text = outcome_of(call)
    if os.getpid() != pid:
        # A copy of us that the tool forked and let return: it has nothing to report.
        os._exit(0)
    _flush()
    memory.write(kind, text)
    os._exit(0)


def outcome_of(call: Mapping[str, Any]) -> tuple[ReportKind, bytes]:
    """What the function returned or raised, as UTF-8."""
    try:
        injected = _injected(call)
        names = {"client": injected["client"]} if "client" in injected else {}
        function = _load(call["source"], call["function"], names)
        positional, named = bind(function, call["arguments"], injected)
        kind, text = described(_awaited(function(*positional, **named)))
        return kind, text.encode()
    except BaseException as error:  # noqa: BLE001 - whatever a tool raises, exits included, is its result
        return ReportKind.RAISED, _told(call["function"], error).encode()


def _injected(call: Mapping[str, Any]) -> dict[str, Any]:
    """What parameters get that the model does not fill; `agent_id` may be one that it does."""
    state = call["agent_state"]
    injected: dict[str, Any] = {"agent_state": None if state is None else to_record(state)}
    if "agent_id" not in call["parameters"]:
        injected["agent_id"] = call["agent_id"]
    if call["wants_client"]:
        injected["client"] = make_client(call["server"])
    return injected


def _load(source: str, name: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    """Execute the source as a module of its own, which knows these names, and find the function."""
    module = types.ModuleType(MODULE)
    module.__file__ = FILE
    module.__dict__.update({known: getattr(typing, known) for known in ANNOTATION_NAMES})
    module.__dict__.update(names)
    sys.modules[MODULE] = module
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    exec(compile(source, FILE, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the sandbox's purpose
    function = getattr(module, name, None)
    if not callable(function):
        raise ToolError(f"the source defines no function {name!r}")
    return function  # type: ignore[no-any-return]


def _awaited(value: Any) -> Any:
    if not inspect.isawaitable(value):
        return value

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())


def _told(name: str, error: BaseException) -> str:
    """The error as the model is told; the tool's own lines of the traceback go to stderr."""
    _print_traceback(error)
    try:
        text = f"Error executing function {name}: {_description(error)}"
    except BaseException as second:  # noqa: BLE001 - an exception whose str() fails still has a name
        text = f"Error executing function {name}: {type(error).__name__} (its text cannot be read: {type(second).__name__})"
    return escape_surrogates(text if len(text) <= ERROR_CHARS else text[: ERROR_CHARS - 1] + "…")


def _description(error: BaseException) -> str:
    if isinstance(error, ToolError | CannotConnect):
        return str(error)
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        return f"SystemExit: the tool called sys.exit({code[:100]}) instead of returning"
    message = str(error)
    if isinstance(error, MemoryError) and not message:
        message = "the tool asked for more memory than it may have"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _print_traceback(error: BaseException) -> None:
    try:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
        lines = traceback.format_list(frames[-TRACEBACK_LINES:])
        last = traceback.format_exception_only(error)
        print("".join(["Traceback (of the tool):\n", *lines, *last]), end="", file=sys.stderr)  # noqa: T201
    except BaseException:  # noqa: BLE001 - a tool may have closed or replaced stderr; the report still counts
        pass


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: BLE001 - the tool may have closed or replaced it
            pass
