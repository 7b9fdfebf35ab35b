"""The packages that a tool asks for, as people write them: one requirement a line, as pip or npm reads them. Pure."""

from __future__ import annotations

import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._-]+(,[A-Za-z0-9._-]+)*\])?")
VERSIONS = re.compile(r"(===?|~=|!=|<=?|>=?)[A-Za-z0-9.*+!_-]+(,(===?|~=|!=|<=?|>=?)[A-Za-z0-9.*+!_-]+)*")
NPM_NAME = re.compile(r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*")
NPM_VERSIONS = re.compile(r"[A-Za-z0-9.*+^~<>=| -]{1,200}")
PLAIN_VERSION = re.compile(r"[A-Za-z0-9.*+!_-]+")
MOST = 100


class RequirementProblem(ValueError):
    """This cannot be a requirement; the text says which and how to write it."""


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """A package and which versions of it do: "" any, else conditions such as "==1.2" or ">=1,<2"."""

    name: str
    versions: str = ""

    @property
    def line(self) -> str:
        """As pip reads it."""
        return self.name + self.versions

    def as_json(self) -> dict[str, str | None]:
        """As a tool keeps it: `version` is a plain one, conditions, or None."""
        exact = self.versions.removeprefix("==")
        is_exact = self.versions.startswith("==") and PLAIN_VERSION.fullmatch(exact)
        return {"name": self.name, "version": exact if is_exact else self.versions or None}


@dataclass(frozen=True, slots=True, order=True)
class NpmPackage(Requirement):
    """A package of npm; `versions` is a range such as "^1.2", or "" for any."""

    @property
    def line(self) -> str:
        """As people write it for npm."""
        return f"{self.name}@{self.versions}" if self.versions else self.name

    def as_json(self) -> dict[str, str | None]:
        """As a tool keeps it."""
        return {"name": self.name, "version": self.versions or None}


Requirements = tuple[Requirement, ...]


def read_lines(text: str) -> Requirements:
    """One requirement a line; empty lines and comments (#) do not count. Raises RequirementProblem."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return _checked(_read_line(line) for line in lines if line)


def read_json(given: Iterable[Mapping[str, Any]] | None) -> Requirements:
    """From [{"name", "version"}]; a version without a comparison is that very one. Raises RequirementProblem."""
    return _checked(_read_entry(entry) for entry in given or ())


def read_npm_lines(text: str) -> Requirements:
    """One package a line, with or without versions: zod, zod@^3. Raises RequirementProblem."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return _checked(_read_npm_line(line) for line in lines if line)


def read_npm_json(given: Iterable[Mapping[str, Any]] | None) -> Requirements:
    """From [{"name", "version"}]. Raises RequirementProblem."""
    return _checked(_read_npm_entry(entry) for entry in given or ())


def key_of(requirements: Requirements) -> str:
    """The name of the environment that has these: the same for any order, another one for another Python."""
    is_npm = bool(requirements) and isinstance(requirements[0], NpmPackage)
    lines = [
        "npm" if is_npm else sys.version,
        sysconfig.get_platform(),
        *sorted(one.line.lower() for one in requirements),
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:20]


def _read_line(line: str) -> Requirement:
    found = NAME.match(line)
    return _make(found[0], re.sub(r"\s+", "", line[found.end() :]), line) if found else _refuse(line)


def _read_entry(entry: Mapping[str, Any]) -> Requirement:
    name, version = entry.get("name"), entry.get("version")
    if not isinstance(name, str) or not isinstance(version, str | None):
        _refuse(str(dict(entry)))
    compact = re.sub(r"\s+", "", version or "")
    return _make(name.strip(), f"=={compact}" if PLAIN_VERSION.fullmatch(compact) else compact, f"{name} {version}")


def _read_npm_line(line: str) -> Requirement:
    # The first sign may be the @ of a scope.
    at = line.find("@", 1)
    name, versions = (line, "") if at < 0 else (line[:at], line[at + 1 :])
    return _make_npm(name.strip(), versions.strip(), line)


def _read_npm_entry(entry: Mapping[str, Any]) -> Requirement:
    name, version = entry.get("name"), entry.get("version")
    if not isinstance(name, str) or not isinstance(version, str | None):
        _refuse_npm(str(dict(entry)))
    return _make_npm(name.strip(), (version or "").strip(), f"{name}@{version}")


def _make_npm(name: str, versions: str, line: str) -> Requirement:
    """Names and ranges alone: no URLs, no directories, no repositories."""
    if not NPM_NAME.fullmatch(name) or (versions and not NPM_VERSIONS.fullmatch(versions)):
        _refuse_npm(line)
    return NpmPackage(name, versions)


def _make(name: str, versions: str, line: str) -> Requirement:
    if not NAME.fullmatch(name) or (versions and not VERSIONS.fullmatch(versions)):
        _refuse(line)
    return Requirement(name, versions)


def _checked(found: Iterable[Requirement]) -> Requirements:
    requirements = tuple(found)
    if len(requirements) > MOST:
        raise RequirementProblem(f"A tool can have at most {MOST} requirements.")
    return requirements


def _refuse(line: str) -> NoReturn:
    raise RequirementProblem(
        f"{line[:100]!r} is no requirement. Write a package's name, or with versions: httpx>=0.27,<1"
    )


def _refuse_npm(line: str) -> NoReturn:
    raise RequirementProblem(f"{line[:100]!r} is no npm package. Write its name, or with versions: zod@^3.23")
