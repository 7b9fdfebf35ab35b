"""What agents see of their files: the tools, the system prompt, and how many files are open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from access.database import in_database
from agents.assembly import compile_system
from agents.models import Agent
from engine.specs import Outcome
from folders.attachment import FILE_TOOLS, attach_folder, delete_folder, detach_folder
from folders.desk import close_all, close_file
from folders.models import File, FileAgent
from folders.reading import read_document
from folders.uploads import Duplicates, Sent, take_file
from tests.documents import pdf
from tests.pages import a_tool, seed_actor
from tests.stored_files import a_file, a_folder, a_reader, open_names
from tools.direct import call_directly, call_for_agent
from tools.models import Tool
from tools.toolbox import Caller, Equipment

pytestmark = pytest.mark.django_db(transaction=True)

ME = seed_actor()


async def call(agent: Agent, name: str, **arguments: Any) -> tuple[Outcome, str]:
    """The outcome and the text of a call that the agent makes."""
    tool = await Tool.objects.aget(name=name)

    async def equip(caller: Caller, tool_id: str) -> Equipment:
        return Equipment(tool, caller=caller)

    result = await call_for_agent(agent.pk, tool, json.dumps(arguments), equip)
    return result.outcome, result.text


async def said(agent: Agent, name: str, **arguments: Any) -> str:
    outcome, text = await call(agent, name, **arguments)
    assert outcome is Outcome.SUCCESS, text
    return text


async def refused(agent: Agent, name: str, **arguments: Any) -> str:
    outcome, text = await call(agent, name, **arguments)
    assert outcome is Outcome.ERROR, text
    return text


async def in_thread(function: Any, *args: Any, **kwargs: Any) -> Any:
    return await in_database(function, *args, **kwargs)


def opening(*names: str) -> dict[str, Any]:
    return {"file_requests": [{"file_name": name} for name in names]}


def tool_names(agent: Agent) -> set[str]:
    return set(agent.tools.values_list("name", flat=True))


def test_file_tools_come_with_the_first_folder_and_go_with_the_last() -> None:
    agent, one, two = a_reader(), a_folder("one"), a_folder("two")
    attach_folder(ME, agent, one)
    attach_folder(ME, agent, two)
    attach_folder(ME, agent, two)
    assert tool_names(agent) == set(FILE_TOOLS)
    detach_folder(ME, agent, one)
    assert tool_names(agent) == set(FILE_TOOLS)
    delete_folder(ME, two)
    assert tool_names(agent) == set()
    assert Tool.objects.filter(enable_parallel_execution=True).count() == 2


def test_a_custom_tool_that_bears_the_name_of_a_file_tool_stays_untouched() -> None:
    own = a_tool("grep_files")
    agent, folder = a_reader(), a_folder()
    attach_folder(ME, agent, folder)
    assert tool_names(agent) == set(FILE_TOOLS) - {"grep_files"}
    agent.tools.add(own)
    detach_folder(ME, agent, folder)
    assert tool_names(agent) == {"grep_files"}


def test_the_system_prompt_lists_folders_and_files_and_what_is_open() -> None:
    folder = a_folder("docs", {"a.txt": "Alpha\nBeta\n", "b.txt": "Gamma"}, description="Letters", instructions="Cite.")
    agent = a_reader(folder)
    closed = compile_system(agent)
    assert "<description>Letters</description>" in closed
    assert "<instructions>Cite.</instructions>" in closed
    assert '<file status="closed" name="docs/a.txt" />' in closed
    assert "Alpha" not in closed
    assert closed.startswith(agent.system)
    assert "<directories>" not in compile_system(a_reader())


async def test_an_opened_file_is_seen_with_numbered_lines_until_it_is_closed() -> None:
    folder = await in_thread(a_folder, "docs", {"a.txt": "Alpha\nBeta\n", "b.txt": "Gamma"})
    agent = await in_thread(a_reader, folder)
    answer = await said(agent, "open_files", **opening("docs/a.txt"))
    assert answer.startswith("Opened docs/a.txt.")
    system = await in_thread(compile_system, agent)
    assert '<file status="open" name="docs/a.txt">\n<value>\n[Lines 1 to 2 of 2]\n1: Alpha\n2: Beta\n</value>' in system
    assert "- current_files_open=1\n- max_files_open=5" in system
    file = await File.objects.aget(file_name="a.txt")
    await in_thread(close_file, agent, file)
    assert "Alpha" not in await in_thread(compile_system, agent)


async def test_a_part_of_a_file_is_opened_by_offset_and_length() -> None:
    text = "\n".join(f"Line {number}" for number in range(1, 101))
    folder = await in_thread(a_folder, "docs", {"long.txt": text})
    agent = await in_thread(a_reader, folder)
    part = {"file_name": "long.txt", "offset": 9, "length": 2}
    assert "from line 10 to 11" in await said(agent, "open_files", file_requests=[part])
    view = await FileAgent.objects.aget()
    assert (view.start_line, view.end_line) == (10, 11)
    assert view.visible_content == "[Lines 10 to 11 of 100]\n10: Line 10\n11: Line 11"
    await said(agent, "open_files", file_requests=[{"file_name": "long.txt", "offset": 500}])
    assert (await FileAgent.objects.aget()).visible_content == "[No such lines; there are 100]"


async def test_a_view_is_cut_at_the_agents_limit_and_says_so() -> None:
    folder = await in_thread(a_folder, "docs", {"long.txt": "word " * 1_000})
    agent = await in_thread(a_reader, folder, per_file_view_window_char_limit=100)
    await said(agent, "open_files", **opening("long.txt"))
    shown, note = (await FileAgent.objects.aget()).visible_content.rsplit("\n", 1)
    assert len(shown) == 100
    assert "Cut at 100 characters" in note


async def test_the_file_used_longest_ago_is_closed_when_too_many_are_open() -> None:
    names = [f"{letter}.txt" for letter in "abcd"]
    folder = await in_thread(a_folder, "docs", {name: f"text of {name}" for name in names})
    agent = await in_thread(a_reader, folder, max_files_open=2)
    await said(agent, "open_files", **opening("a.txt"))
    await said(agent, "open_files", **opening("b.txt"))
    # Found in a.txt, which is now the one that was used last.
    await said(agent, "grep_files", pattern="text of a")
    assert "longest ago first: docs/b.txt." in await said(agent, "open_files", **opening("c.txt"))
    assert await in_thread(open_names, agent) == ["a.txt", "c.txt"]
    assert "At most 2 files can be open" in await refused(agent, "open_files", **opening("a.txt", "b.txt", "c.txt"))
    assert await in_thread(open_names, agent) == ["a.txt", "c.txt"]


async def test_all_other_files_are_closed_where_that_is_asked_for() -> None:
    folder = await in_thread(a_folder, "docs", {"a.txt": "a", "b.txt": "b", "c.txt": "c"})
    agent = await in_thread(a_reader, folder)
    await said(agent, "open_files", **opening("a.txt", "b.txt"))
    answer = await said(agent, "open_files", **opening("c.txt"), close_all_others=True)
    assert "Closed as asked: docs/a.txt, docs/b.txt." in answer
    assert await in_thread(open_names, agent) == ["c.txt"]
    assert await in_thread(close_all, agent) == ["docs/c.txt"]


async def test_names_that_fit_no_file_or_two_are_refused_with_what_to_say() -> None:
    one, two = await in_thread(a_folder, "one", {"a.txt": "1"}), await in_thread(a_folder, "two", {"a.txt": "2"})
    agent = await in_thread(a_reader, one, two)
    assert "say which of one/a.txt, two/a.txt" in await refused(agent, "open_files", **opening("a.txt"))
    assert "no file called one/b.txt" in await refused(agent, "open_files", **opening("one/b.txt"))
    await in_thread(a_folder, "three", {"secret.txt": "of somebody else"})
    assert "no file called three/secret.txt" in await refused(agent, "open_files", **opening("three/secret.txt"))
    await said(agent, "open_files", **opening("two/a.txt"))
    assert (await FileAgent.objects.aget(is_open=True)).visible_content.endswith("1: 2")


async def test_grep_shows_matches_with_context_page_by_page() -> None:
    text = "\n".join(f"row {number}: {'apple' if number % 2 else 'pear'}" for number in range(1, 61))
    folder = await in_thread(a_folder, "docs", {"a.txt": text, "b.md": "An APPLE.\nNothing."})
    agent = await in_thread(a_reader, folder)
    first = await said(agent, "grep_files", pattern="apple")
    assert first.startswith("31 matches in 2 files: docs/a.txt (30), docs/b.md (1).\nMatches 1 to 20:")
    assert "== docs/a.txt ==\n> 1: row 1: apple\n  2: row 2: pear" in first
    assert "call grep_files again with offset=20" in first
    second = await said(agent, "grep_files", pattern="apple", offset=20, context_lines=0)
    assert "Matches 21 to 31:" in second
    assert second.endswith("== docs/b.md ==\n> 1: An APPLE.")
    assert "pear" not in second
    assert (await said(agent, "grep_files", pattern="apple", include=r"\.md$")).startswith("1 matches in 1 files")
    assert await said(agent, "grep_files", pattern="^nowhere$") == "No line matches '^nowhere$'."


async def test_a_pattern_that_would_take_forever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folders.file_search._SEARCH_SECONDS", 0.2)
    folder = await in_thread(a_folder, "docs", {"a.txt": "a" * 5_000 + "!"})
    agent = await in_thread(a_reader, folder)
    assert "took too long" in await refused(agent, "grep_files", pattern=r"(a|aa|b?a)+(x|y)+$(?=q)")
    assert await said(agent, "grep_files", pattern="b") == "No line matches 'b'."


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("(unclosed", "no regular expression"), ("", "pattern is empty"), ("x" * 2_000, "1,000 is the most")],
)
async def test_a_pattern_that_is_none_is_refused_with_what_to_do(pattern: str, says: str) -> None:
    agent = await in_thread(a_reader, await in_thread(a_folder))
    assert says in await refused(agent, "grep_files", pattern=pattern)


async def test_search_finds_the_passage_that_has_the_words_and_no_other_agents() -> None:
    tides = "The moon pulls the water of the sea.\nSo there are tides.\n"
    folder = await in_thread(a_folder, "science", {"tides.md": tides, "bread.md": "Flour, water and salt."})
    await in_thread(a_folder, "private", {"moon.md": "The moon and the tides and the sea."})
    agent = await in_thread(a_reader, folder)
    found = await said(agent, "semantic_search_files", query="Which tide does the moon cause?")
    assert found.splitlines()[2] == "== science/tides.md, lines 1 to 2 =="
    assert "private" not in found
    assert "bread" not in found
    assert (await said(agent, "semantic_search_files", query="zebra")).startswith("Nothing about 'zebra'")
    assert "query is empty" in await refused(agent, "semantic_search_files", query=" ")


async def test_a_replaced_or_deleted_file_is_no_longer_found() -> None:
    folder = await in_thread(a_folder, "docs", {"a.txt": "A walrus."})
    agent = await in_thread(a_reader, folder)
    await said(agent, "open_files", **opening("a.txt"))
    await in_thread(a_file, folder, "a.txt", "A penguin.", Duplicates.REPLACE)
    assert (await said(agent, "semantic_search_files", query="walrus")).startswith("Nothing")
    assert "docs/a.txt" in await said(agent, "semantic_search_files", query="penguins")
    assert await in_thread(open_names, agent) == []


async def test_a_file_uploaded_later_is_there_for_agents_that_have_the_folder() -> None:
    folder = await in_thread(a_folder)
    agent = await in_thread(a_reader, folder)
    await in_thread(a_file, folder, "new.txt", "fresh")
    await said(agent, "open_files", **opening("docs/new.txt"))


async def test_a_file_that_is_still_being_read_or_failed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folders.uploads.read_soon", lambda file: None)
    folder = await in_thread(a_folder)
    agent = await in_thread(a_reader, folder)
    good = await in_thread(take_file, ME, folder, Sent("good.pdf", pdf("Readable words")))
    bad = await in_thread(take_file, ME, folder, Sent("bad.pdf", b"%PDF- broken"))
    assert "still being read" in await refused(agent, "open_files", **opening("good.pdf"))
    for file in (good, bad):
        await in_thread(read_document, file.pk)
    await said(agent, "open_files", **opening("good.pdf"))
    assert "Readable words" in await in_thread(compile_system, agent)
    assert "could not be read" in await refused(agent, "open_files", **opening("bad.pdf"))


async def test_without_an_agent_the_tools_say_what_they_need() -> None:
    agent = await in_thread(a_reader, await in_thread(a_folder))
    tool = await agent.tools.aget(name="open_files")
    result = await call_directly(tool, json.dumps(opening("a.txt")))
    assert (result.outcome, "only when an agent calls it" in result.text) == (Outcome.ERROR, True)
