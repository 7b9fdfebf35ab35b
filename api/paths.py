"""Both slash forms of every API path, served directly: the SDKs send either, and a redirect would lose a POST's body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

_PREFIX = "/v1/"

Respond = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def one_slash_form(get_response: Respond) -> Respond:
    """Middleware: the URLs know API paths without the slash at the end."""
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            _strip(request)
            response: HttpResponseBase = await get_response(request)
            return response

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        _strip(request)
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        return response

    return respond


def _strip(request: HttpRequest) -> None:
    path = request.path_info
    if path.startswith(_PREFIX) and path.endswith("/") and path != _PREFIX:
        request.path_info = path.rstrip("/")
