"""The page Models: what an agent can be asked to think with, and what each model can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import Count
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from access.replies import PageRequest, show, wants_part
from ade.router import make_router
from agents.assembly import parallel_support
from agents.models import Agent, ParallelRefusal
from engine.specs import ParallelSupport
from llms.catalogue import CatalogueModel, describe
from llms.providers import PROVIDERS
from llms.router import ListedModel, ModelListing


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of the table. `parallel`: whether its answers can hold several calls at once, and why not."""

    model: CatalogueModel
    provider_name: str
    parallel: ParallelSupport
    agent_count: int
    is_configured: bool
    is_live: bool


@require_GET
async def models_page(request: PageRequest) -> HttpResponse:
    """The bundled catalogue, the providers' live lists merged over it, and what agents use besides."""
    return await sync_to_async(_show)(request, await _listing())


def _show(request: PageRequest, listing: ModelListing) -> HttpResponse:
    q, provider = request.GET.get("q", "").strip(), request.GET.get("provider", "")
    rows = [row for row in _rows(listing) if _fits(row, q.lower(), provider)]
    context: dict[str, Any] = {"rows": rows, "q": q, "provider": provider}
    if wants_part(request, "model-table"):
        return show(request, "models/models.html#table", context)
    failures = [(PROVIDERS[name].display_name, text) for name, text in listing.failures.items()]
    return show(request, "models/models.html", context | {"providers": PROVIDERS.values(), "failures": failures})


async def _listing() -> ModelListing:
    router = make_router()
    try:
        return await router.list_models()
    finally:
        await router.aclose()


def _rows(listing: ModelListing) -> list[ModelRow]:
    """In use first, then what can be used now, then the rest, each in the catalogue's order."""
    counts = dict(Agent.objects.order_by().values_list("model").annotate(count=Count("pk")))
    listed = {item.model.handle: item for item in listing.models}
    configured = {item.model.provider for item in listing.models if item.is_configured}
    for handle in counts:
        if handle not in listed:
            model = describe(handle)
            listed[handle] = ListedModel(model, model.provider in configured, False)
    refused = set(ParallelRefusal.objects.values_list("handle", flat=True))
    rows = [_row(item, counts.get(handle, 0), handle in refused) for handle, item in listed.items()]
    return sorted(rows, key=lambda row: (not row.agent_count, not row.is_configured))


def _row(item: ListedModel, agent_count: int, may_be_refused: bool) -> ModelRow:
    """The database is asked only about models whose endpoint has once refused the parameter."""
    is_asked = may_be_refused or not item.model.supports_parallel_parameter
    support = parallel_support(item.model.handle) if is_asked else ParallelSupport(True, True)
    provider = PROVIDERS.get(item.model.provider)
    return ModelRow(
        model=item.model,
        provider_name=provider.display_name if provider else item.model.provider,
        parallel=support,
        agent_count=agent_count,
        is_configured=item.is_configured,
        is_live=item.is_live,
    )


def _fits(row: ModelRow, q: str, provider: str) -> bool:
    has_words = q in row.model.handle.lower() or q in row.model.display_name.lower()
    return has_words and provider in ("", row.model.provider)
