"""Packages that tools ask for: installed once for each set of them, told while it happens, explained when it fails."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from sandbox.environments import BuildState, Environment, Environments
from sandbox.forkserver import ForkServerSandbox
from sandbox.installing import installer_environment
from sandbox.lending import Preload, Sandboxes
from sandbox.requirements import Requirement, RequirementProblem, key_of, read_json, read_lines
from sandbox.specs import Outcome, SandboxUnavailable
from tests.sandboxes import call_of, eventually
from tests.wheels import make_wheel

USE = "import lantern\ndef tool(): return lantern.colour()"


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path / "environments")


def test_requirements_are_read_as_people_write_them() -> None:
    read = read_lines("httpx >= 0.27, < 1\n\n# a comment\nsix==1.16.0  # pinned\nuvicorn[standard]\n")

    assert [one.line for one in read] == ["httpx>=0.27,<1", "six==1.16.0", "uvicorn[standard]"]
    assert [one.as_json() for one in read] == [
        {"name": "httpx", "version": ">=0.27,<1"},
        {"name": "six", "version": "1.16.0"},
        {"name": "uvicorn[standard]", "version": None},
    ]
    assert read_json([one.as_json() for one in read]) == read


@pytest.mark.parametrize(
    "line", ["--index-url=https://x", "-e .", "./here", "https://x/y.whl", "six @ file:///x", "six 1"]
)
def test_what_is_more_than_a_package_is_refused(line: str) -> None:
    with pytest.raises(RequirementProblem, match="is no requirement"):
        read_lines(line)
    with pytest.raises(RequirementProblem):
        read_json([{"name": line}])


def test_the_order_does_not_matter() -> None:
    one, two = Requirement("a"), Requirement("b", "==1")

    assert key_of((one, two)) == key_of((two, one))
    assert key_of((one,)) != key_of((one, two))


def test_pip_gets_no_secret_of_the_servers() -> None:
    given = {"PIP_INDEX_URL": "x", "HTTPS_PROXY": "y", "ADE_SECRET_KEY": "z", "OPENAI_API_KEY": "z", "PATH": "p"}

    assert installer_environment(given) == {"PIP_INDEX_URL": "x", "HTTPS_PROXY": "y", "PATH": "p"}


async def test_a_tool_has_its_packages_and_another_version_beside_it(
    index: Path, environments: Environments, tmp_path: Path
) -> None:
    for version, colour in (("1.0", "red"), ("2.0", "green")):
        wanted = (Requirement("lantern", f"=={version}"),)
        lines: list[str] = []
        assert environments.standing(wanted).state is BuildState.MISSING
        environment = await environments.ready(wanted, lines.append)
        assert any("Successfully installed lantern" in line for line in lines)
        assert environments.standing(wanted).state is BuildState.READY
        box = ForkServerSandbox(python=environment.python, packages=environment.packages, scratch_root=tmp_path)
        try:
            result = await box.run(call_of(USE))
            assert (result.outcome, result.text) == (Outcome.SUCCESS, colour), result
            missing = await box.run(call_of("import django\ndef tool(): return 'the server has it'"))
            assert "ModuleNotFoundError" in missing.text
        finally:
            await box.close()


async def test_it_is_built_once_however_many_ask(index: Path, environments: Environments) -> None:
    wanted = (Requirement("lantern"),)
    lines: list[str] = []

    await asyncio.gather(*(environments.ready(wanted, lines.append) for _ in range(3)))
    await environments.ready(wanted, lines.append)

    assert sum(line.startswith("Making an environment") for line in lines) == 1


async def test_a_failure_is_explained_and_not_tried_again_at_once(index: Path, environments: Environments) -> None:
    wanted = (Requirement("nosuchpackage"),)
    lines: list[str] = []

    for _ in range(2):
        with pytest.raises(SandboxUnavailable, match="No matching distribution found for nosuchpackage"):
            await environments.ready(wanted, lines.append)
    assert sum(line.startswith("Making an environment") for line in lines) == 1
    assert "nosuchpackage" in environments.standing(wanted).reason

    make_wheel(index, "nosuchpackage", "1", {"nosuchpackage.py": ""})
    environments.forget_failure(wanted)
    await environments.ready(wanted, lines.append)
    assert environments.standing(wanted).state is BuildState.READY


async def test_who_gives_up_leaves_nothing_half_done(index: Path, environments: Environments) -> None:
    wanted = (Requirement("lantern"),)
    begun = asyncio.Event()
    building = asyncio.create_task(environments.ready(wanted, lambda _: begun.set()))
    await begun.wait()
    assert environments.standing(wanted).state is BuildState.BUILDING

    building.cancel()
    await asyncio.gather(building, return_exceptions=True)

    assert environments.standing(wanted).state is BuildState.MISSING
    await environments.ready(wanted, lambda _: None)
    assert environments.standing(wanted).state is BuildState.READY


async def test_a_package_runs_no_code_outside_the_sandbox(
    index: Path, environments: Environments, tmp_path: Path
) -> None:
    spy = f"import os, pathlib; pathlib.Path({str(tmp_path / 'spied')!r}).touch()"
    hook = "import os; os.environ['HOOKED'] = str(os.getppid())"
    make_wheel(
        index, "spy", "1", {"spy.py": "", "spy.pth": spy + "\n", "hook.pth": hook + "\n", "sitecustomize.py": spy}
    )
    environment = await environments.ready((Requirement("spy"),), lambda _: None)
    box = ForkServerSandbox(python=environment.python, packages=environment.packages, scratch_root=tmp_path)
    try:
        result = await box.run(call_of("import spy, sys\ndef tool(): return 'spy' in sys.modules"))
    finally:
        await box.close()

    assert result.text == "true", result
    assert not (tmp_path / "spied").exists()


async def test_an_idle_environments_sandbox_is_ended_and_started_again(index: Path, environments: Environments) -> None:
    made: list[ForkServerSandbox] = []

    def make(environment: Environment | None, preload: Preload) -> ForkServerSandbox:
        packages = environment.packages if environment else None
        made.append(
            ForkServerSandbox(
                python=environment.python if environment else sys.executable, packages=packages, preload=preload
            )
        )
        return made[-1]

    boxes = Sandboxes(make, environments, idle_seconds=0.05)
    wanted = (Requirement("lantern"),)
    try:
        async with boxes.lend(wanted, lambda _: None) as first, boxes.lend(wanted, lambda _: None) as second:
            assert first is second
            assert first is not boxes.usual
            assert (await first.run(call_of(USE))).text == "green"
        assert await eventually(lambda: not first.pool.is_up)
        assert len(boxes.pools()) == 1
        async with boxes.lend(wanted, lambda _: None) as third:
            assert third is not first
            assert (await third.run(call_of(USE))).text == "green"
    finally:
        await boxes.close()
    assert not any(box.pool.is_up for box in made)
