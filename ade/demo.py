"""The demo agent that a new dashboard starts with: the built-in model and three tools, two of them parallel-enabled."""

from __future__ import annotations

from django.db import transaction

from access.activity import Actor
from access.models import Activity
from agents.models import Agent
from agents.roster import create_agent
from tools.built_in import KINDS
from tools.demo import DEMO_TOOLS, read_demo_source
from tools.library import create_tool
from tools.models import Tool

AGENT_NAME = "Harbour guide"
DEMO_MESSAGE = "Look up tides on the web and in the database and send a message that you have started"
SEEDER = Actor(None, "first start")
SYSTEM = """\
You are the harbour guide of a stretch of coast with four harbours: Norhaven, Skerry Bay, Port Alder and Westmouth.

You answer questions about tides, harbours and notices to mariners. For every question look both on the web and in the
harbour database, and ask for these look-ups in one go: they do not depend on each other. When somebody wants the
operator to know something, send the operator a message of one or two plain sentences.

Say which source each fact comes from. Give times and heights with their units. Where the sources have nothing, say so."""


def seed_demo() -> Agent | None:
    """Make the demo agent where there has never been an agent; None where there is nothing to do.

    What people have changed or deleted stays so: a tool that exists already is attached as it is, and a demo agent that
    was deleted does not come back.
    """
    with transaction.atomic():
        if Agent.objects.exists() or Activity.objects.filter(via=SEEDER.via).exists():
            return None
        names = [_demo_tool(file_name, is_parallel=is_parallel).name for file_name, is_parallel in DEMO_TOOLS]
        return create_agent(
            SEEDER,
            fields={
                "name": AGENT_NAME,
                "description": "Answers questions about tides and harbours. Works without a key or a network.",
                "model": "demo/planner",
                "parallel_tool_calls": True,
                "system": SYSTEM,
                "tags": ["demo"],
            },
            tool_names=names,
        )


def _demo_tool(file_name: str, *, is_parallel: bool) -> Tool:
    existing = Tool.objects.filter(name=file_name.removesuffix(".py")).exclude(tool_type__in=KINDS).first()
    if existing is not None:
        return existing
    fields = {"enable_parallel_execution": is_parallel, "tags": ["demo"], "network": "off"}
    return create_tool(SEEDER, source_code=read_demo_source(file_name), fields=fields)
