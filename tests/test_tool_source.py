"""A tool's name, description and schema come from its source, which is read and never run."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tools.problems import Problem, ProblemKind, SourceError
from tools.source import MAX_SOURCE_CHARACTERS, ToolSource, read_source

HEADER = """
import datetime, enum, typing as t
from enum import Enum, IntEnum, StrEnum, auto
from typing import Annotated, Any, Dict, List, Literal, NewType, Optional, Tuple, Union
from typing import Optional as Maybe
from pydantic import BaseModel, Field

class Colour(str, Enum):
    RED = "red"
    BLUE = "blue"

class Level(IntEnum):
    LOW = auto()
    HIGH = auto()

class Mode(StrEnum):
    Fast = auto()

class Odd(Enum):
    A = object()

class Place(BaseModel):
    name: str = Field(description="its name", min_length=1)
    depth: Optional[float] = Field(None, description="metres", ge=0)

class Port(Place):
    kind: ClassVar[str] = "port"
    _cache: dict = {}
    berths: list[Place] = Field(default_factory=list, description="the " + "berths")
    pilot: Optional[str] = Field(..., description="who, or null")

class Plain:
    x: int

class Ring(BaseModel):
    inner: "Ring" = Field(description="again")

Unit = Literal["m", "ft"]
Units = list[Unit]
Identity = NewType("Identity", int)
"""
PLACE = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "description": "its name"},
        "depth": {"type": "number", "minimum": 0, "description": "metres"},
    },
    "required": ["name"],
}


def with_parameter(annotation: str, default: str = "") -> str:
    return f'{HEADER}\ndef tool(a: {annotation}{default}):\n    """Do it.\n\n    Args:\n        a: the a\n    """\n'


def refused(source: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read_source(source)
    return caught.value


INTEGER, NUMBER, TEXT = {"type": "integer"}, {"type": "number"}, {"type": "string"}
PAIR = {
    "type": "array",
    "prefixItems": [INTEGER, TEXT],
    "items": {"anyOf": [INTEGER, TEXT]},
    "minItems": 2,
    "maxItems": 2,
}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("int", INTEGER),
        ("float", NUMBER),
        ("str", TEXT),
        ("bool", {"type": "boolean"}),
        ("list", {"type": "array", "items": TEXT}),
        ("List", {"type": "array", "items": TEXT}),
        ("list[int]", {"type": "array", "items": INTEGER}),
        ("List[List[str]]", {"type": "array", "items": {"type": "array", "items": TEXT}}),
        ("t.List[float]", {"type": "array", "items": NUMBER}),
        ("list[int | None]", {"type": "array", "items": {"anyOf": [INTEGER, {"type": "null"}]}}),
        ("dict", {"type": "object"}),
        ("Dict", {"type": "object"}),
        ('Literal["day", "week"]', {"type": "string", "enum": ["day", "week"]}),
        ("Literal[1, 2]", {"type": "integer", "enum": [1, 2]}),
        ('Literal["a", 1]', {"enum": ["a", 1]}),
        ("Tuple[int, str]", PAIR),
        ("tuple[int, str]", PAIR),
        ("Annotated[int, Field(ge=1, lt=9)]", {**INTEGER, "minimum": 1, "exclusiveMaximum": 9}),
        ('Annotated[list[str], "names"]', {"type": "array", "items": TEXT}),
        ("'int'", INTEGER),
        ("'list[Colour]'", {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}}),
        ("Colour", {"type": "string", "enum": ["red", "blue"]}),
        ("Level", {"type": "integer", "enum": [1, 2]}),
        ("Mode", {"type": "string", "enum": ["fast"]}),
        ("Unit", {"type": "string", "enum": ["m", "ft"]}),
        ("Units", {"type": "array", "items": {"type": "string", "enum": ["m", "ft"]}}),
        ("Identity", INTEGER),
        ("Place", PLACE),
        ("list[Place]", {"type": "array", "items": PLACE}),
    ],
)
def test_a_type_becomes_its_schema(annotation: str, schema: dict[str, Any]) -> None:
    parameters = read_source(with_parameter(annotation)).json_schema["parameters"]
    assert parameters["properties"]["a"] == {**schema, "description": "the a"}
    assert parameters["required"] == ["a"]


@pytest.mark.parametrize("annotation", ["Optional[int]", "int | None", "None | int", "Union[int, None]", "Maybe[int]"])
@pytest.mark.parametrize("default", ["", " = None"])
def test_an_optional_parameter_has_the_plain_schema_and_is_not_required(annotation: str, default: str) -> None:
    parameters = read_source(with_parameter(annotation, default)).json_schema["parameters"]
    assert parameters == {
        "type": "object",
        "properties": {"a": {"type": "integer", "description": "the a"}},
        "required": [],
    }


def test_an_optional_parameter_whose_default_is_not_none_may_be_given_as_null() -> None:
    schema = read_source(with_parameter("Optional[int]", " = 5")).json_schema["parameters"]["properties"]["a"]
    assert schema["anyOf"] == [{"type": "integer"}, {"type": "null"}]


def test_a_parameter_with_a_default_is_not_required() -> None:
    read = read_source(with_parameter("int", " = 5"))
    assert read.json_schema["parameters"]["required"] == []
    assert [(parameter.is_required, parameter.default) for parameter in read.parameters] == [(False, "5")]


def test_a_model_has_the_fields_of_its_bases_and_only_public_ones() -> None:
    schema = read_source(with_parameter("Port")).json_schema["parameters"]["properties"]["a"]
    assert list(schema["properties"]) == ["name", "depth", "berths", "pilot"]
    assert schema["properties"]["berths"] == {"type": "array", "items": PLACE, "description": "the berths"}
    assert schema["properties"]["pilot"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert schema["required"] == ["name", "pilot"]


WHOLE = '''
from __future__ import annotations

raise SystemExit("never run")

def last_but_one(x): ...

class Later:
    def method(self): ...

async def find(self, query: str, agent_state: AgentState, client, agent_id, *, limit: int | None = 3) -> list[str]:
    """Find pages.

    Looks everywhere,
    twice.

    Args:
        query (str): what to look for,
            in a few words
        limit: how many

    Returns:
        list[str]: the pages

    Examples:
        find("tides")
    """

DATA = 3
'''


def test_the_last_top_level_function_is_the_tool() -> None:
    read = read_source(WHOLE)
    assert (read.name, read.is_async, read.line) == ("find", True, 11)
    assert read.description == 'Find pages.\n\nLooks everywhere,\ntwice.\n\nExamples:\nfind("tides")'
    assert read.json_schema == {
        "name": "find",
        "description": read.description,
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "what to look for,\nin a few words"},
                "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "how many"},
            },
            "required": ["query"],
        },
    }
    assert read.injected == ("self", "agent_state", "client", "agent_id")


@pytest.mark.parametrize(
    "docstring",
    [
        "Do it.\n\n    Args:\n        a: the a",
        "Do it.\n\n    Parameters\n    ----------\n    a : int\n        the a",
        "Do it.\n\n    :param a: the a",
    ],
)
def test_other_docstring_styles_are_read_too(docstring: str) -> None:
    read = read_source(f'def tool(a: int):\n    """{docstring}\n    """')
    assert (read.description, read.parameters[0].schema["description"]) == ("Do it.", "the a")


def test_annotated_may_describe_what_the_docstring_does_not() -> None:
    read = read_source('def tool(a: Annotated[int, Field(description="the a")]):\n    """Do it."""')
    assert read.parameters[0].schema == {"type": "integer", "description": "the a"}


def test_a_tool_without_parameters_has_an_empty_object() -> None:
    read = read_source('def now() -> str:\n    """Tell the time."""')
    assert read.json_schema["parameters"] == {"type": "object", "properties": {}, "required": []}


SCHEMA_PREFIX = "Failed to derive json schema: Schema generation failed: "


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("def nd(a: int):\n    pass", 1, SCHEMA_PREFIX + "Function nd missing docstring"),
        ("x = 1\ndef nd():\n    ''''''", 2, SCHEMA_PREFIX + "Function nd missing docstring"),
        (
            "def nd2(\n    a: int,\n):\n    '''Do it.'''",
            2,
            f"{SCHEMA_PREFIX}Value error in schema generation: Parameter 'a' in function 'nd2' lacks a description in the docstring",
        ),
        (
            "def nd3(a):\n    '''Do it.\n\n    Args:\n        a: the a\n    '''",
            1,
            f"{SCHEMA_PREFIX}Type error in schema generation: Parameter 'a' in function 'nd3' lacks a type annotation",
        ),
        ("x = 1\ndef nd(:\n    pass", 2, "Failed to parse source code: invalid syntax"),
        ("def nd():\n\treturn 1\n        return 2", 3, "Failed to parse source code: "),
        ("", None, "Failed to parse source code: no function found"),
        ("class A:\n    def f(self): ...", None, "Failed to parse source code: no function found"),
        ("x = '\0'", None, "Failed to parse source code: "),
        ("x = '\ud800'", None, "Failed to parse source code: "),
        ("x = " + "-" * 5000 + "1", None, "Failed to parse source code: the source is nested too deeply"),
        ("x = " + "(" * 500, 1, "Failed to parse source code: "),
        ("#" * (MAX_SOURCE_CHARACTERS + 1), None, "Failed to parse source code: the source has 1,000,001 characters"),
        ("def f(*a: int):\n    '''Do it.'''", 1, "Parameter '*a' in function 'f' cannot be given by name"),
        ("def f(**a: int):\n    '''Do it.'''", 1, "Parameter '**a' in function 'f' cannot be given by name"),
        ("def suche_wörter():\n    '''Do it.'''", 1, "is not one that models accept"),
        (f"def {'f' * 65}():\n    '''Do it.'''", 1, "is not one that models accept"),
        (
            "def f(a: int):\n    '''Do it.\n\n    Args:\n        no colon\n    '''",
            2,
            "Docstring of function f cannot be read",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(source: str, line: int | None, message: str) -> None:
    error = refused(source)
    assert (error.line, message in str(error)) == (line, True), str(error)
    assert error.problems[0].hint


@pytest.mark.parametrize(
    ("annotation", "advice"),
    [
        ("int | str", "Optional[T]"),
        ("Union[int, str]", "Optional[T]"),
        ("Union[int, str, None]", "Optional[T]"),
        ("Dict[str, int]", "pydantic model"),
        ("dict[str, int]", "pydantic model"),
        ("Tuple[int, ...]", "list[T]"),
        ("tuple", "list[T]"),
        ("set[int]", "list[T]"),
        ("t.Sequence[int]", "list[T]"),
        ("t.Mapping[str, int]", "dict"),
        ("Any", "str"),
        ("bytes", "base64"),
        ("datetime.date", "Write str"),
        ("Optional", "Optional[str]"),
        ("None", "Optional[str]"),
        ("Unknown", "define Unknown"),
        ("Plain", "class Plain(BaseModel)"),
        ("Ring", "contains itself"),
        ("Odd", "plain text or number"),
        ("Literal[1.5]", "plain texts"),
        ("'list['", "must be a type"),
        ("lambda: 1", "Write a type"),
        ("list[Dict[str, int]]", "pydantic model"),
    ],
)
def test_a_type_without_a_schema_is_refused_with_what_to_write_instead(annotation: str, advice: str) -> None:
    error = refused(with_parameter(annotation))
    assert any(advice in problem.hint for problem in error.problems), error.problems
    assert "which no schema can be made of" in str(error)


def test_a_field_without_a_description_is_named_at_its_own_line() -> None:
    source = "class A(BaseModel):\n    x: int\n\ndef f(a: A):\n    '''Do it.\n\n    Args:\n        a: the a\n    '''"
    error = refused(source)
    assert (error.line, error.column) == (2, 4)
    assert "Field 'x' of model 'A' lacks a description" in str(error)


def test_every_problem_is_found_in_one_reading() -> None:
    source = "def f(\n    a,\n    b: int | str,\n    c: int,\n    *d: int,\n):\n    '''Do it.\n\n    Args:\n        b: the b\n    '''"
    found = [(problem.line, problem.kind) for problem in refused(source).problems]
    assert found == [
        (2, ProblemKind.TYPE),
        (2, ProblemKind.VALUE),
        (3, ProblemKind.TYPE),
        (4, ProblemKind.VALUE),
        (5, ProblemKind.TYPE),
    ]


def test_a_missing_docstring_is_said_once_and_not_again_for_each_parameter() -> None:
    assert len(refused("def f(a: int, b: int):\n    pass").problems) == 1


def test_types_that_multiply_are_stopped() -> None:
    doubling = "".join(f"A{n} = tuple[A{n + 1}, A{n + 1}]\n" for n in range(60))
    source = f"{doubling}A60 = int\ndef f(a: A0):\n    '''Do it.\n\n    Args:\n        a: the a\n    '''"
    assert "of more than 5,000 types" in str(refused(source))


def test_a_schema_of_the_arguments_stands_instead_of_the_signature() -> None:
    written = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    read = read_source("def f(a, *b):\n    '''Do it.'''", written)
    assert read.json_schema == {"name": "f", "description": "Do it.", "parameters": {"type": "object", **written}}


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ({"type": "array"}, "not an object"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "['properties']['a']"),
        ({"type": "object", "required": "a"}, "['required']"),
    ],
)
def test_a_schema_of_the_arguments_must_be_one(written: Mapping[str, Any], part: str) -> None:
    with pytest.raises(SourceError, match="args_json_schema") as caught:
        read_source("def f(a):\n    '''Do it.'''", written)
    assert part in str(caught.value)


def test_reading_runs_nothing(tmp_path: Any) -> None:
    marker = tmp_path / "ran"
    source = f"open({str(marker)!r}, 'w')\ndef f(a: int = open({str(marker)!r}, 'w')):\n    '''Do it.\n\n    Args:\n        a: the a\n    '''"
    assert read_source(source).name == "f"
    assert not marker.exists()


def test_problems_are_listed_in_the_order_of_the_lines() -> None:
    error = SourceError([Problem(7, "late", "Fix."), Problem(None, "whole", "Fix."), Problem(2, "early", "Fix.")])
    assert [problem.message for problem in error.problems] == ["whole", "early", "late"]


@given(st.text())
def test_any_text_is_read_or_refused(source: str) -> None:
    try:
        assert isinstance(read_source(source), ToolSource)
    except SourceError as error:
        assert error.problems


_TYPES = st.recursive(
    st.sampled_from(["int", "str", "float", "bool", "list", "dict", "Colour", "Place", "Port", "Unit", "Ring", "Any"]),
    lambda inner: st.one_of(
        inner.map("list[{}]".format),
        inner.map("Optional[{}]".format),
        st.tuples(inner, inner).map(lambda pair: f"tuple[{pair[0]}, {pair[1]}]"),
        st.tuples(inner, inner).map(lambda pair: f"Union[{pair[0]}, {pair[1]}]"),
    ),
    max_leaves=6,
)


@given(_TYPES)
def test_what_is_derived_is_always_a_valid_json_schema(annotation: str) -> None:
    try:
        schema = read_source(with_parameter(annotation)).json_schema
    except SourceError as error:
        assert error.problems
    else:
        Draft202012Validator.check_schema(schema["parameters"])
        assert json.loads(json.dumps(schema)) == schema
