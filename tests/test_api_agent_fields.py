"""Every field of an agent over the API: what is sent comes back, null and absence mean what Letta documents."""

from __future__ import annotations

import pytest

from agents.models import Agent
from tests.api_client import Api, Json

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api()


EXTRAS: Json = {
    "embedding": "openai/text-embedding-3-small",
    "embedding_config": {
        "embedding_model": "text-embedding-3-small",
        "embedding_endpoint_type": "openai",
        "embedding_dim": 1536,
    },
    "compaction_settings": {"mode": "sliding_window", "sliding_window_percentage": 0.4},
    "response_format": {"type": "json_object"},
    "message_buffer_autoclear": True,
    "enable_sleeptime": False,
    "hidden": True,
    "project_id": "p1",
    "template_id": "t1",
    "base_template_id": "b1",
    "max_files_open": 3,
    "per_file_view_window_char_limit": 9000,
}

# One of each type that the SDKs' union knows, with the fields that only it has.
SETTINGS: dict[str, Json] = {
    "openai": {"reasoning": {"reasoning_effort": "high"}, "strict": True},
    "anthropic": {"thinking": {"type": "enabled", "budget_tokens": 2048}, "verbosity": "low", "effort": "low"},
    "google_ai": {"thinking_config": {"include_thoughts": True, "thinking_budget": 512}, "response_schema": None},
    "google_vertex": {"thinking_config": {"include_thoughts": False, "thinking_budget": 1024}},
    "azure": {"response_format": {"type": "text"}},
    "xai": {"response_format": {"type": "text"}},
    "zai": {"thinking": {"type": "disabled", "clear_thinking": True}},
    "groq": {"response_format": {"type": "json_object"}},
    "deepseek": {"response_format": {"type": "text"}},
    "together": {"response_format": {"type": "text"}},
    "bedrock": {"response_format": {"type": "text"}},
    "openrouter": {"response_format": {"type": "text"}},
    "baseten": {},
    "sglang": {"tool_call_parser": "qwen", "strict": False},
    "moonshot": {"strict": True},
    "moonshot_coding": {"effort": "max", "verbosity": "high"},
    "chatgpt_oauth": {"reasoning": {"reasoning_effort": "xhigh"}},
}


@pytest.mark.parametrize("way", ["created", "updated"])
def test_what_tandem_does_not_act_on_is_kept(api: Api, way: str) -> None:
    agent = api.make_agent(**(EXTRAS if way == "created" else {}))
    if way == "updated":
        agent = api.patch(f"/agents/{agent['id']}", EXTRAS)
    assert {name: agent[name] for name in EXTRAS} == EXTRAS
    kept = api.patch(f"/agents/{agent['id']}", {"max_files_open": 4})
    assert {name: kept[name] for name in EXTRAS} == {**EXTRAS, "max_files_open": 4}


@pytest.mark.parametrize("provider", SETTINGS)
def test_model_settings_of_every_provider_are_accepted(api: Api, provider: str) -> None:
    sent: Json = {
        "provider_type": provider,
        "temperature": 0.3,
        "max_output_tokens": 900,
        "parallel_tool_calls": True,
        **SETTINGS[provider],
    }
    agent = api.make_agent(model="openai/gpt-4.1", model_settings=sent)
    settings = agent["model_settings"]
    assert (settings["temperature"], settings["max_output_tokens"], settings["parallel_tool_calls"]) == (0.3, 900, True)
    assert settings["provider_type"] == "openai", "what the model really is"
    for name in SETTINGS[provider].keys() - {"effort", "thinking"}:
        assert settings[name] == sent[name]
    stored = Agent.objects.get(pk=agent["id"])
    patched = api.patch(f"/agents/{agent['id']}", {"model_settings": {"provider_type": provider, "temperature": 0.4}})
    stored.refresh_from_db()
    assert (stored.temperature, stored.max_output_tokens, stored.parallel_tool_calls) == (0.4, 900, True)
    assert patched["llm_config"]["max_tokens"] == 900


@pytest.mark.parametrize(
    ("sent", "is_refused"),
    [
        ({"model_settings": {"temperature": "hot"}}, True),
        ({"model_settings": {"max_output_tokens": -1}}, True),
        ({"model_settings": {"parallel_tool_calls": "perhaps"}}, True),
        ({"model_settings": {"reasoning": {"reasoning_effort": ["very"] * 9}}}, True),
        ({"model_settings": {"thinking": "deep"}, "thinking_budget": 1}, False),
        ({"llm_config": {"context_window": 1e300}}, True),
        ({"context_window_limit": 10**30}, True),
        ({"name": "n" * 300}, True),
    ],
)
def test_values_that_cannot_be_are_refused_in_words(api: Api, sent: Json, is_refused: bool) -> None:
    answer = api.post("/agents/", {"model": "openai/gpt-4.1", **sent}, status=400 if is_refused else 200)
    assert not is_refused or answer["detail"]


def test_reasoning_can_be_switched_off_the_older_way(api: Api) -> None:
    agent = api.make_agent(model="anthropic/claude-sonnet-4-5", max_reasoning_tokens=2048)
    assert agent["llm_config"]["max_reasoning_tokens"] == 2048
    assert agent["model_settings"]["thinking"]["budget_tokens"] == 2048
    assert api.patch(f"/agents/{agent['id']}", {"reasoning": True})["llm_config"]["max_reasoning_tokens"] == 2048
    assert api.patch(f"/agents/{agent['id']}", {"reasoning": False})["llm_config"]["max_reasoning_tokens"] == 0


def test_an_llm_config_that_was_retrieved_changes_nothing_when_it_is_sent_back(api: Api) -> None:
    agent = api.make_agent(model="anthropic/claude-sonnet-4-5")
    again = api.patch(f"/agents/{agent['id']}", {"llm_config": agent["llm_config"]})
    assert again["model_settings"] == agent["model_settings"]
    assert Agent.objects.get(pk=agent["id"]).thinking_budget is None


def test_an_agent_tells_who_made_it_and_who_changed_it_last(api: Api) -> None:
    agent = api.make_agent()
    assert agent["created_by_id"] == agent["last_updated_by_id"] is not None
    Agent.objects.filter(pk=agent["id"]).update(updated_by=None)
    assert api.get(f"/agents/{agent['id']}")["last_updated_by_id"] is None
    assert api.patch(f"/agents/{agent['id']}", {"name": "x"})["last_updated_by_id"] == agent["created_by_id"]


def test_recompiling_gives_the_system_prompt_as_the_model_is_told_it(api: Api) -> None:
    agent = api.make_agent(system="Be brief.", memory_blocks=[{"label": "human", "value": "Ada"}])
    path = f"/agents/{agent['id']}"
    before = api.post(f"{path}/recompile?dry_run=true")
    assert before.startswith("Be brief.")
    assert "<human>" in before
    api.patch(f"{path}/core-memory/blocks/human", {"value": "Grace"})
    assert "Grace" in api.post(f"{path}/recompile")
    assert "not found" in api.post("/agents/agent-00000000-0000-4000-8000-000000000000/recompile", status=404)["detail"]


def test_secrets_come_back_as_a_list_in_both_fields_and_never_in_clear(api: Api) -> None:
    agent = api.make_agent(secrets={"TOKEN": "s3cret"}, tool_exec_environment_variables={"REGION": "eu"})
    assert agent["secrets"] == agent["tool_exec_environment_variables"]
    assert [(one["key"], one["agent_id"]) for one in agent["secrets"]] == [
        ("REGION", agent["id"]),
        ("TOKEN", agent["id"]),
    ]
    assert "s3cret" not in str(api.get("/agents/"))
    shown = api.get(f"/agents/{agent['id']}?include=agent.secrets")["secrets"]
    assert {one["key"]: one["value"] for one in shown} == {"REGION": "eu", "TOKEN": "s3cret"}


def test_a_history_may_begin_with_messages_of_the_clients(api: Api) -> None:
    said = [
        {"role": "system", "content": "It is Monday."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}], "otid": "o-1"},
        {"role": "assistant", "content": "Hi."},
    ]
    agent = api.make_agent(initial_message_sequence=said)
    told = api.get(f"/agents/{agent['id']}/messages?order=asc")
    assert [(one["message_type"], one["content"]) for one in told] == [
        ("system_message", "It is Monday."),
        ("user_message", "Hello"),
        ("assistant_message", "Hi."),
    ]
    assert len(agent["message_ids"]) == 3
    assert "role" in api.post("/agents/", {"initial_message_sequence": [{"role": "x"}]}, status=422)["detail"]
