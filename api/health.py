"""Is the server there, and can it work: the questions that need no key."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Status

from runs.readiness import readiness

router = Router(tags=["Health"])


@router.get("/health", auth=None)
def health(request: HttpRequest) -> dict[str, str]:
    """The version, and that it answers."""
    return {"version": settings.VERSION, "status": "ok"}


@router.get("/health/ready", auth=None, response={200: dict[str, Any], 503: dict[str, Any]})
async def ready(request: HttpRequest) -> Status[dict[str, Any]]:
    """Whether this process can do its work: 200, or 503 with what is missing, by the name of the check."""
    checks = await readiness()
    is_ready = not any(check.problem for check in checks)
    body = {
        "version": settings.VERSION,
        "status": "ready" if is_ready else "not ready",
        "checks": {check.name: check.problem or "ok" for check in checks},
    }
    return Status(200 if is_ready else 503, body)
