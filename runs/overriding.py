"""The agent as a run executes it: with the own model and settings of its conversation, where that has some."""

from __future__ import annotations

from agents.assembly import spec_of
from agents.model_choice import settle
from agents.models import Agent
from engine.specs import AgentSpec
from runs.models import Conversation, Run
from runs.requests import as_requested

_SETTINGS = ("parallel_tool_calls", "temperature", "max_output_tokens", "reasoning_effort", "thinking_budget")


def spec_of_run(run_id: str) -> AgentSpec:
    """The agent of this run as it is now. Raises Run.DoesNotExist."""
    run = Run.objects.select_related("agent", "conversation").get(pk=run_id)
    agent = overridden(run.agent, run.conversation)
    return as_requested(spec_of(agent), agent, run.request)


def overridden(agent: Agent, conversation: Conversation | None) -> Agent:
    """The same row as it is in this conversation, never to be saved."""
    if conversation is None:
        return agent
    settled = settle({"model_settings": conversation.model_settings})
    for name in _SETTINGS:
        if settled.get(name) is not None:
            setattr(agent, name, settled[name])
    agent.model = conversation.model or agent.model
    agent.context_window = conversation.context_window_limit or agent.context_window
    return agent
