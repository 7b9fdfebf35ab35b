"""/metrics, the port beside a worker, traces and log lines: what an operator sees of the runs."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import logging.config
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import REGISTRY, Metric
from pytest_django import Settings

from access.keys import first_person, make_api_key
from ade.logs import logging_config
from ade.tracing import tracing
from ade.watch_port import refuse_open_metrics, watch_port
from agents.assembly import tool_spec
from agents.models import Agent
from engine.log_context import at_work_for, log_context
from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Mode, Outcome, ToolCall, ToolResult
from engine.testing import FakeToolbox
from llms.testing import ScriptedClient, asks_for, says
from runs import observing
from runs.database import in_database
from runs.dispatch import start_run
from runs.follow import follow
from runs.gauges import StoredGauges
from runs.metrics import note_lag, runs_under_way
from runs.models import Run
from runs.traces import RunTraces
from tests.pages import signed_in
from tests.server_fixtures import free_port
from tests.workers import ToolboxDouble, ended, make_agent, working
from tools.models import Tool
from tools.toolbox import Caller, Equipment, Toolbox

pytestmark = pytest.mark.django_db(transaction=True)


def value(name: str, **labels: str) -> float:
    """A number that is counted here; one that is looked up in the database takes `stored`."""
    return _find(REGISTRY.restricted_registry([name]).collect(), name, labels)


def stored(name: str, **labels: str) -> float:
    return _find(StoredGauges().collect(), name, labels)


def _find(families: Iterable[Metric], name: str, labels: dict[str, str]) -> float:
    samples = (sample for family in families for sample in family.samples)
    return next((sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)), 0.0)


@contextmanager
def grows(name: str, by: float, **labels: str) -> Iterator[None]:
    before = value(name, **labels)
    yield
    assert value(name, **labels) - before == pytest.approx(by), name


async def send(agent: Agent, text: str = "Hello") -> Run:
    return await in_database(start_run, agent, [{"role": "user", "content": text}], started_by="test")


def test_the_numbers_need_a_key_a_token_or_a_person(settings: Settings) -> None:
    browser = Client()
    assert browser.get("/metrics").status_code == 401
    assert browser.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401
    assert browser.get("/metrics", headers={"Authorization": "Bearer anything"}).status_code == 401
    settings.ADE_METRICS_TOKEN = "scrape-me"
    for token, status in (("scrape-me", 200), ("scrape-you", 401), (make_api_key(first_person(), "k"), 200)):
        assert browser.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == status
    assert signed_in().get("/metrics").status_code == 200


def test_requests_are_counted_by_route_and_not_by_path() -> None:
    browser = signed_in()
    with grows("tandem_http_request_seconds_count", 2, method="GET", route="tools/<str:tool_id>/", status="404"):
        browser.get("/tools/tool-1/")
        browser.get("/tools/tool-2/")
    with grows("tandem_http_request_seconds_count", 1, method="GET", route="v1/health", status="200"):
        browser.get("/v1/health/")
    assert "tool-1" not in browser.get("/metrics").content.decode()


async def test_a_run_is_counted_with_its_calls_by_outcome() -> None:
    async def call(planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        outcome = Outcome.ERROR if planned.call.name == "breaks" else Outcome.SUCCESS
        return ToolResult(planned.call.id, outcome, "text")

    agent = await in_database(make_agent, ("works", True), ("breaks", True), model="openai/gpt-metrics")
    client = ScriptedClient(asks_for("works", "breaks", "made_up_by_the_model"), says("Done."))
    with (
        grows("tandem_runs_ended_total", 1, status="completed", stop_reason="end_turn"),
        grows("tandem_run_queue_seconds_count", 1),
        grows("tandem_run_seconds_count", 1, status="completed"),
        grows("tandem_tool_calls_total", 1, tool="works", outcome="success"),
        grows("tandem_tool_calls_total", 1, tool="breaks", outcome="error"),
        grows("tandem_tool_calls_total", 1, tool="unknown", outcome="error"),
        grows("tandem_tool_call_seconds_count", 1, tool="works", outcome="success"),
        grows("tandem_tool_call_queue_seconds_count", 1, tool="works"),
        grows("tandem_model_requests_total", 2, model="openai/gpt-metrics"),
        grows("tandem_model_request_seconds_count", 2, model="openai/gpt-metrics"),
    ):
        async with working(client, ToolboxDouble(call)):
            await ended((await send(agent)).pk)
    assert value("tandem_tool_calls_total", tool="made_up_by_the_model", outcome="error") == 0


class Meeting:
    """Calls that end together, so that running them together saves time for certain."""

    def __init__(self, guests: int) -> None:
        self._barrier = asyncio.Barrier(guests)

    async def call(self, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        await asyncio.sleep(0.05)
        await self._barrier.wait()
        return ToolResult(planned.call.id, Outcome.SUCCESS, "met")


async def test_what_is_counted_as_saved_is_what_the_run_shows() -> None:
    agent = await in_database(make_agent, ("meet", True))
    names = ("tandem_batch_wall_seconds_total", "tandem_batch_work_seconds_total", "tandem_saved_seconds_total")
    before = [value(name) for name in names]
    async with working(ScriptedClient(asks_for("meet", "meet", "meet"), says("Done.")), ToolboxDouble(Meeting(3).call)):
        run = await ended((await send(agent)).pk)
    wall, work, saved = (value(name) - old for name, old in zip(names, before, strict=True))
    assert run.saved_seconds > 0
    assert (wall, work, saved) == pytest.approx((run.wall_seconds, run.work_seconds, run.saved_seconds))


async def test_a_run_left_in_the_middle_is_counted_where_it_goes_on() -> None:
    running = asyncio.Event()

    async def never(planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        running.set()
        await asyncio.Event().wait()
        raise AssertionError

    agent = await in_database(make_agent, ("dig", True))
    async with working(ScriptedClient(asks_for("dig")), ToolboxDouble(never)):
        run = await send(agent)
        await running.wait()
    with (
        grows("tandem_runs_taken_over_total", 1),
        grows("tandem_run_queue_seconds_count", 0),
        grows("tandem_tool_calls_total", 1, tool="dig", outcome="interrupted"),
    ):
        async with working(ScriptedClient(says("Done."))):
            await ended(run.pk)
    assert runs_under_way() == 0


async def test_a_follower_tells_how_late_live_events_are_and_counts_no_replay() -> None:
    go = asyncio.Event()

    async def call(planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        await go.wait()
        return ToolResult(planned.call.id, Outcome.SUCCESS, "ok")

    agent = await in_database(make_agent, ("wait", True))
    before = value("tandem_event_lag_seconds_count")
    async with working(ScriptedClient(asks_for("wait"), says("Done.")), ToolboxDouble(call)):
        run = await send(agent)
        live: list[str] = []
        async for news in follow(run.pk):
            live += [event.type for event in news.events if go.is_set()]
            if "call.started" in [event.type for event in news.events]:
                go.set()
    assert "call.ended" in live
    assert value("tandem_event_lag_seconds_count") - before >= len(live)
    with grows("tandem_event_lag_seconds_count", 0):
        await ended(run.pk)


def test_the_lag_of_an_event_is_the_time_from_its_own_time_to_its_handing_over() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with grows("tandem_event_lag_seconds_sum", 2.0), grows("tandem_event_lag_seconds_count", 1):
        note_lag(at, at + timedelta(seconds=2))


def test_the_database_says_how_many_runs_are_in_which_state() -> None:
    agent = make_agent()
    Run.objects.create(agent=agent)
    Run.objects.create(agent=agent)
    assert stored("tandem_runs", status="created") == 2
    assert stored("tandem_runs", status="failed") == 0
    assert stored("tandem_oldest_waiting_run_seconds") > 0
    assert stored("tandem_database_up") == 1


async def test_an_observer_that_fails_does_not_disturb_the_run() -> None:
    class Broken:
        def taken(self, run_id: str, created_at: datetime) -> None:
            raise RuntimeError("taken")

        def stored(self, run_id: str, at: datetime, event: object) -> None:
            raise RuntimeError("stored")

        def left(self, run_id: str) -> None:
            raise RuntimeError("left")

    stop = observing.watch(Broken())
    try:
        agent = await in_database(make_agent)
        async with working(ScriptedClient(says("Done."))):
            assert (await ended((await send(agent)).pk)).stop_reason == "end_turn"
    finally:
        stop()


def ask(url: str, token: str = "") -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def test_a_worker_has_a_port_of_its_own(settings: Settings) -> None:
    settings.ADE_METRICS_PORT, settings.ADE_WORKER = free_port(), True
    with watch_port() as port:
        base = f"http://127.0.0.1:{port}"
        assert await asyncio.to_thread(ask, f"{base}/live") == (200, "ok\n")
        status, text = await asyncio.to_thread(ask, f"{base}/ready")
        assert status == 503 and "worker: " in text and "sandbox: " in text
        assert "tandem_runs_ended_total" in (await asyncio.to_thread(ask, f"{base}/metrics"))[1]
        settings.ADE_METRICS_TOKEN = "t0ken"
        assert (await asyncio.to_thread(ask, f"{base}/metrics"))[0] == 401
        assert (await asyncio.to_thread(ask, f"{base}/metrics", "t0ken"))[0] == 200
        settings.ADE_WORKER = False
        assert await asyncio.to_thread(ask, f"{base}/ready") == (200, "ready\n")


async def test_without_a_port_there_is_none(settings: Settings) -> None:
    settings.ADE_METRICS_PORT = 0
    with watch_port() as port:
        assert port == 0


def test_numbers_are_not_shown_to_the_network_without_a_token() -> None:
    refuse_open_metrics("127.0.0.1", "")
    refuse_open_metrics("::1", "")
    refuse_open_metrics("0.0.0.0", "t")
    for host in ("0.0.0.0", "worker-1"):
        with pytest.raises(ImproperlyConfigured, match="ADE_METRICS_TOKEN"):
            refuse_open_metrics(host, "")


@pytest.fixture
def spans() -> Iterator[Callable[[], list[ReadableSpan]]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    stop = observing.watch(RunTraces(provider.get_tracer("test")))
    yield lambda: list(exporter.get_finished_spans())
    stop()


def tree(spans: list[ReadableSpan]) -> set[tuple[str, str]]:
    """(parent's name, name) of every span."""
    names = {span.context.span_id: span.name for span in spans if span.context}
    return {(names[span.parent.span_id] if span.parent else "", span.name) for span in spans}


async def test_a_run_is_one_trace_of_steps_questions_and_calls(spans: Callable[[], list[ReadableSpan]]) -> None:
    agent = await in_database(make_agent, ("search", True), "write")
    client = ScriptedClient(asks_for("search", "write"), says("Done."))
    async with working(client, FakeToolbox()):
        run = await ended((await send(agent, "a secret")).pk)
    found = spans()
    assert tree(found) == {
        ("", "run librarian"),
        ("run librarian", "step 0"),
        ("run librarian", "step 1"),
        ("step 0", "chat openai/gpt-4.1"),
        ("step 1", "chat openai/gpt-4.1"),
        ("step 0", "execute_tool search"),
        ("step 0", "execute_tool write"),
    }
    assert len({span.context.trace_id for span in found if span.context}) == 1
    root = next(span for span in found if span.parent is None)
    assert root.attributes and root.attributes["tandem.run.id"] == run.pk
    assert (
        run.started_at
        and root.start_time == int(run.started_at.timestamp()) * 10**9 + run.started_at.microsecond * 1000
    )
    assert all(span.start_time and root.start_time and span.start_time >= root.start_time for span in found)
    assert not any("a secret" in str(span.attributes) for span in found)


async def test_a_worker_that_stops_ends_its_spans_as_errors(spans: Callable[[], list[ReadableSpan]]) -> None:
    running = asyncio.Event()

    async def never(planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        running.set()
        await asyncio.Event().wait()
        raise AssertionError

    agent = await in_database(make_agent, ("dig", True))
    async with working(ScriptedClient(asks_for("dig")), ToolboxDouble(never)):
        await send(agent)
        await running.wait()
    found = spans()
    root = next(span for span in found if span.parent is None)
    assert root.status.status_code is StatusCode.ERROR
    assert ("step 0", "execute_tool dig") in tree(found)


class Collector:
    """Takes traces as an OTLP collector does; or is not there, where nobody enters it."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        paths = self.paths

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                paths.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Collector:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


async def test_traces_are_sent_where_the_endpoint_is_set(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        async with tracing():
            agent = await in_database(make_agent)
            async with working(ScriptedClient(says("Done."))):
                await ended((await send(agent)).pk)
        assert collector.paths == ["/v1/traces"]


async def test_without_an_endpoint_nobody_traces(settings: Settings) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = ""
    before = list(observing._observers)
    async with tracing():
        assert observing._observers == before


async def test_an_endpoint_without_the_exporter_is_a_problem_that_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ImproperlyConfigured, match=r"requirements-otel\.txt"):
        async with tracing():
            pass


@contextmanager
def logged(log_format: str) -> Iterator[io.StringIO]:
    """What a handler set up as the settings do writes."""
    stream = io.StringIO()
    config = logging_config("INFO", log_format)
    config["handlers"]["console"]["stream"] = stream
    config["root"] = {"level": "WARNING"}
    config["loggers"] = {"tests.logged": {"handlers": ["console"], "level": "INFO", "propagate": False}}
    before = logging.root.handlers[:]
    logging.config.dictConfig(config)
    try:
        yield stream
    finally:
        logging.root.handlers[:] = before


def test_log_lines_name_the_run_and_the_call() -> None:
    log = logging.getLogger("tests.logged")
    with logged("json") as stream, at_work_for(run_id="run-1"):
        log.info("one %s", "run")
        with at_work_for(call_id="call-2"):
            log.warning("a call")
        log.info("after")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["message"], line.get("run_id"), line.get("call_id")) for line in lines] == [
        ("one run", "run-1", None),
        ("a call", "run-1", "call-2"),
        ("after", "run-1", None),
    ]
    assert lines[1]["level"] == "WARNING" and lines[1]["logger"] == "tests.logged" and "at" in lines[1]


def test_log_lines_for_people_end_with_the_ids() -> None:
    with logged("text") as stream:
        logging.getLogger("tests.logged").info("alone")
        with at_work_for(run_id="run-1", call_id="call-2"):
            logging.getLogger("tests.logged").info("in a call")
    alone, in_call = stream.getvalue().splitlines()
    assert alone.endswith("tests.logged: alone")
    assert in_call.endswith("tests.logged: in a call [run-1 call-2]")


async def test_what_a_run_logs_has_its_id() -> None:
    contexts: list[dict[str, str]] = []

    async def call(planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        contexts.append(log_context())
        return ToolResult(planned.call.id, Outcome.SUCCESS, "ok")

    agent = await in_database(make_agent, ("one", True))
    async with working(ScriptedClient(asks_for("one"), says("Done.")), ToolboxDouble(call)):
        run = await ended((await send(agent)).pk)
    assert contexts == [{"run_id": run.pk}]
    assert log_context() == {}


async def test_what_a_tool_call_logs_has_its_id_too() -> None:
    seen: list[dict[str, str]] = []

    async def equip(caller: Caller, tool_id: str) -> Equipment:
        seen.append(log_context())
        raise Tool.DoesNotExist

    planned = PlannedCall(ToolCall("call-7", "dig", "{}", 0), Mode.PARALLEL, "", tool=tool_spec(Tool(name="dig")))
    result = await Toolbox(equip).of(Caller("agent-1"))(planned, lambda stream, text: None)
    assert seen == [{"call_id": "call-7"}]
    assert result.outcome is Outcome.ERROR and log_context() == {}
