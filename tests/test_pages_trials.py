"""The Test tab really runs the tool, in the sandbox."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from access.models import Person
from tests.pages import a_tool, htmx, seed_actor, text_of
from tools import toolbox
from tools.library import create_tool
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


async def test_a_run_shows_return_and_output() -> None:
    tool = await sync_to_async(a_tool)()
    browser = AsyncClient()
    person = await Person.objects.acreate(username="nadia")
    await browser.aforce_login(person)
    posted = {"arg:text": "one two three", "arg:loud": "true", "times": "1"}
    answer = await browser.post(f"/tools/{tool.pk}/test/", posted, headers=htmx("tool-body"))
    html = text_of(answer)
    assert answer.status_code == 200
    assert ">3</pre>" in html
    assert "one two three</pre>" in html or "one two three\n</pre>" in html
    await toolbox.sandbox().close()


async def test_so_many_runs_at_once_really_overlap(tmp_path: object, settings: object) -> None:
    settings.ADE_TOOL_PATHS = (str(tmp_path),)  # type: ignore[attr-defined]
    tool = await sync_to_async(create_tool)(seed_actor(), source_code=MEET, fields={})
    trial = await try_tool(tool, {"path": str(tmp_path), "guests": 4}, 4)
    assert [run.result.text for run in trial.runs] == ["all here"] * 4
    assert trial.overlap == 4
    await toolbox.sandbox().close()
