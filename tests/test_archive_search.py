"""Archival memory's search, on whichever database the tests run with."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection

from agents.assembly import compile_system
from agents.models import Agent
from archives.memory import Memory, archives_of, insert, passages_of, remember, search_agent
from archives.models import Archive, ArchiveAgent, Passage
from archives.problems import ArchiveProblem
from archives.search import Found, TagMatch, Wanted, search
from tests.pages import an_agent
from tests.private_servers import PrivatePostgres
from tests.processes import outside
from tools.built_in import ensure

pytestmark = pytest.mark.django_db


def texts(found: list[Found]) -> list[str]:
    return [result.passage.text for result in found]


def an_archive(*memories: Memory | str, name: str = "Notes") -> Archive:
    archive = Archive.objects.create(name=name)
    remember(archive, [Memory(memory) if isinstance(memory, str) else memory for memory in memories])
    return archive


def find(query: str, **wanted: object) -> list[str]:
    return texts(search(passages_of(), Wanted(query, **wanted)))  # type: ignore[arg-type]


def test_a_passage_is_found_by_any_of_its_words_inflected_or_not() -> None:
    an_archive("The harbours close at night.", "Tides turn twice a day.")
    assert find("when does the harbour close?") == ["The harbours close at night."]
    assert find("tide") == ["Tides turn twice a day."]
    assert find("volcano") == []


def test_more_and_rarer_words_rank_higher() -> None:
    an_archive("Green boats.", "Green boats and a lighthouse.", *(f"Green thing {number}." for number in range(8)))
    assert find("green lighthouse")[0] == "Green boats and a lighthouse."
    assert len(find("green", top_k=3)) == 3


@pytest.mark.parametrize(
    "query",
    ['"', "'", "tide*", "NEAR(tide", "tide AND", "a:b", "(tide", "tide) OR 1=1 --", "-tide", "^tide", "{tide}", "tide'x",
     "% tide", "%s tide", "tide\\", "tide & | !", "<-> tide", "AND OR NOT", "tide " * 500],
)  # fmt: skip
def test_no_sign_in_a_query_is_taken_for_a_command(query: str) -> None:
    an_archive("The tide turns.")
    assert find(query) in ([], ["The tide turns."])
    if "tide" in query:
        assert find(query) == ["The tide turns."]


def test_what_has_no_words_is_found_literally() -> None:
    an_archive("港口在夜间关闭。", "Party 🎉 at noon.", "100% sure.")
    assert find("夜间") == ["港口在夜间关闭。"]
    assert find("🎉") == ["Party 🎉 at noon."]
    assert find("%") == ["100% sure."]


def test_tags_and_times_narrow_a_search() -> None:
    day = [datetime(2025, 9, number, tzinfo=UTC) for number in range(1, 4)]
    an_archive(
        Memory("boat one", ["a"], created_at=day[0]),
        Memory("boat two", ["a", "b"], created_at=day[1]),
        Memory("boat three", ["b", 'c"'], created_at=day[2]),
    )
    both = ["a", "b"]
    assert set(find("boat", tags=both)) == {"boat one", "boat two", "boat three"}
    assert find("boat", tags=both, tag_match=TagMatch.ALL) == ["boat two"]
    assert find("boat", tags=['c"']) == ["boat three"]
    assert find("boat", start=day[1], end=day[1]) == ["boat two"]
    assert find("", start=day[1]) == ["boat three", "boat two"]


def test_an_agent_finds_what_its_archives_hold_and_nothing_else() -> None:
    agent, other = an_agent(), an_agent("Other")
    shared = an_archive("shared boat")
    ArchiveAgent.objects.create(archive=shared, agent=other)
    insert(agent.pk, "own boat", ["x"])
    assert texts(search_agent(agent.pk, "boat")) == ["own boat"]
    ArchiveAgent.objects.create(archive=shared, agent=agent)
    assert set(texts(search_agent(agent.pk, "boat"))) == {"own boat", "shared boat"}
    assert texts(search_agent(agent.pk, "boat", tags=["x"])) == ["own boat"]


def test_the_first_insert_makes_an_archive_and_the_next_ones_use_it() -> None:
    agent = an_agent()
    first, second = insert(agent.pk, "one"), insert(agent.pk, "two", [" a ", "a", ""])
    [archive] = archives_of(agent.pk)
    assert (first.archive_id, second.archive_id, archive.made_by) == (archive.pk, archive.pk, agent)
    assert second.tags == ["a"]


def test_an_attached_archive_is_written_into() -> None:
    agent, notes = an_agent(), an_archive()
    ArchiveAgent.objects.create(archive=notes, agent=agent)
    assert insert(agent.pk, "one").archive_id == notes.pk
    assert Archive.objects.count() == 1


def test_what_changes_and_what_goes_is_found_no_more() -> None:
    archive = an_archive("old word", "other")
    passage = Passage.objects.get(text="old word")
    passage.text = "new word"
    passage.save()
    assert (find("old"), find("new")) == ([], ["new word"])
    passage.delete()
    assert find("word") == []
    archive.delete()
    assert find("other") == []
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO archives_passage_words(archives_passage_words) VALUES ('integrity-check')")


def test_a_deleted_agent_takes_its_archive_along_unless_others_have_it() -> None:
    agent, other = an_agent(), an_agent("Other")
    insert(agent.pk, "kept")
    [archive] = archives_of(agent.pk)
    ArchiveAgent.objects.create(archive=archive, agent=other)
    insert(other.pk, "also kept")
    lonely = an_agent("Lonely")
    insert(lonely.pk, "forgotten")
    Agent.objects.filter(pk=lonely.pk).delete()
    agent.delete()
    assert [kept.made_by for kept in Archive.objects.all()] == [None]
    assert set(texts(search_agent(other.pk, "kept"))) == {"kept", "also kept"}
    assert find("forgotten") == []


def test_an_archive_that_was_only_attached_outlives_its_agents() -> None:
    agent, notes = an_agent(), an_archive("note")
    ArchiveAgent.objects.create(archive=notes, agent=agent)
    agent.delete()
    assert find("note") == ["note"]


def test_an_agent_that_can_search_is_told_its_tags() -> None:
    agent = an_agent()
    insert(agent.pk, "one", ["tide", "boat", "<b>"])
    insert(agent.pk, "two", ["boat"])
    assert "Tags in" not in compile_system(agent)
    agent.tools.add(*ensure(["archival_memory_search"]))
    assert compile_system(agent).endswith(
        "<archival_memory>\nTags in archival memory: &lt;b&gt;, boat, tide\n</archival_memory>"
    )
    Passage.objects.all().delete()
    assert "Tags in" not in compile_system(agent)


@pytest.mark.parametrize(
    "memory", [Memory(""), Memory("  "), Memory("x" * 100_001), Memory("a\0b"), Memory("a", ["t" * 201])]
)
def test_what_cannot_be_kept_is_refused_with_the_rest(memory: Memory) -> None:
    with pytest.raises(ArchiveProblem):
        an_archive("fine", memory)
    assert not Passage.objects.exists()


@pytest.mark.timeout(300)
def test_the_search_is_the_same_on_postgres(tmp_path: Path) -> None:
    if connection.vendor == "postgresql":
        return  # this is that run
    postgres = PrivatePostgres()
    try:
        postgres.start()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_archive_search.py"],
            cwd=Path(__file__).parent.parent,
            env=outside() | {"DATABASE_URL": postgres.url("archives"), "ADE_DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        postgres.remove()
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
