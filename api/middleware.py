"""What holds for everything under /v1/, whatever route it takes.

Both slash forms of a path are served directly: the SDKs send either, and a redirect would lose a POST's body. Folders
answer under their old name, too. And a method that a path does not take is answered in the API's own shape.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.utils.decorators import sync_and_async_middleware

from api.errors import ApiProblem, answer

_PREFIX = "/v1/"
# What older clients call folders.
_OLD_NAME = re.compile(r"^(/v1/(?:agents/[^/]+/)?)sources(?=/|$)")

Respond = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def api_manners(get_response: Respond) -> Respond:
    """The middleware; the URLs know API paths without the slash at the end."""
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            _strip(request)
            return _in_shape(request, await get_response(request))

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        _strip(request)
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        return _in_shape(request, response)

    return respond


def _strip(request: HttpRequest) -> None:
    path = request.path_info
    if path.startswith(_PREFIX) and path.endswith("/") and path != _PREFIX:
        path = path.rstrip("/")
    request.path_info = _OLD_NAME.sub(r"\1folders", path)


def _in_shape(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if not isinstance(response, HttpResponseNotAllowed) or not request.path_info.startswith(_PREFIX):
        return response
    shaped = answer(ApiProblem(405, f"{request.path_info} does not take {request.method}: only {response['Allow']}."))
    shaped["Allow"] = response["Allow"]
    return shaped
