"""/v1/conversations: histories of an agent beside its own one."""

from __future__ import annotations

from typing import Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router

from agents.assembly import compile_system
from agents.models import Agent
from api.addressed import addressee, find_conversation
from api.errors import ApiProblem
from api.lookup import find
from api.message_pages import MessageFilter, newest_page
from api.paging import Cursor, cut, page_of
from api.schemas.conversations import (
    ConversationFields,
    NewConversation,
    Recompiled,
    Resumed,
    SentToConversation,
    conversation_state,
)
from api.schemas.messages import Wire
from api.sending import Addressee, answer_as_stream, answer_at_the_end
from api.sse import Listening, event_stream
from runs.conversations import change_conversation, create_conversation, fork_conversation, with_moments
from runs.database import in_database
from runs.dispatch import cancel_conversation
from runs.models import Conversation, Message, Run

router = Router(tags=["Conversations"])

_ORDERS = {"created_at": "created_at", "last_run_completion": "completed", "last_message_at": "messaged"}


class ConversationFilter(Cursor):
    """Which conversations to list; those that are hidden never."""

    agent_id: str | None = None
    archive_status: Literal["unarchived", "archived", "all"] = "unarchived"
    order_by: Literal["created_at", "last_run_completion", "last_message_at"] = "created_at"
    summary_search: str | None = None

    def choose(self) -> QuerySet[Conversation]:
        """The conversations that fit."""
        chosen = Conversation.objects.filter(is_hidden=False)
        if self.agent_id:
            chosen = chosen.filter(agent_id=self.agent_id)
        if self.archive_status != "all":
            chosen = chosen.filter(archived_at__isnull=self.archive_status == "unarchived")
        if self.summary_search:
            chosen = chosen.filter(summary__icontains=self.summary_search)
        return chosen


@router.post("/conversations")
def create(request: HttpRequest, agent_id: str, body: NewConversation | None = None) -> Wire:
    """Begin a conversation with an agent."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    made = create_conversation(agent, (body or NewConversation()).sent())
    return conversation_state(made, with_messages=True)


@router.get("/conversations")
def list_conversations(request: HttpRequest, chosen: Query[ConversationFilter]) -> list[Wire]:
    """Conversations, newest first."""
    rows = cut(
        with_moments(chosen.choose()),
        page_of(chosen),
        key=_ORDERS[chosen.order_by],
        places=with_moments(Conversation.objects.all()),
    )
    return [conversation_state(conversation) for conversation in rows]


@router.get("/conversations/{conversation_id}")
def retrieve(request: HttpRequest, conversation_id: str) -> Wire:
    """One conversation."""
    return conversation_state(find_conversation(conversation_id), with_messages=True)


@router.patch("/conversations/{conversation_id}")
def update(request: HttpRequest, conversation_id: str, body: ConversationFields) -> Wire:
    """Change a conversation; what is not sent stays."""
    conversation = find_conversation(conversation_id)
    changed = change_conversation(conversation, body.sent(), is_archived=body.archived)
    return conversation_state(changed, with_messages=True)


@router.delete("/conversations/{conversation_id}")
def delete(request: HttpRequest, conversation_id: str) -> None:
    """Delete a conversation with all that was said and done in it."""
    find_conversation(conversation_id).delete()


@router.post("/conversations/{conversation_id}/cancel")
def cancel(request: HttpRequest, conversation_id: str, agent_id: str | None = None) -> dict[str, str]:
    """Cancel what waits or runs in a conversation: "cancelled" or "failed" for each run."""
    to = addressee(conversation_id, agent_id)
    return cancel_conversation(Agent.objects.get(pk=to.agent_id), to.conversation)


@router.post("/conversations/{conversation_id}/fork")
def fork(
    request: HttpRequest,
    conversation_id: str,
    agent_id: str | None = None,
    hidden: bool = False,
    message_id: str | None = None,
) -> Wire:
    """Begin another conversation with what has been said in this one, up to a message or up to now."""
    to = addressee(conversation_id, agent_id)
    agent = Agent.objects.get(pk=to.agent_id)
    made = fork_conversation(agent, to.conversation, upto=message_id, is_hidden=hidden)
    return conversation_state(made, with_messages=True)


@router.post("/conversations/{conversation_id}/recompile")
def recompile(request: HttpRequest, conversation_id: str, dry_run: bool = False, body: Recompiled | None = None) -> str:
    """The system prompt as the model gets it. It is compiled anew for every request, so nothing has to be stored."""
    to = addressee(conversation_id, body.agent_id if body else None)
    return compile_system(Agent.objects.get(pk=to.agent_id))


@router.post("/conversations/{conversation_id}/messages")
async def send(request: HttpRequest, conversation_id: str, body: SentToConversation) -> Any:
    """Send messages or approvals to a conversation and stream the run; without `streaming`, wait for its end."""
    to = await in_database(addressee, conversation_id, body.agent_id)
    answer = answer_as_stream if body.streaming else answer_at_the_end
    return await answer(request, to, body)


@router.get("/conversations/{conversation_id}/messages")
def list_messages(
    request: HttpRequest, conversation_id: str, chosen: Query[MessageFilter], agent_id: str | None = None
) -> list[Wire]:
    """What was said in a conversation, newest first."""
    to = addressee(conversation_id, agent_id)
    return newest_page(Message.objects.filter(agent_id=to.agent_id, conversation=to.conversation), chosen)


@router.post("/conversations/{conversation_id}/stream")
async def stream(request: HttpRequest, conversation_id: str, body: Resumed | None = None) -> HttpResponseBase:
    """Stream the run that is active in a conversation, from any point, live or over."""
    wanted = body or Resumed()
    run = await in_database(_run_to_stream, await in_database(addressee, conversation_id, wanted.agent_id), wanted)
    after = max(wanted.starting_after, 0)
    return event_stream(run.pk, Listening(run.is_token_streamed, wanted.include_pings is not False, after=after))


def _run_to_stream(to: Addressee, wanted: Resumed) -> Run:
    runs = Run.objects.filter(agent_id=to.agent_id, conversation=to.conversation)
    if wanted.run_id:
        return find(runs, wanted.run_id, "Run")
    if wanted.otid:
        run = runs.filter(messages__otid=wanted.otid).order_by("-created_at").first()
        if run is None:
            raise ApiProblem(404, f"No run of this conversation was started with the otid '{wanted.otid}'.")
        return run
    # The one that runs before those that wait for it.
    active = runs.live().order_by("created_at", "id").first()
    if active is None:
        raise ApiProblem(400, "No run is active in this conversation. Name one with `run_id`, or send a message.")
    return active
