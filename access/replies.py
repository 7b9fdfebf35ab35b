"""Answers to a page: the whole page, or the part of it that htmx asked for, with a toast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event
from django_htmx.middleware import HtmxDetails


class PageRequest(HttpRequest):
    """A request of a page, as django-htmx leaves it."""

    htmx: HtmxDetails


def wants_part(request: PageRequest, target: str = "") -> bool:
    """Whether htmx asks for a part: any part, or the one that goes into the element `target`."""
    is_part = bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request
    return is_part and target in ("", request.htmx.target)


def show(request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """A rendered page or part. The same URL answers both, so caches must tell them apart."""
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def with_toast(response: HttpResponse, text: str, *, undo: str = "", tone: str = "good") -> HttpResponse:
    """The answer with a toast; `undo` is a URL that takes the change back when posted to."""
    return trigger_client_event(response, "toast", {"text": text, "undo": undo, "tone": tone})


def with_news(response: HttpResponse, *events: str) -> HttpResponse:
    """The answer that also tells other parts of the page that something has changed."""
    for event in events:
        response = trigger_client_event(response, event)
    return response


def go(request: PageRequest, url: str, text: str = "") -> HttpResponse:
    """On to another page, there with a toast."""
    if text:
        messages.success(request, text)
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
