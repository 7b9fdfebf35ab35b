"""Agents' variables as the SDKs know them."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from agents.models import Agent, AgentVariable
from agents.variables import VariableProblem, decrypt
from api.schemas.dates import entity_date
from tools.redaction import MASK


def variable_states(agent: Agent, *, with_secrets: bool = False) -> list[dict[str, Any]]:
    """The agent's variables, each an AgentEnvironmentVariable. Instead of a secret value there is the mask, which can
    be sent back and then changes nothing; `with_secrets` gives them in clear, and raises VariableProblem where that
    cannot be."""
    return [_variable_state(variable, with_secrets=with_secrets) for variable in agent.variables.all()]


def _variable_state(variable: AgentVariable, *, with_secrets: bool) -> dict[str, Any]:
    return {
        "id": f"agent-env-{uuid5(NAMESPACE_URL, f'{variable.agent_id}/{variable.key}')}",
        "agent_id": variable.agent_id,
        "key": variable.key,
        "value": decrypt(variable) if with_secrets else _shown_value(variable),
        "value_enc": None,
        "is_secret": variable.is_secret,
        "description": None,
        "created_by_id": None,
        "last_updated_by_id": None,
        "created_at": entity_date(variable.created_at),
        "updated_at": entity_date(variable.updated_at),
    }


def _shown_value(variable: AgentVariable) -> str:
    try:
        return MASK if variable.is_secret else decrypt(variable)
    except VariableProblem:
        return MASK
