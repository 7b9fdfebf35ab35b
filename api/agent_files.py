"""/v1/agents/{id}/export and /v1/agents/import: agents as files."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja import File, Form, Query, Router, Schema
from ninja.files import UploadedFile

from agents.models import Agent
from api.auth import actor_of
from api.errors import ApiProblem
from api.lookup import find
from runs.agent_files.export import export_agent
from runs.agent_files.importing import Wishes, import_agents
from runs.agent_files.shape import AgentFileProblem, read_agent_file
from runs.models import Conversation

router = Router(tags=["Agents: files"])


class ExportWishes(Schema):
    """What to write. `include_secrets` is ours, and needs the key of an administrator."""

    conversation_id: str | None = None
    scrub_messages: bool = False
    use_legacy_format: bool = False
    max_steps: int | None = None
    include_secrets: bool = False


class ImportWishes(Schema):
    """What shall be otherwise than in the file. Of two names of one thing the newer one wins."""

    append_copy_suffix: bool = True
    override_existing_tools: bool = True
    strip_messages: bool = False
    name: str | None = None
    override_name: str | None = None
    model: str | None = None
    override_model_handle: str | None = None
    embedding: str | None = None
    override_embedding_handle: str | None = None
    secrets: str | None = None
    env_vars_json: str | None = None
    project_id: str | None = None

    def wishes(self, embedding: str | None) -> Wishes:
        """Raises ApiProblem where the variables are no JSON object of texts."""
        return Wishes(
            name=self.name or self.override_name or "",
            model=self.model or self.override_model_handle or "",
            embedding=self.embedding or self.override_embedding_handle or embedding or "",
            appends_copy=self.append_copy_suffix,
            overrides_tools=self.override_existing_tools,
            strips_messages=self.strip_messages,
            project_id=self.project_id or "",
            secrets=_variables(self.secrets or self.env_vars_json),
        )


@router.get("/agents/{agent_id}/export")
def export_file(request: HttpRequest, agent_id: str, wanted: Query[ExportWishes]) -> dict[str, Any]:
    """The agent as an agent file, with its tools, memory and history; secrets without their values."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    if wanted.use_legacy_format:
        raise ApiProblem(
            400, "`use_legacy_format` asks for the agent file of older servers. Leave it out.", is_final=True
        )
    person = actor_of(request).person
    if wanted.include_secrets and not (person is not None and person.is_superuser):
        raise ApiProblem(403, "Only the key of an administrator exports secrets.", is_final=True)
    conversation = None
    if wanted.conversation_id and wanted.conversation_id != "default":
        conversation = find(
            Conversation.objects.filter(agent=agent), wanted.conversation_id, "Conversation", prefix="conv"
        )
    return export_agent(
        agent,
        with_messages=not wanted.scrub_messages,
        with_secrets=wanted.include_secrets,
        conversation=conversation,
    )


@router.post("/agents/import")
def import_file(request: HttpRequest, file: File[UploadedFile], wanted: Form[ImportWishes]) -> dict[str, Any]:
    """Make the agents of an agent file, all or none. `warnings` say what of the file is not with them."""
    wishes = wanted.wishes(request.headers.get("x-override-embedding-model"))
    try:
        made = import_agents(actor_of(request), read_agent_file(file.read()), wishes)
    except AgentFileProblem as problem:
        raise ApiProblem(400, str(problem)) from problem
    return {"agent_ids": [agent.pk for agent in made.agents], "warnings": list(made.warnings)}


def _variables(text: str | None) -> dict[str, str] | None:
    if not text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ApiProblem(400, f"The secrets are no JSON: {error}.") from error
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ApiProblem(400, 'The secrets are a JSON object of texts, as {"KEY": "value"}.')
    return value
