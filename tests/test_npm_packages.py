"""npm packages of TypeScript tools: installed once, without running their scripts, importable in the sandbox alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from pytest_django import Settings

from sandbox.environments import BuildState, Environments
from sandbox.requirements import NpmPackage, Requirement, RequirementProblem, key_of, read_npm_json, read_npm_lines
from sandbox.specs import Outcome, OutputStream, SandboxUnavailable
from tests.conftest import need
from tests.pages import htmx, seed_actor, signed_in, text_of
from tools.library import ToolProblem, create_tool
from tools.models import Tool
from tools.sandboxes import sandboxes
from tools.toolbox import run_source

pytestmark = pytest.mark.django_db(transaction=True)

LOOK = """
import { colour } from "lantern"
export function look(): string { return colour() }
"""


@pytest.fixture(autouse=True)
def _own_data_directory(settings: Settings, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    settings.ADE_DATA_DIR = tmp_path / "data"


def typescript_tool(source: str, *packages: tuple[str, str | None], name: str = "look") -> Tool:
    fields = {
        "source_type": "typescript",
        "json_schema": {"name": name, "parameters": {"type": "object", "properties": {}}},
        "npm_requirements": [{"name": package, "version": version} for package, version in packages],
    }
    return create_tool(seed_actor(), source_code=source, fields=fields)


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("zod", NpmPackage("zod", "")),
        ("zod@^3.23  # checks", NpmPackage("zod", "^3.23")),
        ("@scope/name", NpmPackage("@scope/name", "")),
        ("@scope/name@>=1 <2", NpmPackage("@scope/name", ">=1 <2")),
        ("a@latest", NpmPackage("a", "latest")),
    ],
)
def test_packages_are_read_as_people_write_them(line: str, package: NpmPackage) -> None:
    assert read_npm_lines(line) == (package,)
    assert read_npm_json([package.as_json()]) == (package,)


@pytest.mark.parametrize(
    "line",
    [
        "a@file:../x",
        "a@https://example.org/a.tgz",
        "a@git+ssh://x",
        "a@npm:b@1",
        "--registry=x",
        "../x",
        "A B",
        "a@github:b/c",
    ],
)
def test_only_names_and_ranges_are_packages(line: str) -> None:
    with pytest.raises(RequirementProblem, match="is no npm package"):
        read_npm_lines(line)


def test_an_environment_of_npm_is_never_one_of_pip() -> None:
    assert key_of((NpmPackage("a"),)) != key_of((Requirement("a"),))


async def test_the_first_call_installs_and_the_next_finds_it(registry: None, settings: Settings) -> None:
    need("npm", "npm packages cannot be installed")
    tool = await sync_to_async(typescript_tool)(LOOK, ("lantern", "^2"))
    pieces: list[tuple[str, str]] = []
    try:
        first = await run_source(tool, {}, lambda stream, text: pieces.append((stream, text)))
        second = await run_source(tool, {}, None)
    finally:
        await sandboxes().close()

    assert (first.outcome, first.text) == (Outcome.SUCCESS, "green"), first
    assert pieces[0] == (OutputStream.STDERR, "Making an environment for lantern@^2\n")
    assert "added 2 packages" in first.stderr
    assert (second.text, second.stderr) == ("green", "")
    (lock,) = Path(settings.ADE_DATA_DIR).glob("environments/*/package-lock.json")
    assert "sha512-" in lock.read_text()


async def test_packages_that_are_modern_modules_are_imported_and_scripts_are_not_run(registry: None) -> None:
    need("npm", "npm packages cannot be installed")
    source = """
import fresh, { year } from "modern"
import { spied } from "spy"
export function look() { return [fresh(), year, spied()] }
"""
    tool = await sync_to_async(typescript_tool)(source, ("modern", None), ("spy", None))
    try:
        result = await run_source(tool, {}, None)
    finally:
        await sandboxes().close()
    assert result.text == '["new",2025,false]', result


async def test_a_tool_without_packages_sees_none_of_anothers(registry: None) -> None:
    need("npm", "npm packages cannot be installed")
    with_it = await sync_to_async(typescript_tool)(LOOK, ("lantern", "1.0.0"))
    bare = await sync_to_async(typescript_tool)(LOOK.replace("look", "peek"), name="peek")
    try:
        assert (await run_source(with_it, {}, None)).text == "red"
        assert "Cannot find module 'lantern'" in (await run_source(bare, {}, None)).text
    finally:
        await sandboxes().close()


async def test_a_package_that_does_not_exist_is_the_calls_error(registry: None) -> None:
    need("npm", "npm packages cannot be installed")
    tool = await sync_to_async(typescript_tool)(LOOK, ("nosuchpackage", None))
    with pytest.raises(SandboxUnavailable, match=r"(?s)could not be installed: .*nosuchpackage"):
        await run_source(tool, {}, None)
    await sandboxes().close()


async def test_without_npm_the_reason_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    environments = Environments(tmp_path / "environments")
    with pytest.raises(SandboxUnavailable, match="npm is not on the server's PATH"):
        await environments.ready((NpmPackage("lantern"),), lambda _: None)
    assert environments.standing((NpmPackage("lantern"),)).state is BuildState.FAILED


def test_the_library_refuses_what_npm_should_not_be_told() -> None:
    with pytest.raises(ToolProblem, match=r"npm_requirements: .* is no npm package"):
        typescript_tool(LOOK, ("lantern", "file:/etc"))


def test_the_dependencies_of_a_typescript_tool_are_npms() -> None:
    tool, browser = typescript_tool(LOOK), signed_in()
    empty = text_of(browser.get(f"/tools/{tool.pk}/?tab=dependencies"))
    assert "npm packages" in empty
    assert "no packages but what Node.js brings" in empty
    browser.post(f"/tools/{tool.pk}/dependencies/", {"requirements": "zod@^3\n@a/b"}, headers=htmx("tool-body"))
    tool.refresh_from_db()
    assert tool.npm_requirements == [{"name": "zod", "version": "^3"}, {"name": "@a/b", "version": None}]
    assert tool.pip_requirements is None
    assert "zod@^3\n@a/b</textarea>" in text_of(browser.get(f"/tools/{tool.pk}/?tab=dependencies"))
