"""A tool from its Python source: name, description and JSON schema, derived without running a line of it.

The rules are those of Letta's API: the last top-level function of the file is the tool; it needs a docstring, and each
parameter a type annotation and a description in the docstring (Google style).
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docstring_parser import ParseError

from tools.annotations import AnnotationReader
from tools.args_schema import schema_from_args
from tools.declarations import read_declarations
from tools.docstrings import DocstringText, read_docstring
from tools.fields import constant
from tools.problems import Problem, ProblemKind, SourceError

MAX_SOURCE_CHARACTERS = 1_000_000
INJECTED = frozenset({"self", "agent_state", "client", "agent_id"})

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter the model fills. `default` is as written in the source ("5"), None where there is none."""

    name: str
    schema: Mapping[str, Any]
    is_required: bool
    default: str | None
    line: int


@dataclass(frozen=True, slots=True)
class ToolSource:
    """What a source says about its tool. `json_schema` is {"name", "description", "parameters"}, ready to be stored.

    `injected` names the parameters that the model never sees and the caller fills: of self, agent_state, client, agent_id.
    """

    name: str
    description: str
    json_schema: dict[str, Any]
    parameters: tuple[Parameter, ...]
    injected: tuple[str, ...]
    is_async: bool
    line: int


def read_source(source: str, args_json_schema: Mapping[str, Any] | None = None) -> ToolSource:
    """Read a tool's source. `args_json_schema`, where given, stands instead of what the parameters say.

    Raises SourceError with every problem found.
    """
    module = _parsed(source)
    try:
        return _read_module(module, args_json_schema)
    except RecursionError:
        raise SourceError([_too_deep()]) from None


def _read_module(module: ast.Module, args_json_schema: Mapping[str, Any] | None) -> ToolSource:
    function = _tool_function(module)
    problems = _name_problems(function)
    docstring = _docstring(function, problems)
    arguments = _named_arguments(function)
    parameters: tuple[Parameter, ...] = ()
    if args_json_schema is None:
        problems += _unnamed_argument_problems(function)
        reader = AnnotationReader(read_declarations(module))
        described = docstring.parameters if docstring else None
        parameters = tuple(
            _parameter(function, argument, default, described, reader)
            for argument, default in arguments
            if argument.arg not in INJECTED
        )
        problems += reader.problems
    if problems:
        raise SourceError(problems)
    description = docstring.description if docstring else ""
    schema = _json_schema(function.name, description, parameters)
    return ToolSource(
        name=function.name,
        description=description,
        json_schema=schema
        if args_json_schema is None
        else schema_from_args(function.name, description, args_json_schema),
        parameters=parameters,
        injected=tuple(argument.arg for argument, _ in arguments if argument.arg in INJECTED),
        is_async=isinstance(function, ast.AsyncFunctionDef),
        line=function.lineno,
    )


def _parsed(source: str) -> ast.Module:
    if len(source) > MAX_SOURCE_CHARACTERS:
        message = f"the source has {len(source):,} characters"
        hint = f"At most {MAX_SOURCE_CHARACTERS:,} are accepted."
        raise SourceError([Problem(None, message, hint, ProblemKind.PARSE)])
    try:
        return ast.parse(source)
    except SyntaxError as error:
        hint = "Correct the Python at this line." if error.lineno else "Correct the Python source."
        column = error.offset - 1 if error.offset else None
        raise SourceError([Problem(error.lineno, error.msg, hint, ProblemKind.PARSE, column)]) from None
    except ValueError as error:  # NUL characters and lone surrogates
        raise SourceError([Problem(None, str(error), "Remove these characters.", ProblemKind.PARSE)]) from None
    except (RecursionError, MemoryError):
        raise SourceError([_too_deep()]) from None


def _too_deep() -> Problem:
    hint = "Split the deepest expression into several statements."
    return Problem(None, "the source is nested too deeply", hint, ProblemKind.PARSE)


def _tool_function(module: ast.Module) -> _Function:
    functions = [node for node in module.body if isinstance(node, _Function)]
    if not functions:
        hint = "Write the tool as a function at the top level; the last one in the file is the tool."
        raise SourceError([Problem(None, "no function found", hint, ProblemKind.PARSE)])
    return functions[-1]


def _name_problems(function: _Function) -> list[Problem]:
    if _NAME.fullmatch(function.name):
        return []
    message = f"Function name '{function.name[:80]}' is not one that models accept"
    hint = "Use at most 64 letters a to z, digits and underscores."
    return [Problem(function.lineno, message, hint, column=function.col_offset)]


def _docstring(function: _Function, problems: list[Problem]) -> DocstringText | None:
    text = ast.get_docstring(function)
    if not text or not text.strip():
        hint = 'Say in a docstring what it does, with an "Args:" section that describes each parameter.'
        message = f"Function {function.name} missing docstring"
        problems.append(Problem(function.lineno, message, hint, ProblemKind.SCHEMA, function.col_offset))
        return None
    try:
        return read_docstring(text)
    except ParseError as error:
        message = f"Docstring of function {function.name} cannot be read: {str(error).rstrip('.')}"
        hint = 'Write it in Google style: under "Args:" one line "name: description" for each parameter.'
        problems.append(Problem(function.body[0].lineno, message, hint))
        return None


def _named_arguments(function: _Function) -> list[tuple[ast.arg, ast.expr | None]]:
    """Each parameter with its default, in the order of the signature."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    defaults: list[ast.expr | None] = [*([None] * missing), *arguments.defaults]
    return [*zip(positional, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]


def _unnamed_argument_problems(function: _Function) -> list[Problem]:
    """Parameters that cannot be passed by name, as a model passes them."""
    arguments = function.args
    starred = [("*", arguments.vararg), ("**", arguments.kwarg)]
    found = [(f"{stars}{argument.arg}", argument) for stars, argument in starred if argument]
    found += [(argument.arg, argument) for argument in arguments.posonlyargs]
    return [
        Problem(
            argument.lineno,
            f"Parameter '{name}' in function '{function.name}' cannot be given by name",
            "Remove the / from the signature." if "*" not in name else "Write each parameter out by its name.",
            ProblemKind.TYPE,
            argument.col_offset,
        )
        for name, argument in found
    ]


def _parameter(
    function: _Function,
    argument: ast.arg,
    default: ast.expr | None,
    described: Mapping[str, str] | None,
    reader: AnnotationReader,
) -> Parameter:
    """One parameter; what is wrong with it goes to `reader.problems`. `described` is None without a readable docstring."""
    name, place = argument.arg, (argument.lineno, argument.col_offset)
    subject = f"Parameter '{name}' in function '{function.name}'"
    schema: dict[str, Any] = {}
    description = described.get(name, "") if described is not None else ""
    is_optional = False
    if argument.annotation is None:
        hint = f"Write its type, for example {name}: str."
        reader.problems.append(
            Problem(place[0], f"{subject} lacks a type annotation", hint, ProblemKind.TYPE, place[1])
        )
    else:
        read = reader.read(argument.annotation, subject)
        is_optional = read.is_optional
        description = description or read.notes.description
        # Where null and the default differ, the model must be able to say which of the two it means.
        keeps_null = is_optional and default is not None and constant(default) is not None
        schema = read.nullable() if keeps_null else read.schema
    if not description and described is not None:
        hint = f'Add under "Args:" a line "{name}: what it is".'
        reader.problems.append(
            Problem(place[0], f"{subject} lacks a description in the docstring", hint, column=place[1])
        )
    return Parameter(
        name=name,
        schema={**schema, "description": description},
        is_required=default is None and not is_optional,
        default=None if default is None else ast.unparse(default),
        line=argument.lineno,
    )


def _json_schema(name: str, description: str, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    properties = {parameter.name: dict(parameter.schema) for parameter in parameters}
    required = [parameter.name for parameter in parameters if parameter.is_required]
    inner = {"type": "object", "properties": properties, "required": required}
    return {"name": name, "description": description, "parameters": inner}
