"""Counts and times HTTP requests by route, for /metrics."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import Histogram

Respond = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUEST_SECONDS = Histogram(
    "tandem_http_request_seconds",
    "Seconds until the answer began (a stream's body comes later), by route; its count is the number of requests",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


@sync_and_async_middleware
def measure_requests(get_response: Respond) -> Respond:
    """The middleware; the outermost, so that it times all the others."""
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            began = time.perf_counter()
            response: HttpResponseBase = await get_response(request)
            _observe(request, response, time.perf_counter() - began)
            return response

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        _observe(request, response, time.perf_counter() - began)
        return response

    return respond


def _observe(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """Labels come from closed sets: routes, not paths, so that nobody can fill the memory with made-up addresses."""
    match = request.resolver_match
    method = request.method if request.method in _METHODS else "other"
    route = (match.route if match else "") or "none"
    REQUEST_SECONDS.labels(method, route, str(response.status_code)).observe(seconds)
