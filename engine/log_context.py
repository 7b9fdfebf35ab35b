"""Which run and which call the code is at work for, so that every line it logs can say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_run_id: ContextVar[str] = ContextVar("run_id", default="")
_call_id: ContextVar[str] = ContextVar("call_id", default="")


@contextmanager
def at_work_for(*, run_id: str = "", call_id: str = "") -> Iterator[None]:
    """Lines logged within the block, and in the tasks it starts, belong to this run or call."""
    given = [(variable, value) for variable, value in ((_run_id, run_id), (_call_id, call_id)) if value]
    tokens = [(variable, variable.set(value)) for variable, value in given]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


def log_context() -> dict[str, str]:
    """`run_id` and `call_id` of the code at work, without those that there are none of."""
    found = {"run_id": _run_id.get(), "call_id": _call_id.get()}
    return {name: value for name, value in found.items() if value}
