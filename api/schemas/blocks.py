"""Memory blocks as the SDKs know them."""

from __future__ import annotations

from typing import Any

from ninja import Schema

from agents.models import Block
from api.schemas.dates import entity_date


class BlockFields(Schema):
    """What can be said about a block. What is not sent stays."""

    label: str | None = None
    value: str | None = None
    limit: int | None = None
    description: str | None = None
    read_only: bool | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None

    def sent(self) -> dict[str, Any]:
        """The fields that were really sent."""
        return self.model_dump(exclude_unset=True)


class NewBlock(BlockFields):
    """A block to make."""

    label: str
    value: str


def block_state(block: Block) -> dict[str, Any]:
    """A Block."""
    return {
        "id": block.pk,
        "label": block.label,
        "value": block.value,
        "limit": block.limit,
        "description": block.description or None,
        "read_only": block.read_only,
        "metadata": block.metadata,
        "tags": block.tags,
        "is_template": False,
        "hidden": None,
        "template_id": None,
        "template_name": None,
        "base_template_id": None,
        "deployment_id": None,
        "entity_id": None,
        "project_id": None,
        "preserve_on_migration": None,
        "created_by_id": None,
        "last_updated_by_id": None,
        "created_at": entity_date(block.created_at),
        "updated_at": entity_date(block.updated_at),
    }
