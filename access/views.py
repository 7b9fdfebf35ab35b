"""Signing in and out."""

from __future__ import annotations

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from access.keys import use_login_token

sign_in = login_not_required(LoginView.as_view(template_name="access/login.html", redirect_authenticated_user=True))
sign_out = LogoutView.as_view(next_page="/login/")


@login_not_required
@require_http_methods(["GET", "POST"])
def login_link(request: HttpRequest, token: str) -> HttpResponse:
    """A one-time link. GET shows a button, so that a link preview does not use the link up; POST signs in."""
    if request.user.is_authenticated:
        return redirect("home")
    if request.method == "GET":
        return render(request, "access/login_link.html")
    person = use_login_token(token)
    if person is None:
        return render(request, "access/login_link.html", {"is_used_up": True}, status=403)
    login(request, person, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("home")
