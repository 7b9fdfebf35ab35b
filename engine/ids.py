"""Wire ids: a prefix and a random UUID, as Letta's SDKs know them."""

from __future__ import annotations

from uuid import uuid4


def new_id(prefix: str) -> str:
    """A fresh id such as "run-9b2c…": the prefix, a hyphen, a lowercase UUID4."""
    return f"{prefix}-{uuid4()}"
