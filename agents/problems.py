"""Why an agent cannot be as it was asked for."""

from __future__ import annotations


class AgentProblem(ValueError):
    """An agent, a block or an attachment that cannot be so. The text is for a person."""


class UnknownHandle(AgentProblem):
    """The model's handle names a provider that Tandem cannot speak to."""


class Taken(AgentProblem):
    """A name that has to be alone, and another has it already."""
