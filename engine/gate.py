"""Tool rules at the moment a call would start (rule 4.2)."""

from __future__ import annotations

import json
from dataclasses import replace

from engine.arguments import ArgumentProblem, check_arguments
from engine.plan import PlannedCall
from engine.rule_solver import PastCall, is_terminal, prefilled, prescribable, violation
from engine.specs import AgentSpec, Outcome, ToolResult


class RuleGate:
    """Judges each call with the history that includes the calls before it in the same batch.

    `past` is extended in place as calls end; `ended_by` is the terminal tool that was called, or "".
    """

    def __init__(self, agent: AgentSpec, past: list[PastCall]) -> None:
        self._agent = agent
        self._past = past
        self.ended_by = ""

    def judge(self, planned: PlannedCall) -> PlannedCall:
        """The call as it may start: settled where a rule forbids it, with the arguments that a rule prescribes."""
        if planned.result is not None or not self._agent.rules:
            return planned
        if self.ended_by:
            return _settle(planned, Outcome.SKIPPED, f"Skipped: {self.ended_by} ended the run before this call.")
        names = [tool.name for tool in self._agent.tools]
        broken = violation(self._agent.rules, names, self._past, planned.call.name)
        if broken is not None:
            return _settle(planned, Outcome.ERROR, broken)
        return self._prefill(planned)

    def note(self, name: str, result: ToolResult, *, has_run: bool) -> None:
        """A call has ended; `has_run` is false for one that was answered without running."""
        call = PastCall(name, result.text, result.outcome, has_run=has_run)
        self._past.append(call)
        if call.counts and is_terminal(self._agent.rules, call.name):
            self.ended_by = call.name

    def _prefill(self, planned: PlannedCall) -> PlannedCall:
        assert planned.arguments is not None and planned.tool is not None  # a call without a result has both
        arguments = prefilled(self._agent.rules, self._past, planned.call.name, planned.arguments)
        if not prescribable(self._agent.rules, planned.call.name):
            return planned
        checked = check_arguments(json.dumps(dict(arguments)), planned.tool.parameters)
        if isinstance(checked, ArgumentProblem):
            text = f"Error executing function {planned.call.name}: {checked.message}"
            return _settle(planned, Outcome.ERROR, text)
        return replace(planned, arguments=checked.values)


def _settle(planned: PlannedCall, outcome: Outcome, text: str) -> PlannedCall:
    return replace(planned, result=ToolResult(planned.call.id, outcome, text))
