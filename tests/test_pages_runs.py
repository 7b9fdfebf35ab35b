"""The run pages: a full server render, the list, the conversation, decisions, downloads."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from access.models import Person
from agents.models import Agent
from engine.events import CallStarted
from engine.specs import Outcome
from runs.lists import RUNS_A_PAGE
from runs.models import Run, RunEvent, ToolCall
from runs.picture import RunPicture
from runs.statistics import EndedCall, percentile, summarise
from runs.viewer import Page, frames
from tests.run_logs import THREE_CALLS, RunLog, crashed_log, decided_log, held_log, three_call_log, wide_log
from tests.shown_page import ShownPage, normalised
from tests.stored_runs import store

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent() -> Agent:
    return Agent.objects.create(name="Librarian", model="demo/planner")


@pytest.fixture
def browser(client: Client) -> Client:
    person = Person.objects.create_user("admin", password="a-good-password")
    client.force_login(person)
    return client


def get(browser: Client, url: str, status: int = 200) -> str:
    response = browser.get(url)
    assert response.status_code == status, (url, response.status_code)
    return response.content.decode()


@pytest.mark.parametrize("log", [three_call_log(), crashed_log()], ids=["three", "crashed"])
def test_page_load_and_live_stream_show_the_same(browser: Client, agent: Agent, log: RunLog) -> None:
    run = store(log, agent)
    page = normalised(get(browser, f"/runs/{run.pk}/"))
    shown = ShownPage()
    for one in frames(log.rows, RunPicture(run.pk)):
        shown.take(one)
    missing = [key for key, source in shown.elements.items() if _is_of_the_page(key) and normalised(source) not in page]
    assert missing == []


def _is_of_the_page(key: str) -> bool:
    """What a frame puts onto the run page; the verdict and what asks for it differ, and output is in the details."""
    return key.startswith(("tl-", "tree-", "event-", "run-summary"))


def test_the_page_is_whole_without_javascript(browser: Client, agent: Agent) -> None:
    page = get(browser, f"/runs/{store(three_call_log(), agent).pk}/?at=call-b")
    assert page.count('class="tl-run') == 3, "one bar for each call that ran"
    assert "SELECT 1" in page and "its parallel switch is off" not in page
    assert re.search(r'<a class="step-call" id="tree-call-b"[^>]* aria-current="true"', page)
    assert "Contract holds" in page
    assert "style=" not in page and "<script>" not in page


def test_a_running_run_tells_the_script_where_to_go_on(browser: Client, agent: Agent) -> None:
    run = store(three_call_log(), agent, upto=9)
    page = get(browser, f"/runs/{run.pk}/")
    assert f'data-seq="9" data-socket="/ws/runs/{run.pk}/"' in page
    assert "tl-now" in page


def test_an_ended_run_opens_no_socket(browser: Client, agent: Agent) -> None:
    assert "data-socket" not in get(browser, f"/runs/{store(three_call_log(), agent).pk}/")


def test_a_broken_log_turns_the_verdict_red_and_names_rule_and_call(browser: Client, agent: Agent) -> None:
    run = store(three_call_log(), agent)
    RunEvent.objects.filter(run=run, type="call.ended", data__call_id="call-c").update(
        type="call.waiting", data={"step_id": "step-1", "call_id": "call-c", "reason": "mutated"}
    )
    page = get(browser, f"/runs/{run.pk}/verdict/")
    assert 'data-verdict="broken"' in page
    assert "Rule 3.5" in page and "send_message" in page


def test_linked_runs_are_judged_together_and_lead_to_each_other(browser: Client, agent: Agent) -> None:
    first = store(held_log(), agent)
    second = store(decided_log(), agent, resumes=first)
    assert f'href="/runs/{second.pk}/"' in get(browser, f"/runs/{first.pk}/")
    page = get(browser, f"/runs/{second.pk}/")
    assert f'href="/runs/{first.pk}/"' in page
    assert "over 2 linked runs" in page and "Contract holds" in page


def test_a_run_that_waits_for_decisions_is_not_judged_yet(browser: Client, agent: Agent) -> None:
    assert "waits for decisions" in get(browser, f"/runs/{store(held_log(), agent).pk}/verdict/")


def test_the_details_of_a_call_show_bad_arguments_as_text(browser: Client, agent: Agent) -> None:
    bad = [THREE_CALLS[0].__class__("call-x", "search_web", arguments='{"query": <b>')]
    run = store(RunLog().starts().asks_model().answers(calls=bad).plans(bad).ends(), agent)
    assert "{&quot;query&quot;: &lt;b&gt;" in get(browser, f"/runs/{run.pk}/inspector/?at=call-x")


def test_nothing_above_the_cap_is_rendered_whole(browser: Client, agent: Agent) -> None:
    log = RunLog().starts().asks_model().answers(calls=THREE_CALLS).plans(THREE_CALLS)
    log.add(CallStarted("step-1", "call-c", 1)).prints("call-c", "line\n" * 100_000)
    log.ends_call("call-c", text="r" * 900_000)
    run = store(log, agent)
    details = get(browser, f"/runs/{run.pk}/inspector/?at=call-c")
    assert len(details) < 60_000
    assert f"/runs/{run.pk}/calls/call-c/return.txt" in details
    assert len(get(browser, f"/runs/{run.pk}/calls/call-c/return.txt")) == 900_000


def test_only_the_end_of_a_long_log_is_rendered_and_the_rest_on_demand(browser: Client, agent: Agent) -> None:
    run = store(wide_log(120), agent)
    page = get(browser, f"/runs/{run.pk}/")
    assert page.count('class="log-row"') == 200
    before = int(re.search(rf"/runs/{run.pk}/log/\?before=(\d+)", page).group(1))  # type: ignore[union-attr]
    earlier = get(browser, f"/runs/{run.pk}/log/?before={before}")
    assert f'id="event-{before - 1}"' in earlier and f'id="event-{before}"' not in earlier


def test_a_thousand_calls_are_one_page(browser: Client, agent: Agent) -> None:
    page = get(browser, f"/runs/{store(wide_log(1_000), agent).pk}/")
    assert len(re.findall(r'id="tl-call-\d+"', page)) == 1_000


def test_the_log_and_the_trace_can_be_taken_away(browser: Client, agent: Agent) -> None:
    run = store(three_call_log(), agent)
    log = json.loads(get(browser, f"/runs/{run.pk}/log.json"))
    assert [event["seq"] for event in log["events"]] == list(range(1, run.last_seq + 1))
    trace = json.loads(get(browser, f"/runs/{run.pk}/trace.json"))["traceEvents"]
    ran = {span["name"]: span for span in trace if span.get("cat") == "call"}
    assert set(ran) == {"send_message", "search_web", "search_database"}
    assert ran["search_database"]["dur"] == 600_000, "microseconds"


def test_a_call_of_another_run_is_not_given_away_here(browser: Client, agent: Agent) -> None:
    run = store(three_call_log(), agent)
    other = Run.objects.create(agent=agent)
    get(browser, f"/runs/{other.pk}/calls/call-a/return.txt", 404)
    get(browser, f"/runs/{run.pk}/calls/call-a/return.txt")


@pytest.mark.parametrize(
    "path", ["", "inspector/", "verdict/", "log/", "log.json", "trace.json", "calls/call-a/output.txt"]
)
def test_an_unknown_run_is_a_404_and_a_stranger_signs_in(browser: Client, client: Client, path: str) -> None:
    get(browser, f"/runs/run-unknown/{path}", 404)
    browser.logout()
    assert browser.get(f"/runs/run-unknown/{path}").status_code == 302


def test_the_list_filters_by_state_agent_and_text(browser: Client, agent: Agent) -> None:
    done = store(three_call_log(), agent)
    other = Agent.objects.create(name="Harbour", model="demo/planner")
    waiting = Run.objects.create(agent=other, input=[{"role": "user", "content": "berths"}])

    def shown(query: str) -> set[str]:
        return set(re.findall(r'id="row-(run-[^"]+)"', get(browser, f"/runs/?{query}")))

    assert shown("") == {done.pk, waiting.pk}
    assert shown("state=completed") == {done.pk}
    assert shown(f"agent={other.pk}") == {waiting.pk}
    assert shown("q=search_web") == {done.pk}
    assert shown("q=harb") == {waiting.pk}
    assert shown("state=nonsense") == {done.pk, waiting.pk}


def test_the_list_comes_in_pages_and_asks_the_database_little(
    browser: Client, agent: Agent, django_assert_max_num_queries: object
) -> None:
    Run.objects.bulk_create(Run(agent=agent, status="completed") for _ in range(RUNS_A_PAGE + 3))
    with django_assert_max_num_queries(10):  # type: ignore[operator]
        page = get(browser, "/runs/")
    assert page.count('id="row-') == RUNS_A_PAGE
    assert get(browser, "/runs/?page=2").count('id="row-') == 3


def test_a_refresh_gets_the_table_alone(browser: Client, agent: Agent) -> None:
    response = browser.get("/runs/?state=completed", headers={"HX-Request": "true", "HX-Target": "runs-table"})
    assert response.content.decode().lstrip().startswith('<div id="runs-table"')


def test_the_running_chip_counts(browser: Client, agent: Agent) -> None:
    Run.objects.create(agent=agent, status="running")
    assert 'data-count="1"' in get(browser, "/runs/running/")


def test_tool_statistics_take_one_query_for_many_tools(agent: Agent, django_assert_num_queries: object) -> None:
    from runs.statistics import tool_statistics

    run = store(three_call_log(), agent)
    ToolCall.objects.filter(run=run).update(ended_at=timezone.now(), started_at=timezone.now() - timedelta(seconds=2))
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = tool_statistics(["search_web", "search_database", "unused"])
    assert (found["search_web"].calls, found["search_web"].failed, found["unused"].calls) == (1, 1, 0)
    assert found["search_web"].p50 == pytest.approx(2, abs=0.5)


def test_statistics_count_failures_and_rank_durations() -> None:
    now = timezone.now()
    calls = [EndedCall("a", Outcome.SUCCESS, now - timedelta(seconds=number), now) for number in range(1, 101)]
    calls += [EndedCall("a", Outcome.TIMEOUT, None, now)]
    figures = summarise(["a"], calls)["a"]
    assert (figures.calls, figures.failed) == (101, 1)
    assert (round(figures.p50 or 0), round(figures.p95 or 0)) == (50, 95)
    assert percentile([], 0.5) is None


def test_tool_stats_for_one_and_for_many(browser: Client, agent: Agent) -> None:
    assert "Calls today" in get(browser, "/runs/tool-stats/?tool=search_web")
    many = get(browser, "/runs/tool-stats/?cells=1&tool=search_web")
    assert 'id="tool-calls-search_web"' in many and 'id="tool-errors-search_web"' in many


def test_send_starts_a_run_and_shows_it_queued(browser: Client, agent: Agent) -> None:
    response = browser.post(f"/runs/agent/{agent.pk}/send/", {"text": "Hello"}, headers={"HX-Request": "true"})
    run = Run.objects.get(agent=agent)
    shown = response.content.decode()
    assert run.input[0]["content"] == "Hello" and run.is_token_streamed
    assert f'data-socket="/ws/runs/{run.pk}/"' in shown and "waits its turn" in shown and "Hello" in shown


def test_an_empty_message_starts_nothing(browser: Client, agent: Agent) -> None:
    response = browser.post(f"/runs/agent/{agent.pk}/send/", {"text": "  "}, headers={"HX-Request": "true"})
    assert (response.status_code, Run.objects.count()) == (422, 0)


def test_a_message_while_calls_are_held_is_refused_and_kept(browser: Client, agent: Agent) -> None:
    store(held_log(), agent)
    response = browser.post(f"/runs/agent/{agent.pk}/send/", {"text": "Hello"}, headers={"HX-Request": "true"})
    assert response.status_code == 422
    assert response["HX-Retarget"] == "#composer-problem", "only the problem is swapped in, the text stays"
    assert "Approve or deny" in response.content.decode()


def test_a_partial_decision_is_refused_and_what_was_typed_stays(browser: Client, agent: Agent) -> None:
    run = store(held_log(), agent)
    typed = {"decision-call-a": "deny", "reason-call-a": "too early"}
    response = browser.post(f"/runs/{run.pk}/decide/", typed, headers={"HX-Request": "true"})
    shown = response.content.decode()
    assert response.status_code == 422 and not Run.objects.filter(resumes_run=run).exists()
    assert 'value="too early"' in shown
    assert re.search(r'id="deny-call-a"[^>]* checked', shown) and not re.search(r'id="deny-call-c"[^>]* checked', shown)


def test_a_full_decision_starts_the_run_that_carries_it_out(browser: Client, agent: Agent) -> None:
    run = store(held_log(), agent)
    typed = {"decision-call-a": "approve", "decision-call-c": "deny", "reason-call-c": "not now"}
    response = browser.post(
        f"/runs/{run.pk}/decide/",
        typed,
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver/agents/{agent.pk}/"},
    )
    started = Run.objects.get(resumes_run=run)
    by_call = {decision["call_id"]: decision for decision in started.decisions}
    assert by_call["call-a"]["approve"] is True
    assert (by_call["call-c"]["approve"], by_call["call-c"]["reason"]) == (False, "not now")
    shown = response.content.decode()
    assert f'id="chat-{run.pk}"' in shown and f'id="chat-{started.pk}"' in shown
    assert "<form" not in shown, "there is nothing left to decide"


def test_on_the_run_page_a_decision_leads_to_the_next_run(browser: Client, agent: Agent) -> None:
    run = store(held_log(), agent)
    response = browser.post(f"/runs/{run.pk}/decide/", {"all": "approve"})
    assert response["Location"] == f"/runs/{Run.objects.get(resumes_run=run).pk}/"


def test_stop_cancels_what_waits(browser: Client, agent: Agent) -> None:
    run = Run.objects.create(agent=agent, input=[{"role": "user", "content": "x"}])
    response = browser.post(f"/runs/agent/{agent.pk}/stop/", headers={"HX-Request": "true"})
    run.refresh_from_db()
    assert response.status_code == 204 and "toast" in response["HX-Trigger"]
    assert run.cancel_requested_at is not None or run.status == "cancelled"


def test_stop_with_nothing_to_stop_says_so(browser: Client, agent: Agent) -> None:
    response = browser.post(f"/runs/agent/{agent.pk}/stop/", headers={"HX-Request": "true"})
    assert "nothing" in response["HX-Trigger"].lower()


def test_the_simulator_shows_runs_as_batch_cards_with_their_phases(browser: Client, agent: Agent) -> None:
    store(three_call_log(), agent)
    shown = unescape(get(browser, f"/runs/agent/{agent.pk}/simulator/"))
    assert shown.index("1 sequential") < shown.index("2 in parallel")
    assert shown.count('class="call"') == 3
    assert "<strong>Tides</strong> follow the moon" in shown
    assert re.search(r'<details class="reasoning"[^>]*><summary>Reasoning</summary>', shown)


def test_a_wide_batch_is_capped_in_the_conversation(browser: Client, agent: Agent) -> None:
    store(wide_log(200), agent)
    shown = get(browser, f"/runs/agent/{agent.pk}/simulator/")
    assert shown.count('class="call"') == 60 and "140 more on the run page" in shown


def test_an_empty_conversation_says_what_to_do(browser: Client, agent: Agent) -> None:
    assert "Say something to this agent" in get(browser, f"/runs/agent/{agent.pk}/simulator/")


def test_news_are_the_runs_that_others_started(browser: Client, agent: Agent) -> None:
    first = store(held_log(), agent)
    assert browser.get(f"/runs/agent/{agent.pk}/news/?after={first.pk}").status_code == 204
    second = store(decided_log(), agent, resumes=first)
    shown = get(browser, f"/runs/agent/{agent.pk}/news/?after={first.pk}")
    assert f'id="chat-{second.pk}"' in shown
    assert f'id="chat-{first.pk}"' in shown, "its calls have been decided meanwhile"


def test_live_and_loaded_conversation_are_the_same(browser: Client, agent: Agent) -> None:
    log = three_call_log()
    run = store(log, agent)
    page = normalised(get(browser, f"/runs/agent/{agent.pk}/simulator/"))
    shown = ShownPage()
    for one in frames(log.rows, RunPicture(run.pk), Page.CHAT):
        shown.take(one)
    missing = [
        key for key, source in shown.elements.items() if not key.startswith("#") and normalised(source) not in page
    ]
    assert missing == []
