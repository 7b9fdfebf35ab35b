"""Every error that the API answers with, in the shape that the SDKs expect: `{"detail": …}`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from agents.problems import AgentProblem, Taken, UnknownHandle
from agents.variables import VariableProblem
from archives.problems import ArchiveProblem, UnknownEmbedding
from engine.ids import answer_id
from folders.problems import FolderProblem, NameInUse, NotReady, TooLarge, UnreadableKind
from mcp_servers.problems import McpProblem, ServerNameTaken, Unreachable
from runs.database import is_away
from runs.dispatch import (
    AgentBusy,
    AlreadyDecided,
    ClientsCalls,
    DispatchProblem,
    NothingPending,
    NothingToCancel,
    PendingApproval,
    WrongCalls,
)
from runs.models import ToolCall
from tools.library import NameTaken, SchemaMissing, ToolProblem

log = logging.getLogger(__name__)

DATABASE_AWAY = "The database is out of reach. Nothing was changed; runs wait for it and go on. Try again in a moment."

HOW_TO_GET_A_KEY = (
    'This API needs a key: send the header "Authorization: Bearer <key>" (in the SDKs: api_key). A key is printed at '
    "the first start; `python manage.py apikey` makes another."
)


class ApiProblem(Exception):
    """An answer other than success. `is_final`: asking again cannot help, so that the SDKs must not by themselves."""

    def __init__(self, status: int, detail: str | dict[str, Any], *, is_final: bool = False, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.is_final = is_final
        self.body = {"detail": detail, **extra}


def answer(problem: ApiProblem) -> HttpResponse:
    """The problem as a response."""
    response = JsonResponse(problem.body, status=problem.status)
    if problem.is_final:
        response["x-should-retry"] = "false"
    return response


def pending_approval(text: str, run_id: str, call_ids: Sequence[str], request_id: str | None) -> ApiProblem:
    """409 with the object that the SDKs' users look into; `request_id` is the approval request's message. Only a
    decision can change it."""
    detail = {
        "code": "PENDING_APPROVAL",
        "message": text,
        "pending_request_id": request_id,
        "run_id": run_id,
        "tool_call_ids": list(call_ids),
    }
    return ApiProblem(409, detail, is_final=True)


def invalid(detail: str) -> ApiProblem:
    """422: the request as such makes no sense."""
    return ApiProblem(422, detail, trace_id=uuid4().hex)


def explain_dispatch(problem: DispatchProblem) -> ApiProblem:
    """A run that could not be started, decided or cancelled."""
    match problem:
        case PendingApproval():
            return pending_approval(problem.text, problem.run_id, problem.call_ids, _request_of(problem))
        case AgentBusy():
            return ApiProblem(409, problem.text, run_id=problem.run_id)
        case AlreadyDecided() | NothingToCancel():
            return ApiProblem(409, problem.text, is_final=True)
        case WrongCalls() | NothingPending() | ClientsCalls():
            return ApiProblem(400, problem.text)
        case _:
            return ApiProblem(409, problem.text, is_final=True)


def explain_unreachable(problem: Unreachable) -> ApiProblem:
    """An MCP server that does not answer at the address that was sent. Asking again at once does not help."""
    text = str(problem)
    return ApiProblem(400, text, is_final=True, error={"type": "mcp_error", "message": text, "detail": text})


def _request_of(problem: PendingApproval) -> str | None:
    step_id = ToolCall.objects.filter(pk__in=problem.call_ids).values_list("step_id", flat=True).first()
    return answer_id(step_id) if step_id else None


def _explain_validation(error: ValidationError) -> ApiProblem:
    return invalid(repr(error.errors))


def _explain_surprise(error: Exception) -> ApiProblem:
    """The one place where the API meets what nobody foresaw: logged under the id that the client is told."""
    trace_id = uuid4().hex
    log.error("API request failed, trace %s", trace_id, exc_info=error)
    return ApiProblem(500, f"Internal server error. The server's log has it under {trace_id}.", trace_id=trace_id)


def _explain_database(error: DatabaseError) -> ApiProblem:
    """503 while the database is away: the SDKs come again by themselves."""
    return ApiProblem(503, DATABASE_AWAY) if is_away(error) else _explain_surprise(error)


def _explain_http(error: HttpError) -> ApiProblem:
    if error.status_code == 401:
        return ApiProblem(401, HOW_TO_GET_A_KEY)
    if error.status_code == 400:  # ninja's only one: a body that cannot be read
        return invalid(f"The body is no JSON that can be read: {error.__cause__ or error.message}.")
    return ApiProblem(error.status_code, error.message)


# The most special class first: ninja takes the first that fits.
_EXPLAIN: dict[type[Exception], Callable[[Any], ApiProblem]] = {
    ApiProblem: lambda problem: problem,
    DispatchProblem: explain_dispatch,
    NameTaken: lambda problem: ApiProblem(409, str(problem), is_final=True),
    SchemaMissing: lambda problem: ApiProblem(422, str(problem)),
    ToolProblem: lambda problem: ApiProblem(400, str(problem)),
    UnknownHandle: lambda problem: ApiProblem(404, str(problem)),
    Taken: lambda problem: ApiProblem(409, str(problem), is_final=True),
    AgentProblem: lambda problem: ApiProblem(400, str(problem)),
    UnknownEmbedding: lambda problem: ApiProblem(404, str(problem)),
    ArchiveProblem: lambda problem: ApiProblem(400, str(problem)),
    VariableProblem: lambda problem: ApiProblem(400, str(problem)),
    ServerNameTaken: lambda problem: ApiProblem(409, str(problem), is_final=True),
    Unreachable: explain_unreachable,
    McpProblem: lambda problem: ApiProblem(400, str(problem)),
    NameInUse: lambda problem: ApiProblem(409, str(problem), is_final=True),
    NotReady: lambda problem: ApiProblem(409, str(problem), is_final=True),
    UnreadableKind: lambda problem: ApiProblem(415, str(problem)),
    TooLarge: lambda problem: ApiProblem(413, str(problem), is_final=True),
    FolderProblem: lambda problem: ApiProblem(400, str(problem)),
    ValidationError: _explain_validation,
    HttpError: _explain_http,
    RequestDataTooBig: lambda error: ApiProblem(413, f"The request is too large: {error}", is_final=True),
    MultiPartParserError: lambda error: ApiProblem(400, f"The form cannot be read: {error}", is_final=True),
    DatabaseError: _explain_database,
    Http404: lambda error: ApiProblem(404, str(error) or "Not found."),
    Exception: _explain_surprise,
}


def install(api: NinjaAPI) -> None:
    """Have the API answer all of them."""
    for kind, explain in _EXPLAIN.items():
        api.add_exception_handler(kind, _handler(explain))


def _handler(explain: Callable[[Any], ApiProblem]) -> Callable[[HttpRequest, Any], HttpResponse]:
    def handle(request: HttpRequest, error: Any) -> HttpResponse:
        return answer(explain(error))

    return handle
