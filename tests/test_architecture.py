"""The shape of the code: who may import whom, registries without gaps, files that hold one idea."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.template.loader import get_template

from api.stream import ANSWERS
from engine.events import EVENT_TYPES
from engine.events import Event as AnyEvent
from llms.catalogue import catalogue
from llms.providers import PROVIDERS
from scripts import check_files
from tools.models import Tool, ToolType
from tools.toolbox import EXECUTORS

BASE = Path(__file__).resolve().parent.parent


def test_imports_go_down_only_and_the_core_knows_no_web_framework() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    checked = subprocess.run(command, cwd=BASE, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert "2 kept, 0 broken" in checked.stdout


def test_every_bundled_model_has_a_provider_and_every_provider_a_model() -> None:
    assert {model.provider for model in catalogue()} == set(PROVIDERS)


def test_a_new_tool_is_of_a_kind_that_can_be_called() -> None:
    assert Tool().tool_type in EXECUTORS
    assert set(EXECUTORS) == set(ToolType)


def test_every_event_is_registered_under_its_own_name() -> None:
    assert set(EVENT_TYPES.values()) == set(AnyEvent.__args__)
    assert all(event.type == name for name, event in EVENT_TYPES.items())


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_has_a_template(name: str) -> None:
    get_template(f"runs/events/{name.replace('.', '_')}.html")


def test_every_event_has_an_answer_for_the_stream_of_the_sdks() -> None:
    assert set(ANSWERS) == set(EVENT_TYPES)


def test_templates_have_no_inline_script_or_style_and_no_file_is_too_long_or_tied_to_one_machine() -> None:
    assert [str(complaint) for complaint in check_files.complaints()] == []


@pytest.mark.parametrize(
    "markup",
    [
        '<a href="/" onclick="go()">',
        '<p style="color: red">',
        "<script>go()</script>",
        "<style>p {}</style>",
        '<a href="javascript:go()">',
        '<div hx-on:click="go()">',
    ],
)
def test_the_check_sees_inline_script_and_style(markup: str) -> None:
    assert len(list(check_files.find_inline("page.html", f"<main>\n{markup}"))) == 1


@pytest.mark.parametrize(
    "markup",
    [
        '<script src="/static/js/theme.js"></script>',
        '{# <p style="color: red"> #}',
        '<div hx-get="/" data-one="1">',
        '<script type="application/json" id="log">{}</script>',
    ],
)
def test_the_check_lets_pass_what_the_policy_allows(markup: str) -> None:
    assert list(check_files.find_inline("page.html", markup)) == []


def test_the_check_sees_paths_of_somebodys_home() -> None:
    home = "/".join(["", "home", "ann", "notes"])
    assert [complaint.line for complaint in check_files.find_home("a.md", f"see\n{home}")] == [2]
    assert list(check_files.find_home("a.md", "https://example.org/home/ann")) == []


def test_the_check_sees_files_that_grew_too_long() -> None:
    assert list(check_files.find_long("a.py", "\n" * 401))
    assert not list(check_files.find_long("a.py", "\n" * 400))
