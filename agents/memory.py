"""Core memory: blocks, made, changed and attached to agents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from access import activity
from access.activity import Actor
from access.changes import assign, explain, save_changes
from agents.models import Agent, AgentBlock, Block
from agents.problems import AgentProblem

CHANGEABLE = frozenset({"label", "value", "limit", "description", "read_only", "metadata", "tags"})


def create_block(actor: Actor, fields: Mapping[str, Any]) -> Block:
    """A new block that no agent has yet. Raises AgentProblem."""
    with transaction.atomic():
        (block,) = make_blocks([fields])
        activity.note(actor, "created", target_id=block.pk, target_name=block.label)
    return block


def change_block(actor: Actor, block: Block, changes: Mapping[str, Any]) -> Block:
    """The block with only these fields changed, as it is stored now. Raises AgentProblem, Block.DoesNotExist."""
    with transaction.atomic():
        stored = Block.objects.select_for_update().get(pk=block.pk)
        changed = assign(stored, _known(changes))
        if changed:
            _check_length(stored)
            try:
                save_changes(stored, changed)
            except ValidationError as error:
                raise AgentProblem(explain(error)) from error
            activity.note(actor, "changed", target_id=stored.pk, target_name=stored.label, changes=changed)
    return stored


def make_blocks(blocks: Iterable[Mapping[str, Any]]) -> list[Block]:
    """New blocks from what clients sent, in the caller's transaction. Raises AgentProblem."""
    return [_make(fields) for fields in blocks]


def attach_blocks(agent: Agent, blocks: Sequence[Block]) -> None:
    """Attach these blocks; an agent has one block of a label. Raises AgentProblem."""
    labels = Counter([block.label for block in blocks] + [block.label for block in agent.blocks.all()])
    twice = [label for label, count in labels.items() if count > 1]
    if twice:
        raise AgentProblem(f"An agent has one memory block of a label; there would be two of {', '.join(twice)}.")
    AgentBlock.objects.bulk_create([AgentBlock(agent=agent, block=block) for block in blocks])


def blocks_of(agent: Agent) -> list[Block]:
    """The agent's blocks in the order they were attached."""
    return [attachment.block for attachment in AgentBlock.objects.filter(agent=agent).select_related("block")]


def _make(fields: Mapping[str, Any]) -> Block:
    block = Block()
    assign(block, _known(fields))
    _check_length(block)
    try:
        block.full_clean()
    except ValidationError as error:
        raise AgentProblem(f"Memory block {block.label!r}: {explain(error)}") from error
    block.save(force_insert=True)
    return block


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in CHANGEABLE}


def _check_length(block: Block) -> None:
    if len(block.value) > block.limit:
        raise AgentProblem(
            f"Memory block {block.label!r} holds at most {block.limit:,} characters; this text has {len(block.value):,}."
        )
