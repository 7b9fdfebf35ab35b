"""The Simulator: the conversation, Send, Stop, and the decisions on held calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.contrib import messages as notices
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget, trigger_client_event

from agents.models import Agent
from engine.specs import Decision
from runs.conversation import RunEntry, entry, newer_runs, talk_with, with_typed
from runs.conversations import create_conversation
from runs.dispatch import DispatchProblem, NothingToCancel, cancel_conversation, cancel_runs, decide, start_run
from runs.models import Conversation, Run
from runs.presentation import Presenter
from runs.reading import picture_of

ROLES = ("user", "system")
_LISTED = 100
UNPROCESSABLE = 422
"""The status whose answers the pages swap in: a form with its problem."""


@require_safe
def simulator(request: HttpRequest, agent_id: str) -> HttpResponse:
    """A conversation and the composer, put into the agent page's centre; which one says `conversation`."""
    agent = get_object_or_404(Agent, pk=agent_id)
    return _simulator(request, agent, _chosen(agent, request.GET))


@require_POST
def begin(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Begin another conversation, and show it."""
    agent = get_object_or_404(Agent, pk=agent_id)
    made = create_conversation(agent, {})
    return _simulator(request, agent, made) if _is_htmx(request) else redirect("agents:detail", agent.pk)


@require_safe
def earlier(request: HttpRequest, agent_id: str) -> HttpResponse:
    """The part of the conversation before a run."""
    agent = get_object_or_404(Agent, pk=agent_id)
    before = get_object_or_404(Run, pk=request.GET.get("before", ""), agent=agent)
    conversation = before.conversation
    context = {"agent": agent, "conversation": conversation, "talk": talk_with(agent, conversation, before=before)}
    return render(request, "runs/chat/entries.html", context)


@require_safe
def news(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Runs that somebody else started after run `after`, and what became of held calls meanwhile."""
    agent = get_object_or_404(Agent, pk=agent_id)
    after = Run.objects.filter(agent=agent, pk=request.GET.get("after", "")).first()
    found = newer_runs(agent, _chosen(agent, request.GET), after)
    return _entries(request, found) if found else HttpResponse(status=204)


@require_POST
def send(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Start a run for what the composer holds. On a problem the composer keeps its text."""
    agent = get_object_or_404(Agent, pk=agent_id)
    text, role = request.POST.get("text", ""), request.POST.get("role", "user")
    if not text.strip():
        return _refused(request, agent, "Write a message first.")
    if role not in ROLES:
        return _refused(request, agent, "A message is from the user or the system.")
    message = {"role": role, "content": text}
    conversation = _chosen(agent, request.POST)
    person = request.user.get_username()
    try:
        run = start_run(agent, [message], started_by=person, conversation=conversation, is_token_streamed=True)
    except DispatchProblem as problem:
        return _refused(request, agent, problem.text)
    return _entries(request, [entry(run)]) if _is_htmx(request) else redirect("runs:detail", run.pk)


@require_POST
def stop(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Cancel all that waits or runs in a conversation; each call then says what became of it (rule 6.1)."""
    agent = get_object_or_404(Agent, pk=agent_id)
    conversation = _chosen(agent, request.POST)
    back = reverse("agents:detail", args=[agent.pk])
    return _cancelled(request, lambda: cancel_conversation(agent, conversation), back)


@require_POST
def cancel(request: HttpRequest, run_id: str) -> HttpResponse:
    """Cancel one run."""
    run = get_object_or_404(Run.objects.select_related("agent"), pk=run_id)
    return _cancelled(request, lambda: cancel_runs(run.agent, [run.pk]), reverse("runs:detail", args=[run.pk]))


@require_POST
def decide_calls(request: HttpRequest, run_id: str) -> HttpResponse:
    """Carry out the decisions on the held calls of a run (rule 5.1). On a problem the form keeps what was entered."""
    run = get_object_or_404(Run.objects.select_related("agent", "conversation"), pk=run_id)
    typed = {call.id: _typed(request, call.id) for call in picture_of(run).pending_calls}
    if any(choice not in {"approve", "deny"} for choice, _ in typed.values()):
        return _undecided(request, run, typed, "Decide every call: approve or deny.")
    decisions = [Decision(call_id, choice == "approve", reason) for call_id, (choice, reason) in typed.items()]
    try:
        started = decide(
            run.agent,
            decisions,
            decided_by=request.user.get_username(),
            conversation=run.conversation,
            is_token_streamed=True,
        )
    except DispatchProblem as problem:
        return _undecided(request, run, typed, problem.text)
    return _decided(request, run, started)


def _is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _typed(request: HttpRequest, call_id: str) -> tuple[str, str]:
    choice = request.POST.get("all") or request.POST.get(f"decision-{call_id}", "")
    return choice, request.POST.get(f"reason-{call_id}", "").strip()


def _undecided(request: HttpRequest, run: Run, typed: dict[str, tuple[str, str]], problem: str) -> HttpResponse:
    view = Presenter(picture_of(run), timezone.now()).run(with_steps=False)
    view = replace(view, pending=with_typed(view.pending, typed))
    template = "runs/parts/approval.html" if _is_htmx(request) else "runs/undecided.html"
    context = {"run_id": run.pk, "run": view, "problem": problem}
    return render(request, template, context, status=UNPROCESSABLE)


def _decided(request: HttpRequest, run: Run, started: Run) -> HttpResponse:
    """In the conversation both runs as they are now; on the run page on to the run that carries the decisions out."""
    page = reverse("runs:detail", args=[started.pk])
    if not _is_htmx(request):
        return redirect(page)
    if "/agents/" not in request.headers.get("HX-Current-URL", ""):
        return HttpResponseClientRedirect(page)
    response = _entries(request, [entry(run), entry(started)])
    return reswap(retarget(response, f"#chat-{run.pk}"), "outerHTML")


def _entries(request: HttpRequest, entries: list[RunEntry]) -> HttpResponse:
    return render(request, "runs/chat/runs.html", {"entries": entries})


def _refused(request: HttpRequest, agent: Agent, problem: str) -> HttpResponse:
    if not _is_htmx(request):
        notices.error(request, problem)
        return redirect("agents:detail", agent.pk)
    response = render(request, "runs/chat/problem.html", {"problem": problem}, status=UNPROCESSABLE)
    return reswap(retarget(response, "#composer-problem"), "innerHTML")


def _simulator(request: HttpRequest, agent: Agent, conversation: Conversation | None) -> HttpResponse:
    shown = list(agent.conversations.filter(is_hidden=False, archived_at=None)[:_LISTED])
    if conversation is not None and conversation not in shown:
        shown.insert(0, conversation)
    talk = talk_with(agent, conversation)
    context = {"agent": agent, "conversation": conversation, "conversations": shown, "talk": talk}
    return render(request, "runs/simulator.html", context)


def _chosen(agent: Agent, fields: QueryDict) -> Conversation | None:
    """The conversation that a request names; the agent's own history where it names none."""
    key = fields.get("conversation", "")
    return get_object_or_404(agent.conversations, pk=key) if key else None


def _cancelled(request: HttpRequest, ask: Callable[[], object], back: str) -> HttpResponse:
    try:
        ask()
        text, tone = "Stopping. Each call says what became of it.", "good"
    except NothingToCancel as problem:
        text, tone = problem.text, "warn"
    if not _is_htmx(request):
        notices.info(request, text)
        return redirect(back)
    return trigger_client_event(HttpResponse(status=204), "toast", {"text": text, "tone": tone})
