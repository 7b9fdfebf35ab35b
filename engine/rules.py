"""The tool rules an agent can have, in the words and the JSON of the Letta API (rule 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError


class RuleError(ValueError):
    """A tool rule that cannot be understood; the text is one sentence for whoever sent it."""


@dataclass(frozen=True, slots=True)
class RunFirst:
    """The tool must be the first call of a run. `args` override what the model writes for that call."""

    type: ClassVar[str] = "run_first"
    label: ClassVar[str] = "runs first"
    tool_name: str
    args: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChildArguments:
    """Arguments that override the model's when the child `name` is called after its parent."""

    name: str
    args: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ConstrainChildTools:
    """After the tool, the next call must be one of `children`."""

    type: ClassVar[str] = "constrain_child_tools"
    label: ClassVar[str] = "limits what follows"
    tool_name: str
    children: tuple[str, ...]
    child_arg_nodes: tuple[ChildArguments, ...] | None = None


@dataclass(frozen=True, slots=True)
class ParentLastTool:
    """The `children` may be called only right after the tool."""

    type: ClassVar[str] = "parent_last_tool"
    label: ClassVar[str] = "must come right before"
    tool_name: str
    children: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    """After the tool, its return chooses the next call.

    A return that is no key of `child_output_mapping` leads to `default_child`; without one anything may follow, or
    nothing where `require_output_mapping` is set.
    """

    type: ClassVar[str] = "conditional"
    label: ClassVar[str] = "its return chooses what follows"
    tool_name: str
    child_output_mapping: Mapping[str, str]
    default_child: str | None = None
    require_output_mapping: bool = False


@dataclass(frozen=True, slots=True)
class ExitLoop:
    """The run ends after the tool."""

    type: ClassVar[str] = "exit_loop"
    label: ClassVar[str] = "terminal"
    tool_name: str


@dataclass(frozen=True, slots=True)
class ContinueLoop:
    """The model is asked again after the tool, as it would be anyway."""

    type: ClassVar[str] = "continue_loop"
    label: ClassVar[str] = "continues"
    tool_name: str


@dataclass(frozen=True, slots=True)
class RequiredBeforeExit:
    """The run may not end before the tool was called."""

    type: ClassVar[str] = "required_before_exit"
    label: ClassVar[str] = "required before the end"
    tool_name: str


@dataclass(frozen=True, slots=True)
class MaxCountPerStep:
    """The tool may be called at most `max_count_limit` times for one input (Letta counts per request, not per step)."""

    type: ClassVar[str] = "max_count_per_step"
    label: ClassVar[str] = "limited count"
    tool_name: str
    max_count_limit: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class RequiresApproval:
    """A person decides about each call of the tool. The only rule that leaves the parallel flag alone (rule 1.1)."""

    type: ClassVar[str] = "requires_approval"
    label: ClassVar[str] = "needs approval"
    tool_name: str


ToolRule = (
    RunFirst
    | ConstrainChildTools
    | ParentLastTool
    | Conditional
    | ExitLoop
    | ContinueLoop
    | RequiredBeforeExit
    | MaxCountPerStep
    | RequiresApproval
)

RULE_TYPES: Mapping[str, type[ToolRule]] = {
    rule.type: rule
    for rule in (
        RunFirst,
        ConstrainChildTools,
        ParentLastTool,
        Conditional,
        ExitLoop,
        ContinueLoop,
        RequiredBeforeExit,
        MaxCountPerStep,
        RequiresApproval,
    )
}


_ADAPTERS: Mapping[str, TypeAdapter[ToolRule]] = {name: TypeAdapter(rule) for name, rule in RULE_TYPES.items()}


def parse_rule(json: Mapping[str, Any]) -> ToolRule:
    """The rule of one JSON object. Keys that the rule does not know, such as `prompt_template`, are ignored.

    Raises RuleError.
    """
    name = json.get("type")
    rule_type = RULE_TYPES.get(name) if isinstance(name, str) else None
    if rule_type is None:
        raise RuleError(f"Unknown tool rule type {name!r}; use one of {', '.join(RULE_TYPES)}.")
    known = {known_field.name for known_field in fields(rule_type)}
    try:
        rule = _ADAPTERS[rule_type.type].validate_python({key: value for key, value in json.items() if key in known})
    except ValidationError as error:
        raise RuleError(_explain(rule_type, error)) from error
    if not rule.tool_name:
        raise RuleError(f"Tool rule {rule_type.type}: tool_name must not be empty.")
    return rule


def _explain(rule_type: type[ToolRule], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].replace("tuple", "list")
    return f"Tool rule {rule_type.type}: {place}: {problem[:1].lower()}{problem[1:]}."


def dump_rule(rule: ToolRule) -> dict[str, Any]:
    """The rule as the Letta API writes it."""
    facts: dict[str, Any] = _ADAPTERS[rule.type].dump_python(rule, mode="json")
    return {"tool_name": facts.pop("tool_name"), "type": rule.type, "prompt_template": None, **facts}
