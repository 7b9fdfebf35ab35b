"""Who made and who changed a row, as the SDKs know them."""

from __future__ import annotations

from typing import Protocol

from access.person_ids import person_id


class Made(Protocol):
    """A row that remembers people."""

    created_by_id: int | None
    updated_by_id: int | None


def makers(row: Made) -> dict[str, str | None]:
    """`created_by_id` and `last_updated_by_id`."""
    return {"created_by_id": person_id(row.created_by_id), "last_updated_by_id": person_id(row.updated_by_id)}
