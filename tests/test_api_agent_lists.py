"""Lists of agents over the API: every filter, every order, and as many queries for many agents as for one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.person_ids import person_id, person_number
from agents.models import Agent
from engine.specs import RunStatus, StopReason
from runs.models import Run
from tests.api_client import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api()


def names(api: Api, query: str) -> list[str]:
    return [agent["name"] for agent in api.get(f"/agents/?{query}")]


def ended_run(agent_id: str, *, minutes_ago: int, stop_reason: StopReason = StopReason.END_TURN) -> Run:
    ended = timezone.now() - timedelta(minutes=minutes_ago)
    run = Run.objects.create(agent_id=agent_id, status=RunStatus.COMPLETED, stop_reason=stop_reason, ended_at=ended)
    Run.objects.filter(pk=run.pk).update(created_at=ended - timedelta(seconds=2))
    return run


def furnish(api: Api, number: int) -> None:
    """An agent with everything that a list shows."""
    tool = api.make_tool(f"tool_{number}")
    identity = api.post("/identities/", {"identifier_key": f"key-{number}", "name": "Ada", "identity_type": "user"})
    agent = api.make_agent(
        tool_ids=[tool["id"]],
        memory_blocks=[{"label": "human", "value": "Ada"}, {"label": "persona", "value": "Kind"}],
        secrets={"TOKEN": "x"},
        identity_ids=[identity["id"]],
    )
    ended_run(agent["id"], minutes_ago=number + 1)


@pytest.mark.parametrize("include", ["", "&include=agent.pending_approval&include=agent.secrets"])
def test_a_list_of_many_takes_as_many_queries_as_a_list_of_one(api: Api, include: str) -> None:
    for number in range(12):
        furnish(api, number)
    counts = []
    for limit in (1, 12):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert len(api.get(f"/agents/?limit={limit}{include}")) == limit
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_agents_are_found_by_whom_they_belong_to(api: Api) -> None:
    identity = api.post("/identities/", {"identifier_key": "ada", "name": "Ada", "identity_type": "user"})
    api.make_agent(name="hers", identity_ids=[identity["id"]], project_id="p1")
    api.make_agent(name="nobodys")
    assert names(api, f"identity_id={identity['id']}") == ["hers"]
    assert names(api, "identifier_keys=ada&identifier_keys=eve") == ["hers"]
    assert names(api, "identifier_keys=eve") == []
    assert names(api, "project_id=p1") == ["hers"]
    assert names(api, "base_template_id=none") == []


def test_agents_are_found_by_who_made_them(api: Api) -> None:
    agent = api.make_agent(name="ours")
    Agent.objects.create(name="nobodys", model="demo/planner")
    maker = agent["created_by_id"]
    assert maker.startswith("user-")
    assert names(api, f"created_by_id={maker}") == ["ours"]
    assert names(api, "created_by_id=user-00000000-0000-4000-8000-00000000ffff") == []
    assert names(api, "created_by_id=somebody") == []


def test_ids_of_people_lead_back_to_them() -> None:
    assert person_number(person_id(17) or "") == 17
    assert (person_id(None), person_number("user-x"), person_number("17")) == (None, None, None)


def test_tags_match_as_whole_texts(api: Api) -> None:
    api.make_agent(name="one", tags=["red", 'a"b', "ß"])
    api.make_agent(name="two", tags=["red wine", "blue"])
    assert names(api, "tags=red") == ["one"]
    assert names(api, "tags=a%22b&tags=%C3%9F&match_all_tags=true") == ["one"]
    assert names(api, "tags=blue&tags=red&order=asc") == ["one", "two"]
    assert names(api, "tags=blue&tags=red&match_all_tags=true") == []
    assert names(api, "tags=re_") == []


def test_agents_are_ordered_by_when_they_last_ran(api: Api) -> None:
    ids = {name: api.make_agent(name=name)["id"] for name in ("early", "late", "never")}
    ended_run(ids["early"], minutes_ago=9)
    ended_run(ids["late"], minutes_ago=1, stop_reason=StopReason.ERROR)
    assert names(api, "order_by=last_run_completion") == ["late", "early", "never"]
    assert names(api, "sort_by=last_run_completion&ascending=true") == ["never", "early", "late"]
    assert names(api, f"order_by=last_run_completion&after={ids['late']}") == ["early", "never"]
    assert names(api, f"order_by=last_run_completion&after={ids['never']}") == []
    assert names(api, "last_stop_reason=error") == ["late"]


def test_paging_behind_an_agent_that_no_longer_fits_goes_on(api: Api) -> None:
    ids = [api.make_agent(name=str(number), tags=["t"])["id"] for number in range(3)]
    api.patch(f"/agents/{ids[1]}", {"tags": []})
    assert names(api, f"tags=t&after={ids[1]}") == ["0"]


def test_the_last_run_is_told(api: Api) -> None:
    agent = api.make_agent()
    assert agent["last_run_completion"] is None
    ended_run(agent["id"], minutes_ago=5)
    run = ended_run(agent["id"], minutes_ago=2)
    for state in (api.get("/agents/")[0], api.get(f"/agents/{agent['id']}")):
        assert state["last_run_duration_ms"] == 2000
        assert state["last_stop_reason"] == "end_turn"
        assert run.ended_at is not None
        assert state["last_run_completion"] == run.ended_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_older_clients_say_what_to_leave_out(api: Api) -> None:
    api.make_agent(tags=["a"], memory_blocks=[{"label": "human", "value": "Ada"}])
    (agent,) = api.get("/agents/?include_relationships=tags")
    assert (agent["tags"], agent["blocks"], agent["memory"]["blocks"]) == (["a"], [], [])
    (agent,) = api.get("/agents/?include=agent.tools")
    assert [block["label"] for block in agent["blocks"]] == ["human"]


def test_an_order_that_there_is_not_is_refused(api: Api) -> None:
    assert "order_by" in api.get("/agents/?order_by=luck", status=422)["detail"]
