"""The REST API that Letta's SDKs speak, put together: shapes and routes, no behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.csrf import csrf_exempt
from ninja import Swagger

from access.middleware import login_not_required
from api import (
    absent,
    agent_files,
    agent_files_open,
    agent_tools,
    agents,
    archives,
    blocks,
    context,
    conversations,
    errors,
    folders,
    health,
    identities,
    mcp_servers,
    message_search,
    messages,
    models,
    passages,
    providers,
    runs,
    steps,
    tags,
    tool_runs,
    tools,
)
from api.auth import BearerKey
from api.bodies import JsonBodies
from api.openapi import DocumentedAPI

api = DocumentedAPI(
    title="Tandem",
    version=settings.VERSION,
    description="The API of Letta's SDKs. Every path answers with and without a slash at the end.",
    auth=BearerKey(),
    docs=Swagger(),
    parser=JsonBodies(),
    urls_namespace="v1",
)
errors.install(api)
# The more special path first: "/tools/run" must not be taken for a tool's id, nor "/agents/import" for an agent's.
for _part in (
    health,
    agent_files,
    agents,
    agent_tools,
    blocks,
    identities,
    tags,
    tool_runs,
    tools,
    context,
    messages,
    conversations,
    message_search,
    runs,
    steps,
    models,
    archives,
    passages,
    providers,
    mcp_servers,
    folders,
    agent_files_open,
):
    api.add_router("", _part.router)


@csrf_exempt
@login_not_required
def unknown_route(request: HttpRequest, rest: str) -> HttpResponse:
    """404, or 501 for what only Letta's cloud has, in the API's own shape."""
    return errors.answer(absent.unknown(request.method or "GET", rest))


def _for_keys_alone(patterns: Sequence[URLPattern | URLResolver]) -> list[URLPattern]:
    """The API's views are opened by keys; the pages' sign-in must not stand before them."""
    views = [pattern for pattern in patterns if isinstance(pattern, URLPattern)]
    for view in views:
        view.callback.login_required = False  # type: ignore[attr-defined]
    return views


_patterns, _app_name, _namespace = api.urls
urls: tuple[list[Any], str, str] = (
    [*_for_keys_alone(_patterns), path("<path:rest>", unknown_route)],
    _app_name,
    _namespace,
)
