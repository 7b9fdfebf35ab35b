"""Handles, providers, the catalogue and the router."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from llms.catalogue import CatalogueModel, Thinking, catalogue, describe
from llms.errors import BadHandle, ProviderNotConfigured
from llms.providers import PROVIDERS, Handle
from llms.router import ModelRouter
from tests.provider_fixtures import ProviderStub


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [
        ("openai/gpt-4.1", "openai", "gpt-4.1"),
        ("openai/meta-llama/llama-3.1-70b", "openai", "meta-llama/llama-3.1-70b"),
        (" anthropic/claude-haiku-4-5 ", "anthropic", "claude-haiku-4-5"),
        ("demo/planner", "demo", "planner"),
    ],
)
def test_a_handle_is_a_provider_and_a_model(text: str, provider: str, model: str) -> None:
    handle = Handle.parse(text)
    assert (handle.provider, handle.model) == (provider, model)
    assert str(handle) == text.strip()


@pytest.mark.parametrize(
    ("text", "words"),
    [("gpt-4.1", "provider/model"), ("openai/", "provider/model"), ("letta/x", "anthropic, demo, openai")],
)
def test_a_bad_handle_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(BadHandle, match=words):
        Handle.parse(text)


def test_every_provider_is_registered_by_its_name_and_has_models_in_the_catalogue() -> None:
    assert set(PROVIDERS) == {"openai", "anthropic", "demo"} == {known.provider for known in catalogue()}
    for name, provider in PROVIDERS.items():
        assert provider.name == name
        assert bool(provider.key_setting) == bool(provider.base_url_setting) == (name != "demo")


def test_the_catalogue_names_each_model_once_and_sensibly() -> None:
    handles = [known.handle for known in catalogue()]
    assert len(set(handles)) == len(handles)
    for known in catalogue():
        assert Handle.parse(known.handle).provider == known.provider
        assert describe(known.handle) is known
        assert 0 < known.max_output_tokens <= known.context_window


@pytest.mark.parametrize(
    ("handle", "parallel", "temperature", "reasoning"),
    [
        ("openai/gpt-4.1", True, True, False),
        ("openai/gpt-4.1-2025-04-14", True, True, False),
        ("openai/gpt-4o-mini", True, True, False),
        ("openai/gpt-5", True, False, True),
        ("openai/gpt-5-chat-latest", True, True, False),
        ("openai/gpt-5.9-new", True, False, True),
        ("openai/o1", False, False, True),
        ("openai/o1-mini", False, False, True),
        ("openai/o3-2025-04-16", False, False, True),
        ("openai/o3-pro", False, False, True),
        ("openai/o4-mini", False, False, True),
        ("openai/llama3:8b", True, True, False),
        ("openai/olmo-2", True, True, False),
        ("anthropic/claude-sonnet-4-20250514", True, False, True),
        ("anthropic/claude-sonnet-4-5-20250929", True, False, True),
        ("anthropic/claude-3-5-haiku-latest", True, False, False),
        ("demo/planner", True, False, False),
    ],
)
def test_what_a_model_supports(handle: str, parallel: bool, temperature: bool, reasoning: bool) -> None:
    known = describe(handle)
    assert known.handle == handle
    assert (known.supports_parallel_parameter, known.supports_temperature, known.supports_reasoning) == (
        parallel,
        temperature,
        reasoning,
    )


def test_an_unknown_model_has_careful_defaults() -> None:
    known = describe("openai/something-new")
    assert known == CatalogueModel("openai/something-new", "something-new", "openai", 128_000, 4_096, is_known=False)
    assert describe("anthropic/claude-next-9").thinking is Thinking.ADAPTIVE


@pytest.fixture
async def router(provider_stub: ProviderStub) -> AsyncIterator[ModelRouter]:
    made = ModelRouter(provider_stub.settings)
    yield made
    await made.aclose()


@pytest.mark.parametrize(
    ("handle", "variable"), [("openai/gpt-4.1", "OPENAI_API_KEY"), ("anthropic/x", "ANTHROPIC_API_KEY")]
)
def test_without_a_key_the_error_names_the_variable(handle: str, variable: str) -> None:
    router = ModelRouter({})
    with pytest.raises(ProviderNotConfigured, match=variable):
        router.client_for(handle)
    assert not router.is_configured(handle)


def test_the_demo_needs_no_key() -> None:
    _, model = ModelRouter({}).client_for("demo/planner")
    assert model == "planner"


def test_a_base_url_alone_is_enough_for_endpoints_without_keys() -> None:
    client, model = ModelRouter({"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1/"}).client_for("openai/llama3:8b")
    assert (getattr(client, "base_url", ""), model) == ("http://127.0.0.1:11434/v1", "llama3:8b")


@pytest.mark.parametrize(
    "url", ["http://[bad", "127.0.0.1:8000/v1", "localhost", "ftp://x/v1", "http://", "http://x:port"]
)
def test_a_base_url_that_is_none_is_named(url: str) -> None:
    with pytest.raises(ProviderNotConfigured, match="OPENAI_BASE_URL"):
        ModelRouter({"OPENAI_BASE_URL": url}).client_for("openai/x")


def test_clients_are_shared_until_the_connection_changes() -> None:
    settings = {"OPENAI_API_KEY": "one"}
    router = ModelRouter(settings)
    first, _ = router.client_for("openai/gpt-4.1")
    again, _ = router.client_for("openai/o3")
    settings["OPENAI_API_KEY"] = "two"
    other, _ = router.client_for("openai/gpt-4.1")
    assert first is again
    assert other is not first


async def test_without_keys_the_catalogue_is_listed() -> None:
    listing = await ModelRouter({}).list_models()
    assert {listed.model.handle for listed in listing.models} == {known.handle for known in catalogue()}
    assert [listed.model.handle for listed in listing.models if listed.is_configured] == ["demo/planner"]
    assert listing.failures == {}


async def test_live_models_are_merged_over_the_catalogue(router: ModelRouter) -> None:
    listing = await router.list_models()
    openai = {listed.model.handle: listed for listed in listing.models if listed.model.provider == "openai"}
    assert openai["openai/stub-model"].is_live
    assert openai["openai/gpt-4.1"].model.display_name == "GPT-4.1"
    assert "openai/gpt-6-sol" not in openai, "another endpoint has only what it lists"
    assert all(listed.is_configured for listed in listing.models)
    assert listing.failures == {}


async def test_a_provider_that_cannot_be_asked_is_reported_and_its_catalogue_kept() -> None:
    router = ModelRouter({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    listing = await router.list_models()
    assert "out of reach" in listing.failures["openai"]
    assert "openai/gpt-4.1" in {listed.model.handle for listed in listing.models}
    await router.aclose()


async def test_live_lists_are_asked_for_again_after_their_lifetime(provider_stub: ProviderStub) -> None:
    now = [100.0]
    settings = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": provider_stub.openai_url}
    router = ModelRouter(settings, clock=lambda: now[0], list_lifetime=60)
    client, _ = router.client_for("openai/x")
    asked = []
    original = client.list_models  # type: ignore[attr-defined]

    async def counted() -> tuple[str, ...]:
        asked.append(now[0])
        return tuple(await original())

    client.list_models = counted  # type: ignore[attr-defined]
    for moment in (100.0, 130.0, 161.0):
        now[0] = moment
        await router.list_models()
    await router.aclose()
    assert asked == [100.0, 161.0]
