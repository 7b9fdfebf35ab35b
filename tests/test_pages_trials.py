"""The Test tab really runs the tool, in the sandbox."""

from __future__ import annotations

import asyncio
import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from pytest_django import Settings

from access.models import Person
from agents.models import Agent
from agents.variables import set_variable
from tests.pages import a_tool, an_agent, htmx, seed_actor, text_of
from tools import toolbox
from tools.library import create_tool
from tools.models import Tool
from tools.trial import try_tool

pytestmark = pytest.mark.django_db(transaction=True)

MEET = '''def meet(path: str, guests: int) -> str:
    """Wait until so many calls have come.

    Args:
        path: A directory.
        guests: How many.
    """
    import os
    import time
    import uuid
    with open(os.path.join(path, uuid.uuid4().hex), "w"):
        pass
    end = time.monotonic() + 20
    while len(os.listdir(path)) < guests:
        if time.monotonic() > end:
            raise TimeoutError("nobody came")
        time.sleep(0.02)
    return "all here"
'''


TALK = '''def talk(path: str) -> str:
    """Say something, then wait for a sign.

    Args:
        path: A directory.
    """
    import fcntl
    import os
    import time
    held = open(os.path.join(path, "held"), "w")
    fcntl.flock(held, fcntl.LOCK_EX)
    print("waiting", flush=True)
    while not os.path.exists(os.path.join(path, "go")):
        time.sleep(0.02)
    return "went on"
'''


async def _browser() -> AsyncClient:
    browser = AsyncClient()
    person = await Person.objects.acreate(username="nadia")
    await browser.aforce_login(person)
    return browser


async def test_a_run_shows_return_and_output() -> None:
    tool = await sync_to_async(a_tool)()
    browser = await _browser()
    posted = {"arg:text": "one two three", "arg:loud": "true", "times": "1"}
    answer = await browser.post(f"/tools/{tool.pk}/test/", posted, headers=htmx("tool-body"))
    html = text_of(answer)
    assert answer.status_code == 200
    assert ">3</pre>" in html
    assert "one two three</pre>" in html or "one two three\n</pre>" in html
    await toolbox.sandbox().close()


async def test_so_many_runs_at_once_really_overlap(tmp_path: Path, settings: Settings) -> None:
    settings.ADE_TOOL_PATHS = (str(tmp_path),)
    tool = await sync_to_async(create_tool)(seed_actor(), source_code=MEET, fields={})
    trial = await try_tool(tool, {"path": str(tmp_path), "guests": 4}, 4)
    assert [run.result.text for run in trial.runs] == ["all here"] * 4
    assert trial.overlap == 4
    await toolbox.sandbox().close()


async def test_the_output_comes_while_the_tool_still_runs(tmp_path: Path, settings: Settings) -> None:
    settings.ADE_TOOL_PATHS = (str(tmp_path),)
    tool = await sync_to_async(create_tool)(seed_actor(), source_code=TALK, fields={})
    browser = await _browser()
    headers = {**htmx("tool-body"), "Accept": "application/x-ndjson"}
    answer: Any = await browser.post(f"/tools/{tool.pk}/test/", {"arg:path": str(tmp_path)}, headers=headers)
    pieces = []
    async for line in answer.streaming_content:
        pieces.append(json.loads(line))
        if pieces[-1].get("text", "").startswith("waiting"):
            # Only now may the tool end: had the output been kept back, it would time out.
            (tmp_path / "go").touch()
    assert "went on" in pieces[-1]["html"]
    assert pieces[0] == {"run": 1, "stream": "stdout", "text": "waiting\n"}
    await toolbox.sandbox().close()


async def test_who_leaves_stops_the_tool(tmp_path: Path, settings: Settings) -> None:
    settings.ADE_TOOL_PATHS = (str(tmp_path),)
    tool = await sync_to_async(create_tool)(seed_actor(), source_code=TALK, fields={})
    browser = await _browser()
    headers = {**htmx("tool-body"), "Accept": "application/x-ndjson"}
    answer: Any = await browser.post(f"/tools/{tool.pk}/test/", {"arg:path": str(tmp_path)}, headers=headers)
    started = asyncio.Event()

    async def watch() -> None:
        async for _ in answer.streaming_content:
            started.set()

    watching = asyncio.create_task(watch())
    await started.wait()
    with (tmp_path / "held").open() as held:
        with pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        # The lock is free, so the process that held it is gone.
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    await toolbox.sandbox().close()


KNOW = '''def know(agent_state) -> str:
    """Tell what is known."""
    import os
    print("token", os.environ.get("TOKEN"))
    return f"{agent_state and agent_state.name}: {os.environ.get('TOKEN')}, {os.environ.get('REGION')}"
'''


def _lent() -> tuple[Tool, Agent]:
    tool = create_tool(seed_actor(), source_code=KNOW, fields={})
    agent = an_agent("Librarian", tool)
    set_variable(seed_actor(), agent, "TOKEN", "s3cret-value")
    set_variable(seed_actor(), agent, "REGION", "north", is_secret=False)
    return tool, agent


async def test_a_trial_may_use_the_variables_of_an_agent_that_has_the_tool() -> None:
    tool, agent = await sync_to_async(_lent)()
    browser = await _browser()
    path = f"/tools/{tool.pk}/test/"
    alone = text_of(await browser.post(path, {"agent_id": ""}, headers=htmx("tool-body")))
    assert "None: None, None" in alone
    lent = text_of(await browser.post(path, {"agent_id": agent.pk}, headers=htmx("tool-body")))
    assert "Librarian: •••, north" in lent
    assert "token •••" in lent
    assert "s3cret" not in lent
    assert f'value="{agent.pk}" selected' in lent
    await toolbox.sandbox().close()


async def test_an_agent_without_the_tool_lends_nothing() -> None:
    tool, _ = await sync_to_async(_lent)()
    other = await sync_to_async(an_agent)("Other")
    browser = await _browser()
    refused = await browser.post(f"/tools/{tool.pk}/test/", {"agent_id": other.pk}, headers=htmx("tool-body"))
    assert refused.status_code == 422
    assert "no longer has this tool" in text_of(refused)
