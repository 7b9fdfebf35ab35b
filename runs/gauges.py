"""Numbers that are looked up when somebody asks for /metrics: from the database, and from this process as it stands."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import Error
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.specs import RunStatus
from runs.fleet import live_leases
from runs.metrics import runs_under_way
from runs.models import Run
from tools.toolbox import sandbox_pools


class StoredGauges(Collector):
    """What the database says: the same in every process, so take the maximum and not the sum."""

    def describe(self) -> list[Metric]:
        """Nothing: the names are known without asking the database as the process starts."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask. A database that is away must not take the other numbers with it."""
        up = GaugeMetricFamily("tandem_database_up", "Whether the database answers")
        try:
            found = [_runs_by_state(), _awaiting_approval(), _oldest_waiting(), _live_workers()]
        except Error:
            found = []
        up.add_metric([], 1.0 if found else 0.0)
        yield up
        yield from found


class ProcessGauges(Collector):
    """What this process does now."""

    def describe(self) -> list[Metric]:
        """See StoredGauges."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Look."""
        pools = sandbox_pools()
        yield _gauge("tandem_runs_under_way", "Runs that this process executes now", runs_under_way())
        yield _gauge("tandem_sandbox_calls_running", "Calls in the sandbox now", sum(pool.running for pool in pools))
        yield _gauge("tandem_sandbox_up", "Fork servers that are up", sum(pool.is_up for pool in pools))
        yield _gauge("tandem_sandbox_idle_wanted", "Children kept ready for calls", sum(p.idle_wanted for p in pools))
        starts = CounterMetricFamily("tandem_sandbox_starts", "Fork servers started; more than one each means deaths")
        starts.add_metric([], sum(pool.starts for pool in pools))
        yield starts


def _runs_by_state() -> Metric:
    counts = dict.fromkeys((str(status) for status in RunStatus), 0)
    rows = Run.objects.order_by().values("status").annotate(count=Count("pk"))
    counts |= {row["status"]: row["count"] for row in rows}
    family = GaugeMetricFamily("tandem_runs", "Runs in the database by state", labels=["status"])
    for status, count in counts.items():
        family.add_metric([status], count)
    return family


def _awaiting_approval() -> Metric:
    waiting = Run.objects.awaiting_approval().count()
    return _gauge("tandem_runs_awaiting_approval", "Runs whose calls wait for a decision", waiting)


def _oldest_waiting() -> Metric:
    oldest = Run.objects.filter(status=RunStatus.CREATED).aggregate(at=Min("created_at"))["at"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return _gauge("tandem_oldest_waiting_run_seconds", "Age of the run that has waited longest for its start", age)


def _live_workers() -> Metric:
    return _gauge("tandem_workers_alive", "Workers with a live lease", live_leases().count())


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family
