"""Core memory as an agent itself edits it: by label, and on the text as it is stored at that moment (rule 3.8)."""

from __future__ import annotations

import re

from django.db import transaction

from access.activity import Actor
from agents.block_edits import Edit, EditProblem
from agents.memory import attach_blocks, blocks_of, change_block, detach_block, make_blocks
from agents.models import Agent, Block
from agents.problems import AgentProblem

ROOT = "/memories/"
_LABEL = re.compile(r"[\w./-]{1,100}")
_BY_TOOL = "memory tool"


class MemoryProblem(ValueError):
    """An edit that an agent cannot make. The text tells the model what to do instead."""


def edit_block(agent_id: str, label: str, edit: Edit) -> Block:
    """The agent's block of this label with the edit applied to what is stored now, under a lock on the row: of edits
    that come at the same time, from wherever, none is lost. Raises MemoryProblem."""
    with transaction.atomic():
        block = _locked(agent_id, label)
        try:
            value = edit(block.value)
        except EditProblem as problem:
            raise MemoryProblem(str(problem)) from problem
        if len(value) > block.limit:
            raise MemoryProblem(
                f"The edit was not made: the block `{label}` holds at most {block.limit:,} characters, and would have "
                f"{len(value):,}. Shorten it first."
            )
        block.value = value
        block.save(update_fields=["value", "updated_at"])
    return block


def read_block(agent_id: str, label: str) -> Block:
    """The agent's block of this label. Raises MemoryProblem."""
    block = Block.objects.filter(agents=agent_id, label=label).first()
    if block is None:
        raise _unknown(agent_id, label)
    return block


def add_block(agent_id: str, label: str, description: str, value: str) -> Block:
    """A new block, attached to the agent. Raises MemoryProblem."""
    _check_label(label)
    with transaction.atomic():
        agent = Agent.objects.select_for_update(no_key=True).get(pk=agent_id)
        if agent.blocks.filter(label=label).exists():
            raise MemoryProblem(f"There is a block `{label}` already; edit it instead.")
        try:
            (block,) = make_blocks([{"label": label, "description": description, "value": value}])
            attach_blocks(agent, [block])
        except AgentProblem as problem:
            raise MemoryProblem(str(problem)) from problem
    return block


def drop_block(agent_id: str, label: str) -> None:
    """The block is no longer the agent's; it stays in the library. Raises MemoryProblem."""
    with transaction.atomic():
        block = _locked(agent_id, label)
        detach_block(Actor(None, _BY_TOOL), Agent.objects.get(pk=agent_id), block)


def relabel_block(agent_id: str, label: str, new_label: str) -> Block:
    """The block has another label, with every agent that shares it. Raises MemoryProblem."""
    _check_label(new_label)
    return _change(agent_id, label, {"label": new_label})


def describe_block(agent_id: str, label: str, description: str) -> Block:
    """The block has another description. Raises MemoryProblem."""
    return _change(agent_id, label, {"description": description})


def label_of(path: str) -> str:
    """The label that a path names: "/memories/human", "human"."""
    return path.strip().removeprefix(ROOT).strip("/")


def _change(agent_id: str, label: str, changes: dict[str, str]) -> Block:
    try:
        with transaction.atomic():
            return change_block(Actor(None, _BY_TOOL), _locked(agent_id, label), changes)
    except AgentProblem as problem:
        raise MemoryProblem(str(problem)) from problem


def _locked(agent_id: str, label: str) -> Block:
    # Not the rows of the join: agents that share the block would wait for each other's attachments.
    rows = Block.objects.select_for_update(of=("self",)).filter(agentblock__agent_id=agent_id, label=label)
    block = rows.order_by("pk").first()
    if block is None:
        raise _unknown(agent_id, label)
    if block.read_only:
        raise MemoryProblem(f"The block `{label}` is read-only: it cannot be changed by tools.")
    return block


def _unknown(agent_id: str, label: str) -> MemoryProblem:
    agent = Agent.objects.filter(pk=agent_id).first()
    labels = [block.label for block in blocks_of(agent)] if agent else []
    there = f"The blocks are: {', '.join(labels)}." if labels else "There are no blocks."
    return MemoryProblem(f"There is no memory block labelled `{label}`. {there}")


def _check_label(label: str) -> None:
    if not _LABEL.fullmatch(label):
        raise MemoryProblem(
            f"{label!r} cannot be a block's label: use up to 100 letters, digits, underscores, dots, slashes and hyphens."
        )
