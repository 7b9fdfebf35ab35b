"""Core memory on the agent page: blocks, edited by a person while tools may edit them too (rule 3.8)."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from access import activity
from access.activity import actor_of
from access.replies import PageRequest, go, show, with_toast
from agents.forms import BlockForm, NewBlockForm
from agents.memory import attach_blocks, change_block, create_block
from agents.models import Agent, AgentBlock, Block
from agents.pages import agent_url, find_agent, memory_context, show_agent
from agents.problems import AgentProblem


@require_POST
def save(request: PageRequest, agent_id: str, block_id: str) -> HttpResponse:
    """A block's text and limit; refused once where the block changed after the person began."""
    agent = find_agent(agent_id)
    block = get_object_or_404(Block, pk=block_id, agents=agent)
    form = BlockForm(request.POST, instance=get_object_or_404(Block, pk=block_id), auto_id=f"{block.pk}_%s")
    if form.is_valid() and _write(request, block, form):
        return _answer(request, agent, f"{block.label} saved")
    return _refuse(request, agent, bound=form)


def _write(request: PageRequest, block: Block, form: BlockForm) -> bool:
    """Whether it is written; the form then says why not. The lock makes sure that nothing slips in between."""
    with transaction.atomic():
        stored = Block.objects.select_for_update().get(pk=block.pk)
        if stored.value != form.cleaned_data["seen"] and stored.value != form.cleaned_data["value"]:
            form.add_error("value", f"Changed meanwhile. It now says: “{stored.value}”. Save again to replace that.")
            return False
        try:
            change_block(actor_of(request), stored, {name: form.cleaned_data[name] for name in ("value", "limit")})
        except AgentProblem as problem:
            form.add_error("value", str(problem))
            return False
    return True


@require_POST
def add(request: PageRequest, agent_id: str) -> HttpResponse:
    """A new block, attached."""
    agent = find_agent(agent_id)
    form = NewBlockForm(request.POST, auto_id="new_block_%s")
    if form.is_valid():
        try:
            with transaction.atomic():
                block = create_block(actor_of(request), form.cleaned_data)
                attach_blocks(agent, [block])
            return _answer(request, agent, f"{block.label} added")
        except AgentProblem as problem:
            form.add_error("label", str(problem))
    return _refuse(request, agent, new=form)


@require_POST
def detach(request: PageRequest, agent_id: str, block_id: str) -> HttpResponse:
    """The block leaves this agent; where no other agent has it, it is deleted."""
    agent = find_agent(agent_id)
    block = get_object_or_404(Block, pk=block_id, agents=agent)
    with transaction.atomic():
        AgentBlock.objects.filter(agent=agent, block=block).delete()
        is_unused = not AgentBlock.objects.filter(block=block).exists()
        verb = "deleted" if is_unused else "detached"
        activity.note(actor_of(request), verb, target_id=block.pk, target_name=block.label)
        if is_unused:
            block.delete()
    return _answer(request, agent, f"{block.label} {verb}")


def _answer(request: PageRequest, agent: Agent, said: str) -> HttpResponse:
    if not request.htmx:
        return go(request, agent_url(agent), said)
    return with_toast(show(request, "agents/memory.html", memory_context(agent)), said)


def _refuse(
    request: PageRequest, agent: Agent, *, bound: BlockForm | None = None, new: NewBlockForm | None = None
) -> HttpResponse:
    context = memory_context(agent, bound, new)
    if not request.htmx:
        return show_agent(request, agent, "settings", context, status=422)
    return show(request, "agents/memory.html", context, status=422)
