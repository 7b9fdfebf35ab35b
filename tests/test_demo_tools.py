"""The demo's tools are real: each runs from its source alone, in a bare Python, and answers what it was asked."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tools.demo import DEMO_TOOLS, read_demo_source
from tools.source import read_source
from tools.static_check import inspect_source

# As a sandbox does it: run the source, call its function, and keep what it returns apart from what it prints.
# The simulated latency is left out, which also shows that it is nothing else.
RUNNER = """
import json, sys
source, function, arguments = json.load(sys.stdin)
names = {"__name__": "tool"}
exec(source, names)
assert names["LATENCY"] > 0
names["LATENCY"] = 0
answer = names[function](**arguments)
sys.stderr.write(json.dumps(answer))
"""


def run_tool(name: str, arguments: Mapping[str, Any], scratch: Path) -> tuple[str, str]:
    """What the tool returned and what it printed, from a Python that sees neither our package nor our environment."""
    source = read_demo_source(f"{name}.py")
    finished = subprocess.run(
        [sys.executable, "-I", "-c", RUNNER],
        input=json.dumps([source, name, arguments]),
        capture_output=True,
        text=True,
        env={},
        cwd=scratch,
        check=True,
        timeout=60,
    )
    return json.loads(finished.stderr), finished.stdout


def test_the_searches_are_parallel_and_the_message_is_sequential() -> None:
    assert dict(DEMO_TOOLS) == {"search_web.py": True, "search_database.py": True, "send_message.py": False}


@pytest.mark.parametrize("file_name", [name for name, _ in DEMO_TOOLS])
def test_each_source_makes_a_tool_named_like_its_file(file_name: str) -> None:
    read = read_source(read_demo_source(file_name))
    assert f"{read.name}.py" == file_name
    assert read.description
    assert len(read.json_schema["parameters"]["required"]) == 1


@pytest.mark.parametrize("file_name", [name for name, is_parallel in DEMO_TOOLS if is_parallel])
def test_the_static_check_has_nothing_against_the_parallel_ones(file_name: str) -> None:
    assert inspect_source(read_demo_source(file_name)) == ()


def test_only_the_demos_own_sources_are_given_out() -> None:
    with pytest.raises(KeyError):
        read_demo_source("../models.py")


def titles(answer: str) -> list[str]:
    return [line.split(". ", 1)[1].rsplit(" (", 1)[0] for line in answer.splitlines() if line[:1].isdigit()]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("tides", "Tide"),
        ("Look up tides on the web", "Tide"),
        ("spring tides", "Spring and neap tides"),
        ("how do lighthouses work", "Lighthouse"),
        ("coffee", "Coffee"),
        ("who invented the lens of a lighthouse, Fresnel?", "Fresnel lens"),
    ],
)
def test_the_web_search_puts_the_page_that_was_meant_first(query: str, first: str, tmp_path: Path) -> None:
    answer, _ = run_tool("search_web", {"query": query}, tmp_path)
    assert titles(answer)[0] == first
    assert "https://example.org/" in answer


def test_every_page_found_for_tides_is_about_tides(tmp_path: Path) -> None:
    answer, _ = run_tool("search_web", {"query": "tides", "limit": 10}, tmp_path)
    pages = answer.split("\n\n")
    assert len(pages) > 3
    assert [page for page in pages if "tide" not in page.lower()] == []


@pytest.mark.parametrize(("limit", "found"), [(1, 1), (2, 2), (0, 1), (-5, 1)])
def test_the_web_search_keeps_to_the_limit(limit: int, found: int, tmp_path: Path) -> None:
    assert len(titles(run_tool("search_web", {"query": "sea water", "limit": limit}, tmp_path)[0])) == found


@pytest.mark.parametrize("query", ["zyzzyva", "", "the of and"])
def test_a_search_without_a_match_says_so(query: str, tmp_path: Path) -> None:
    assert run_tool("search_web", {"query": query}, tmp_path)[0].startswith("No page matches")
    assert run_tool("search_database", {"query": query}, tmp_path)[0].startswith("No record matches")


def test_the_database_search_finds_tide_readings(tmp_path: Path) -> None:
    answer, _ = run_tool("search_database", {"query": "tides"}, tmp_path)
    lines = answer.splitlines()
    assert len(lines) == 5
    assert [line for line in lines if not line.startswith("- [tide reading] Tide at ")] == []


def test_the_database_search_puts_records_with_more_of_the_words_first(tmp_path: Path) -> None:
    answer, _ = run_tool("search_database", {"query": "high tide at Skerry Bay", "limit": 3}, tmp_path)
    lines = answer.splitlines()
    assert len(lines) == 3
    assert [line for line in lines if "Skerry Bay" not in line or "high" not in line] == []


def test_the_database_search_takes_sql_for_mere_words(tmp_path: Path) -> None:
    answer, _ = run_tool("search_database", {"query": "'; DROP TABLE harbour; -- Norhaven"}, tmp_path)
    assert "Norhaven" in answer


def test_the_message_is_shown_and_confirmed_with_its_text_and_time(tmp_path: Path) -> None:
    answer, printed = run_tool("send_message", {"message": " I have started. "}, tmp_path)
    assert "To the operator: I have started." in printed.splitlines()
    assert answer.startswith("Sent to the operator at ")
    assert answer.endswith(' UTC: "I have started."')


def test_an_empty_message_is_refused(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_tool("send_message", {"message": "  "}, tmp_path)
    assert "ValueError: The message is empty." in caught.value.stderr


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("search_web", {"query": "tides"}), ("search_database", {"query": "tides"}), ("send_message", {"message": "Hi"})],
)
def test_each_tool_tells_its_progress_in_two_lines_or_more_and_leaves_no_file(
    name: str, arguments: Mapping[str, Any], tmp_path: Path
) -> None:
    _, printed = run_tool(name, arguments, tmp_path)
    assert len(printed.splitlines()) >= 2
    assert list(tmp_path.iterdir()) == []
