"""The documentation agrees with the code: settings and their defaults, requirements, pictures and links."""

from __future__ import annotations

import ast
import re
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
README = (BASE / "README.md").read_text(encoding="utf-8")


def settings_read() -> dict[str, str]:
    """The variables that ade/settings.py reads, with the default where it is written there as a number or a text."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse((BASE / "ade" / "settings.py").read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env")),
                args=[ast.Constant(value=str(name)), ast.Constant(value=str() | int() | float() as default)],
            ):
                found[name] = default if isinstance(default, str) else f"{default:g}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="env")), args=[ast.Constant(value=str(name)), *_]):
                found[name] = ""
    return found


def settings_told() -> dict[str, str]:
    """The variables of the table, with what stands in the column "Default"."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]*)\|", README, re.MULTILINE)
    return {name: default.strip().strip("`") for name, default in rows}


def test_the_table_has_every_setting_and_no_other() -> None:
    assert set(settings_told()) == set(settings_read())


def test_defaults_are_those_of_the_code() -> None:
    told = settings_told()
    wrong = {name: told[name] for name, default in settings_read().items() if default and told[name] != default}
    assert wrong == {}


def reads_environment(source: str) -> bool:
    """Whether this code looks a variable up by itself."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr="getenv"):
                return True
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="os"), attr="environ"), attr="get" | "items"):
                return True
            case ast.Subscript(value=ast.Attribute(value=ast.Name(id="os"), attr="environ")):
                return True
    return False


def test_the_environment_is_read_in_one_place() -> None:
    packages = ("ade", "api", "runs", "agents", "tools", "access", "engine", "llms")
    files = [path for package in packages for path in (BASE / package).rglob("*.py")]
    readers = [path for path in files if reads_environment(path.read_text(encoding="utf-8"))]
    assert readers == [BASE / "ade" / "environment.py"]


def test_every_requirement_says_why_it_is_there() -> None:
    required = re.findall(
        r"^([\w-]+)(?:\[[^]]*\])?==", (BASE / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    explained = (
        (BASE / "docs" / "architecture.md").read_text(encoding="utf-8").partition("What each requirement is for")[2]
    )
    assert set(required) == set(re.findall(r"^\| `([\w-]+)` \| \S", explained, re.MULTILINE))


def test_pictures_and_links_lead_somewhere() -> None:
    wanted = re.findall(r'(?:srcset|src)="([^"]+)"', README) + re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(wanted) > 8
    assert [path for path in wanted if not (BASE / path).exists()] == []
