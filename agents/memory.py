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
from agents.problems import AgentProblem, Taken

CHANGEABLE = frozenset(
    {
        "label",
        "value",
        "limit",
        "description",
        "read_only",
        "metadata",
        "tags",
        "template_name",
        "is_template",
        "extras",
    }
)


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
        known = _known(changes)
        if known.get("extras"):
            known["extras"] = {**stored.extras, **known["extras"]}
        changed = assign(stored, known)
        if changed:
            _check_length(stored)
            _check_label(stored, changed)
            try:
                save_changes(stored, changed)
            except ValidationError as error:
                raise AgentProblem(explain(error)) from error
            activity.note(actor, "changed", target_id=stored.pk, target_name=stored.label, changes=changed)
    return stored


def delete_block(actor: Actor, block: Block) -> None:
    """The block is gone, from every agent that had it."""
    with transaction.atomic():
        activity.note(actor, "deleted", target_id=block.pk, target_name=block.label)
        block.delete()


def attach_block(actor: Actor, agent: Agent, block: Block) -> None:
    """The block is attached; twice is once. Raises Taken where the agent has another block of this label."""
    with transaction.atomic():
        stored = Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        if AgentBlock.objects.filter(agent=stored, block=block).exists():
            return
        before = _labels(stored)
        attach_blocks(stored, [block])
        _note_blocks(actor, stored, "attached a block", before)


def detach_block(actor: Actor, agent: Agent, block: Block) -> None:
    """The block is no longer attached; it stays, also where no other agent has it."""
    with transaction.atomic():
        stored = Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        before = _labels(stored)
        if AgentBlock.objects.filter(agent=stored, block=block).delete()[0]:
            _note_blocks(actor, stored, "detached a block", before)


def make_blocks(blocks: Iterable[Mapping[str, Any]]) -> list[Block]:
    """New blocks from what clients sent, in the caller's transaction. Raises AgentProblem."""
    return [_make(fields) for fields in blocks]


def attach_blocks(agent: Agent, blocks: Sequence[Block]) -> None:
    """Attach these blocks; an agent has one block of a label. Raises Taken."""
    labels = Counter([block.label for block in blocks] + [block.label for block in agent.blocks.all()])
    twice = [label for label, count in labels.items() if count > 1]
    if twice:
        raise Taken(f"An agent has one memory block of a label; there would be two of {', '.join(twice)}.")
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


def _labels(agent: Agent) -> list[str]:
    return [block.label for block in blocks_of(agent)]


def _note_blocks(actor: Actor, agent: Agent, verb: str, before: list[str]) -> None:
    activity.note(actor, verb, target_id=agent.pk, target_name=agent.name, changes={"blocks": [before, _labels(agent)]})


def _check_label(block: Block, changed: Mapping[str, Any]) -> None:
    """A new label must be free with every agent that has the block."""
    if "label" not in changed:
        return
    others = Block.objects.filter(label=block.label, agents__in=block.agents.all()).exclude(pk=block.pk)
    if others.exists():
        raise Taken(f"An agent that has this block has another one labelled {block.label!r} already.")


def _check_length(block: Block) -> None:
    if len(block.value) > block.limit:
        raise AgentProblem(
            f"Memory block {block.label!r} holds at most {block.limit:,} characters; this text has {len(block.value):,}."
        )
