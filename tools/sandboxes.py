"""The sandboxes of this process, as the settings want them: one set for each event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from django.conf import settings

from sandbox.environments import Environment, Environments
from sandbox.forkserver import ForkServerSandbox
from sandbox.lending import Preload, Sandboxes
from sandbox.levels import STRICT, Guard
from sandbox.requirements import Requirements, read_json, read_npm_json
from tools.models import Tool
from tools.typescript import TYPESCRIPT

REQUIRED: Mapping[str, frozenset[Guard]] = {
    "auto": frozenset(),
    "strict": STRICT,
    "bwrap": frozenset({Guard.BUBBLEWRAP, Guard.SYSTEM_CALLS}),
}
"""What `ADE_SANDBOX` asks for: without these guards no tool is run, and a worker does not start."""

IDLE, IDLE_IN_ENVIRONMENT = 4, 2

_sandboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Sandboxes] = WeakKeyDictionary()


def sandboxes() -> Sandboxes:
    """Those of this event loop, shared by runs and the Test tab."""
    loop = asyncio.get_running_loop()
    if loop not in _sandboxes:
        _sandboxes[loop] = Sandboxes(_make, environments())
    return _sandboxes[loop]


def all_sandboxes() -> list[Sandboxes]:
    """Those of every event loop of this process."""
    return list(_sandboxes.values())


def environments() -> Environments:
    """The environments of tools that ask for packages of their own."""
    return Environments(settings.ADE_DATA_DIR / "environments")


def packages_of(tool: Tool) -> Requirements:
    """The packages of its own that a tool asks for, in its language."""
    return read_npm_json(tool.npm_requirements) if tool.source_type == TYPESCRIPT else read_json(tool.pip_requirements)


def _make(environment: Environment | None, preload: Preload) -> ForkServerSandbox:
    required = REQUIRED[settings.ADE_SANDBOX]
    if environment is None:
        idle = IDLE_IN_ENVIRONMENT if preload else IDLE
        return ForkServerSandbox(required=required, preload=preload, idle=idle, shared_paths=settings.ADE_TOOL_PATHS)
    if environment.is_for_node:
        return ForkServerSandbox(
            required=required,
            idle=IDLE_IN_ENVIRONMENT,
            shared_paths=settings.ADE_TOOL_PATHS,
            readable=[str(environment.directory)],
        )
    return ForkServerSandbox(
        python=environment.python,
        packages=environment.packages,
        required=required,
        idle=IDLE_IN_ENVIRONMENT,
        shared_paths=settings.ADE_TOOL_PATHS,
    )
