"""Sends traces where `OTEL_EXPORTER_OTLP_ENDPOINT` says. The exporter is installed on its own: requirements-otel.txt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from runs.observing import watch

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_LAST_WORDS_SECONDS = 3.0


@asynccontextmanager
async def tracing() -> AsyncIterator[None]:
    """Trace the runs of this process for the time of the block, where an endpoint is set.

    What has not been sent by then is sent at the end, if it can be in three seconds. Raises ImproperlyConfigured where
    the exporter is not installed.
    """
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        yield
        return
    provider = _provider()
    from runs.traces import RunTraces

    stop_watching = watch(RunTraces(provider.get_tracer("tandem", settings.VERSION)))
    try:
        yield
    finally:
        stop_watching()
        await asyncio.to_thread(_finish, provider)


def _provider() -> TracerProvider:
    """Everything else about it comes from OpenTelemetry's own variables."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the exporter is not installed: pip install -r requirements-otel.txt"
        ) from error
    resource = Resource.create({SERVICE_VERSION: settings.VERSION})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "tandem"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _finish(provider: TracerProvider) -> None:
    """A collector that is away must not keep the process: OpenTelemetry by itself goes on asking it."""
    sending = threading.Thread(target=provider.shutdown, daemon=True)
    sending.start()
    sending.join(_LAST_WORDS_SECONDS)
