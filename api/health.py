"""Is the server there: the one question that needs no key."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

router = Router(tags=["Health"])


@router.get("/health", auth=None)
def health(request: HttpRequest) -> dict[str, str]:
    """The version, and that it answers."""
    return {"version": settings.VERSION, "status": "ok"}
