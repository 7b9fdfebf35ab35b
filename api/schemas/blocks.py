"""Memory blocks as the SDKs know them."""

from __future__ import annotations

from typing import Any

from ninja import Schema

from agents.models import Block
from api.schemas.dates import entity_date

# Accepted, kept and given back; nothing in Tandem acts on them.
_EXTRAS = (
    "project_id", "template_id", "base_template_id", "deployment_id", "entity_id", "hidden", "preserve_on_migration",
)  # fmt: skip


class BlockFields(Schema):
    """What can be said about a block. What is not sent stays."""

    label: str | None = None
    value: str | None = None
    limit: int | None = None
    description: str | None = None
    read_only: bool | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None
    is_template: bool | None = None
    template_name: str | None = None
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    hidden: bool | None = None
    preserve_on_migration: bool | None = None

    def sent(self) -> dict[str, Any]:
        """The fields that were really sent, under our names."""
        given = self.model_dump(exclude_unset=True)
        extras = {name: given.pop(name) for name in _EXTRAS if name in given}
        return {**given, "extras": extras} if extras else given


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
        "is_template": block.is_template,
        "template_name": block.template_name or None,
        **{name: block.extras.get(name) for name in _EXTRAS},
        "created_by_id": None,
        "last_updated_by_id": None,
        "created_at": entity_date(block.created_at),
        "updated_at": entity_date(block.updated_at),
    }
