"""The answer where something broke: 503 while the database is away, which passes by itself; else 500."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.defaults import server_error

from api.errors import DATABASE_AWAY
from runs.database import is_away

_AGAIN_SECONDS = "3"


def broken(request: HttpRequest) -> HttpResponse:
    """Django's handler500. API clients get JSON and come again by themselves; a page loads itself again."""
    error = sys.exc_info()[1]
    if error is None or not is_away(error):
        return server_error(request)
    if request.path.startswith("/v1/"):
        response: HttpResponse = JsonResponse({"detail": DATABASE_AWAY}, status=503)
    elif request.headers.get("HX-Request"):
        response = HttpResponse(DATABASE_AWAY, status=503, content_type="text/plain")
    else:
        response = render(None, "503.html", status=503)
        if request.method == "GET":
            response["Refresh"] = _AGAIN_SECONDS
    response["Retry-After"] = _AGAIN_SECONDS
    return response
