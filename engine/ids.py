"""Wire ids: a prefix and a random UUID, as Letta's SDKs know them."""

from __future__ import annotations

from uuid import uuid4


def new_id(prefix: str) -> str:
    """A fresh id such as "run-9b2c…": the prefix, a hyphen, a lowercase UUID4."""
    return f"{prefix}-{uuid4()}"


def new_call_id() -> str:
    """A fresh id of a tool call, 37 characters of what every provider takes."""
    return f"call_{uuid4().hex}"


def answer_id(step_id: str) -> str:
    """The id of the message that a step's answer becomes: known while the answer still streams."""
    return f"message-{step_id.removeprefix('step-')}"
