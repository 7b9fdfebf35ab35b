"""What the tool rules allow next, decided from the calls that ended before (rules 4.1 and 4.2). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.rules import (
    Conditional,
    ConstrainChildTools,
    ExitLoop,
    MaxCountPerStep,
    ParentLastTool,
    RequiredBeforeExit,
    RunFirst,
    ToolRule,
)
from engine.specs import Outcome

VIOLATION_PREFIX = "[ToolConstraintError]"
"""How the return of a call begins that broke a rule, as Letta writes it."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call of this run, or of the runs it resumes, that has ended; `text` is its return.

    `has_run` is false for a call that was answered without running, as one with malformed arguments is.
    """

    name: str
    text: str
    outcome: Outcome
    has_run: bool = True

    @property
    def counts(self) -> bool:
        """Whether the rules see it: a call that was refused, denied or skipped has not happened; one that was
        interrupted may have, and so it counts."""
        if self.outcome is Outcome.INTERRUPTED:
            return True
        is_violation = self.outcome is Outcome.ERROR and self.text.startswith(VIOLATION_PREFIX)
        return self.has_run and not is_violation and self.outcome not in {Outcome.DENIED, Outcome.SKIPPED}


History = Sequence[PastCall]


@dataclass(frozen=True, slots=True)
class Allowance:
    """The tools that may be called next, in the order of the agent's tools.

    `is_forced` where the model must call one of them. `reason` says why not all are allowed, "" where they are.
    """

    allowed: tuple[str, ...]
    is_forced: bool
    reason: str


@dataclass(frozen=True, slots=True)
class _Barrier:
    """What one rule lets through now, and the sentence about it."""

    allowed: frozenset[str]
    sentence: str
    forces: bool = False


def allowance(rules: Sequence[ToolRule], tool_names: Sequence[str], history: History) -> Allowance:
    """What the model may call next. A rule about a tool that is not attached has no effect."""
    names, happened = frozenset(tool_names), _happened(history)
    barriers = _barriers(rules, names, happened)
    open_names = _common(names, barriers) or _way_out(rules, names, happened)
    allowed = tuple(name for name in tool_names if name in open_names)
    is_forced = bool(allowed) and any(barrier.forces for barrier in barriers)
    return Allowance(allowed, is_forced, " ".join(barrier.sentence for barrier in barriers))


def violation(rules: Sequence[ToolRule], tool_names: Sequence[str], history: History, name: str) -> str | None:
    """The return for a call of `name` that breaks a rule, which it names; None where the call may run.

    A tool that is not attached breaks no rule: that it is unknown is for rule 2.3 to say.
    """
    allowed = allowance(rules, tool_names, history).allowed
    if name in allowed or name not in tool_names:
        return None
    barriers = _barriers(rules, frozenset(tool_names), _happened(history))
    broken = " ".join(barrier.sentence for barrier in barriers if name not in barrier.allowed)
    return f"{VIOLATION_PREFIX} Cannot call {name}, valid tools include: {list(allowed)}. {broken}"


def is_terminal(rules: Sequence[ToolRule], name: str) -> bool:
    """Whether the run ends after a call of this tool."""
    return any(isinstance(rule, ExitLoop) and rule.tool_name == name for rule in rules)


def prefilled(
    rules: Sequence[ToolRule], history: History, name: str, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The arguments with those that the rules prescribe for this call written over the model's."""
    prescribed: dict[str, Any] = {}
    happened = _happened(history)
    for rule in rules:
        match rule:
            case RunFirst() if not happened and rule.tool_name == name:
                prescribed.update(rule.args or {})
            case ConstrainChildTools() if happened and happened[-1].name == rule.tool_name:
                for child in rule.child_arg_nodes or ():
                    if child.name == name:
                        prescribed.update(child.args or {})
            case _:
                pass
    return {**arguments, **prescribed}


def prescribable(rules: Sequence[ToolRule], name: str) -> frozenset[str]:
    """The arguments of the tool that a rule may prescribe for some call: the model need not give them, nor rightly."""
    nodes = [node for rule in rules if isinstance(rule, ConstrainChildTools) for node in rule.child_arg_nodes or ()]
    firsts = [rule.args for rule in rules if isinstance(rule, RunFirst) and rule.tool_name == name]
    prescriptions = [*firsts, *(node.args for node in nodes if node.name == name)]
    return frozenset(key for args in prescriptions for key in args or ())


def missing_before_exit(
    rules: Sequence[ToolRule], history: History, tool_names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The tools that must still be called before the run may end.

    With `tool_names` only attached tools are asked for: nobody can call another.
    """
    called = {call.name for call in _happened(history)}
    required = dict.fromkeys(rule.tool_name for rule in rules if isinstance(rule, RequiredBeforeExit))
    return tuple(name for name in required if name not in called and (tool_names is None or name in tool_names))


def _happened(history: History) -> tuple[PastCall, ...]:
    return tuple(call for call in history if call.counts)


def _barriers(rules: Sequence[ToolRule], names: frozenset[str], happened: tuple[PastCall, ...]) -> list[_Barrier]:
    """What holds something back now, in the order in which the rules are told."""
    return [
        *_first_barrier(rules, names, happened),
        *_follow_barriers(rules, names, happened),
        *_parent_barriers(rules, names, happened),
        *_count_barriers(rules, names, happened),
        *_exit_barriers(rules, names, happened),
    ]


def _first_barrier(
    rules: Sequence[ToolRule], names: frozenset[str], happened: tuple[PastCall, ...]
) -> Iterator[_Barrier]:
    first = [rule.tool_name for rule in rules if isinstance(rule, RunFirst) and rule.tool_name in names]
    if first and not happened:
        yield _Barrier(frozenset(first), f"Rule run_first: {_list(first, 'or')} must be called first.", forces=True)


def _follow_barriers(
    rules: Sequence[ToolRule], names: frozenset[str], happened: tuple[PastCall, ...]
) -> Iterator[_Barrier]:
    for rule in rules:
        if not happened or rule.tool_name != happened[-1].name:
            continue
        match rule:
            case ConstrainChildTools():
                yield _only(rule, names, rule.children, f"after {rule.tool_name}")
            case Conditional():
                child = _chosen_child(rule, happened[-1].text)
                if child is not None:
                    yield _only(rule, names, (child,), f"after this return of {rule.tool_name}")
                elif rule.require_output_mapping:
                    yield _only(rule, names, (), f"after this return of {rule.tool_name}")
            case _:
                pass


def _only(rule: ToolRule, names: frozenset[str], children: Sequence[str], when: str) -> _Barrier:
    may = f"only {_list(children, 'or')} may be called" if children else "no tool may be called"
    return _Barrier(names.intersection(children), f"Rule {rule.type}: {when} {may}.", forces=True)


def _parent_barriers(
    rules: Sequence[ToolRule], names: frozenset[str], happened: tuple[PastCall, ...]
) -> Iterator[_Barrier]:
    parents: dict[str, list[str]] = {}
    for rule in rules:
        if isinstance(rule, ParentLastTool):
            for child in rule.children:
                parents.setdefault(child, []).append(rule.tool_name)
    last = happened[-1].name if happened else None
    for child, its_parents in parents.items():
        if child in names and last not in its_parents:
            sentence = f"Rule parent_last_tool: {child} may be called only right after {_list(its_parents, 'or')}."
            yield _Barrier(names - {child}, sentence)


def _count_barriers(
    rules: Sequence[ToolRule], names: frozenset[str], happened: tuple[PastCall, ...]
) -> Iterator[_Barrier]:
    for rule in rules:
        if not isinstance(rule, MaxCountPerStep) or rule.tool_name not in names:
            continue
        limit = rule.max_count_limit
        if sum(call.name == rule.tool_name for call in happened) >= limit:
            times = "once" if limit == 1 else f"{limit} times"
            yield _Barrier(
                names - {rule.tool_name},
                f"Rule max_count_per_step: {rule.tool_name} may be called at most {times}.",
            )


def _exit_barriers(
    rules: Sequence[ToolRule], names: frozenset[str], happened: tuple[PastCall, ...]
) -> Iterator[_Barrier]:
    missing = missing_before_exit(rules, happened, tuple(names))
    for name in dict.fromkeys(rule.tool_name for rule in rules if isinstance(rule, ExitLoop)):
        first = [required for required in missing if required != name]
        if name in names and first:
            sentence = f"Rule required_before_exit: {_list(first, 'and')} must be called before {name} ends the run."
            yield _Barrier(names - {name}, sentence)


def _way_out(rules: Sequence[ToolRule], names: frozenset[str], happened: tuple[PastCall, ...]) -> frozenset[str]:
    """Where only a terminal tool may follow, but other tools must be called before the end: those other tools.

    Without this such rules would hold a run up until its step limit.
    """
    lasting = [*_parent_barriers(rules, names, happened), *_count_barriers(rules, names, happened)]
    passing = [*_first_barrier(rules, names, happened), *_follow_barriers(rules, names, happened)]
    if not _common(names, [*lasting, *passing]):
        return frozenset()
    return _common(names, lasting).intersection(missing_before_exit(rules, happened))


def _common(names: frozenset[str], barriers: Sequence[_Barrier]) -> frozenset[str]:
    return names.intersection(*(barrier.allowed for barrier in barriers))


def _chosen_child(rule: Conditional, text: str) -> str | None:
    """The child for this return: an exact key first, then one that is the same JSON literal, then the default."""
    if text in rule.child_output_mapping:
        return rule.child_output_mapping[text]
    same = (child for key, child in rule.child_output_mapping.items() if _literal(key) == _literal(text))
    return next(same, rule.default_child)


_WORDS = {"true": "true", "false": "false", "null": "null", "none": "null"}


def _literal(text: str) -> str:
    """One form for all ways to write a JSON literal: `True` as `true`, `"x"` as `x`, `1.0` as `1`."""
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text.startswith(("[", "{")):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _list(names: Sequence[str], conjunction: str) -> str:
    return f" {conjunction} ".join(filter(None, (", ".join(names[:-1]), names[-1])))
