"""Which conversation a request means: its id, "default" with an agent's id, or (Letta's older way) an agent's id."""

from __future__ import annotations

from agents.models import Agent
from api.errors import ApiProblem, invalid
from api.lookup import find
from api.sending import Addressee
from runs.models import Conversation

DEFAULT = "default"


def addressee(conversation_id: str, agent_id: str | None = None) -> Addressee:
    """Whom this path speaks to. Raises ApiProblem: 404, 422."""
    if conversation_id == DEFAULT:
        if not agent_id:
            raise invalid("The conversation `default` is an agent's own history: say whose, with `agent_id`.")
        return Addressee(find(Agent.objects.all(), agent_id, "Agent").pk)
    if conversation_id.startswith("agent-"):
        return Addressee(find(Agent.objects.all(), conversation_id, "Agent").pk)
    conversation = find_conversation(conversation_id)
    if agent_id and agent_id != conversation.agent_id:
        raise ApiProblem(404, f"Agent {agent_id} has no conversation '{conversation_id}'.")
    return Addressee(conversation.agent_id, conversation)


def find_conversation(conversation_id: str) -> Conversation:
    """The conversation with this id. Raises ApiProblem: 404, 422."""
    return find(Conversation.objects.all(), conversation_id, "Conversation", prefix="conv")


def conversation_of(agent: Agent, conversation_id: str | None) -> Conversation | None:
    """This conversation of the agent; None, "default" or the agent's id are its own history. Raises ApiProblem."""
    if not conversation_id or conversation_id in (DEFAULT, agent.pk):
        return None
    return addressee(conversation_id, agent.pk).conversation
