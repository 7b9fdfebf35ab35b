"""/metrics: the numbers of this process for Prometheus."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from access.keys import find_key_owner
from access.middleware import login_not_required
from runs.gauges import ProcessGauges, StoredGauges
from runs.metrics import RunMetrics
from runs.observing import watch

_ASK = "Send ADE_METRICS_TOKEN or an API key as a bearer token, or sign in.\n"

REGISTRY.register(StoredGauges())
REGISTRY.register(ProcessGauges())
watch(RunMetrics())


def exposition() -> bytes:
    """All numbers in Prometheus' text format."""
    return generate_latest(REGISTRY)


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The page. Being on this machine opens nothing: behind a proxy everybody is."""
    if not (request.user.is_authenticated or may_read_metrics(request.headers.get("Authorization", ""))):
        return HttpResponse(_ASK, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def may_read_metrics(authorization: str) -> bool:
    """Whether this header brings the metrics token or somebody's API key."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return False
    return is_metrics_token(token) or find_key_owner(token) is not None


def is_metrics_token(token: str) -> bool:
    """Whether this is the configured token. Never where none is configured."""
    wanted = settings.ADE_METRICS_TOKEN
    return bool(wanted) and hmac.compare_digest(wanted.encode(), token.encode())
