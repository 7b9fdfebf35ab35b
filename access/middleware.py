"""Pages are for people who have signed in; the API has keys of its own."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRedirect

__all__ = ["SignInRequired", "login_not_required"]


class SignInRequired(LoginRequiredMiddleware):
    """Django's own, and for htmx a redirect of the whole page instead of a login form in the middle of it."""

    def handle_no_permission(  # type: ignore[override]  # the stubs know redirects only
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponse:
        if request.headers.get("HX-Request") == "true":
            response: HttpResponse = HttpResponseClientRedirect("/login/")
        else:
            response = super().handle_no_permission(request, view_func)
        add_never_cache_headers(response)
        return response
