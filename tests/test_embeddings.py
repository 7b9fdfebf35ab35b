"""Embedding models: asked through the SDK, used by archival memory, and done without where they fail."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from archives.memory import Memory, insert, passages_of, remember, search_agent
from archives.models import Archive, Passage
from archives.search import Wanted, search
from archives.shelves import create_archive
from archives.vectors import numbers_of, vectors_of
from llms.embeddings import describe_embedding, embed, embedding_models
from llms.errors import BadHandle, ModelError, ProviderNotConfigured, Unavailable, UnknownModel
from tests.pages import an_agent, seed_actor
from tests.provider_fixtures import ProviderStub
from tests.provider_stub_vectors import vector

SMALL = "openai/text-embedding-3-small"


@pytest.fixture
def embedding(provider_stub: ProviderStub, settings: Any) -> ProviderStub:
    """The stub, configured as the server's OpenAI."""
    for name, value in provider_stub.settings.items():
        setattr(settings, name, value)
    return provider_stub


def test_texts_become_vectors_in_their_order(provider_stub: ProviderStub) -> None:
    texts = ["a boat", "some tea", "a dark night", "nothing"]
    assert embed(provider_stub.settings, SMALL, texts) == [vector(text) for text in texts]
    [body] = provider_stub.last()
    assert (body["model"], body["encoding_format"]) == ("text-embedding-3-small", "float")


def test_many_texts_are_sent_in_several_requests(provider_stub: ProviderStub) -> None:
    texts = [f"boat {'boat ' * (number % 5)}" for number in range(300)]
    assert embed(provider_stub.settings, SMALL, texts) == [vector(text) for text in texts]
    assert [len(line["embeds"]) for line in provider_stub.log()] == [128, 128, 44]


@pytest.mark.parametrize(
    ("handle", "text", "error"),
    [
        ("openai/none", "x", UnknownModel),
        (SMALL, "NOVECTORS", Unavailable),
        (SMALL, "SHORT", Unavailable),
        ("anthropic/claude", "x", BadHandle),
        ("nobody/x", "x", BadHandle),
        ("x", "x", BadHandle),
    ],
)
def test_a_failure_is_one_of_ours(provider_stub: ProviderStub, handle: str, text: str, error: type[ModelError]) -> None:
    with pytest.raises(error):
        embed(provider_stub.settings, handle, [text])


def test_without_a_key_the_error_says_what_to_set_and_nothing_is_listed() -> None:
    with pytest.raises(ProviderNotConfigured, match="OPENAI_API_KEY"):
        embed({}, SMALL, ["x"])
    assert embedding_models({}) == ()
    assert SMALL in [model.handle for model in embedding_models({"OPENAI_API_KEY": "x"})]
    assert (describe_embedding(SMALL).dimensions, describe_embedding("openai/own").dimensions) == (1536, 0)


def test_a_provider_out_of_reach_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        embed({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, SMALL, ["x"])


def an_archive(*texts: str, embedding: str = SMALL) -> Archive:
    archive = create_archive(seed_actor(), name="Notes", embedding=embedding)
    remember(archive, [Memory(text) for text in texts])
    return archive


def found(query: str, top_k: int = 10) -> list[str]:
    return [result.passage.text for result in search(passages_of(), Wanted(query, top_k=top_k))]


@pytest.mark.django_db
def test_a_passage_is_found_by_its_meaning(embedding: ProviderStub) -> None:
    an_archive("The ferry leaves at nine.", "Coffee is served.", "The moon is up.")
    assert found("which vessel?")[0] == "The ferry leaves at nine."
    assert found("thirsty", top_k=1) == ["Coffee is served."]


@pytest.mark.django_db
def test_words_and_meaning_together_rank_above_either_alone(embedding: ProviderStub) -> None:
    an_archive("Blue tea.", "A ship.", "Blue sky, ship.")
    [best, *_] = search(passages_of(), Wanted("blue sky boat"))
    assert best.passage.text == "Blue sky, ship."
    assert best.full_text_rank is not None and best.vector_rank is not None
    assert best.score == pytest.approx(1 / (60 + best.full_text_rank) + 1 / (60 + best.vector_rank))


@pytest.mark.django_db
def test_vectors_of_two_models_are_not_compared(embedding: ProviderStub) -> None:
    an_archive("A ship.", "The moon.")
    an_archive("Coffee.", embedding="openai/turned")
    embedding.reset()
    assert set(found("boat", top_k=2)) == {"A ship.", "Coffee."}  # the best of each
    assert sorted(body["model"] for body in embedding.last(9)) == ["text-embedding-3-small", "turned"]


@pytest.mark.django_db
def test_the_agents_embedding_model_is_that_of_its_archive(embedding: ProviderStub) -> None:
    agent = an_agent(extras={"embedding": "openai/own"})
    passage = insert(agent.pk, "A ship.")
    assert passage.archive.embedding == "openai/own"
    assert (passage.archive.embedding_config or {})["embedding_dim"] == len(vector(""))
    stored = numbers_of(Passage.objects.get().embedding)
    assert stored is not None and sum(number * number for number in stored) == pytest.approx(1)
    assert [result.passage.text for result in search_agent(agent.pk, "vessel")] == ["A ship."]


@pytest.mark.django_db
def test_a_model_that_cannot_be_asked_leaves_an_agent_with_full_text(embedding: ProviderStub) -> None:
    agent = an_agent(extras={"embedding": "letta/letta-free"})
    assert insert(agent.pk, "A ship.").embedding is None
    assert [result.passage.text for result in search_agent(agent.pk, "ships")] == ["A ship."]
    assert embedding.log() == []


@pytest.mark.django_db
def test_a_failing_provider_loses_no_passage_and_the_log_says_so(
    embedding: ProviderStub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "archives.vectors")
    archive = an_archive("Some NOVECTORS boat.")
    assert Passage.objects.get().embedding is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "full text search has to do" in caplog.text and SMALL in caplog.text
    assert found("boat") == ["Some NOVECTORS boat."]
    remember(archive, [Memory("A ship.")])
    assert set(found("NOVECTORS ship")) == {"A ship.", "Some NOVECTORS boat."}


def test_without_a_model_nobody_is_asked(embedding: ProviderStub) -> None:
    assert vectors_of("", ["a", "b"]) == [None, None]
    assert vectors_of(SMALL, []) == []
    assert embedding.log() == []
