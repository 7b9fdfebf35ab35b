"""Arguments into a tool and return values out of it; the words for each end; the filter program. No processes."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import os
import struct
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Optional

import pytest
from pydantic import BaseModel, ValidationError

from sandbox.coerce import Record, bind, coerce, to_record
from sandbox.levels import EVERY_GUARD, Guard, Level
from sandbox.outcomes import Ended, Told, result_of
from sandbox.rehearsal import NOTHING_INJECTED
from sandbox.report import WORD_BYTES, ReportKind, ReportMemory
from sandbox.runner import outcome_of
from sandbox.scratch import PREFIX, Base, Room, remove_tree
from sandbox.seccomp import build_filter, build_network_filter
from sandbox.specs import Limits, Network, Outcome
from sandbox.values import described
from sandbox.watch import Ending
from tests.sandboxes import call_of


class City(BaseModel):
    name: str
    people: int = 0


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Trip:
    to: City
    day: datetime.date


@pytest.mark.parametrize(
    ("value", "hint", "wanted"),
    [
        ({"name": "Oslo"}, City, City(name="Oslo")),
        ([{"name": "Oslo"}], list[City], [City(name="Oslo")]),
        ({"a": {"name": "Oslo"}}, dict[str, City], {"a": City(name="Oslo")}),
        ({"name": "Oslo"}, City | None, City(name="Oslo")),
        (None, City | None, None),
        ({"name": "Oslo"}, Annotated[City, "where"], City(name="Oslo")),
        ({"to": {"name": "Oslo"}, "day": "2024-02-29"}, Trip, Trip(City(name="Oslo"), datetime.date(2024, 2, 29))),
        ("red", Colour, Colour.RED),
        ("2024-02-29T10:00:00", datetime.datetime, datetime.datetime(2024, 2, 29, 10)),
        ("1.10", decimal.Decimal, decimal.Decimal("1.10")),
        ("a/b", Path, Path("a/b")),
        ("5", int, 5),
        ("five", int, "five"),
        (5.0, int, 5),
        (5, float, 5.0),
        (True, int, True),
        ("true", bool, True),
        ([1, 1], set[int], {1}),
        ([1, "2"], tuple[int, int], (1, 2)),
        (["1", "2"], tuple[int, ...], (1, 2)),
        ("5", int | str, "5"),
        ({"any": 1}, Any, {"any": 1}),
        ({"any": 1}, None, {"any": 1}),
    ],
)
def test_arguments_become_what_the_annotation_says(value: Any, hint: Any, wanted: Any) -> None:
    got = coerce(value, hint)

    assert got == wanted
    assert type(got) is type(wanted)


def test_a_model_that_does_not_fit_says_why() -> None:
    with pytest.raises(ValidationError, match="people"):
        coerce({"name": "Oslo", "people": "many"}, City)


def test_missing_arguments_are_left_to_the_defaults_and_positional_ones_are_found() -> None:
    def tool(a: int, /, b: int = 2, *, c: int = 3) -> None: ...

    assert bind(tool, {"a": "1", "c": 5}, {}) == ([1], {"c": 5})


def test_what_may_be_none_and_was_left_out_is_none() -> None:
    def tool(
        a: int | None,
        b: Optional[str],  # noqa: UP045 - as people write it too
        c: int | None = 5,
        *,
        d: Annotated[int | None, "x"],
        e: int = 1,
    ) -> None: ...

    assert bind(tool, {"a": "1"}, {}) == ([], {"a": 1, "b": None, "d": None})
    assert bind(tool, {}, {})[1] == {"a": None, "b": None, "d": None}


def test_a_source_without_the_imports_of_its_annotations_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tool", ModuleType("tool"))
    sent = "def tool(words: List[str], least: Optional[int], how: Union[int, str] = 1) -> Dict[str, Any]: return [words, least]"
    asked = {"source": sent, "function": "tool", "arguments": {"words": ["a"]}, **NOTHING_INJECTED}
    assert outcome_of(asked) == (ReportKind.JSON, b'[["a"], null]')
    own = {**asked, "source": "Optional = 3\ndef tool(words): return Optional"}
    assert outcome_of(own) == (ReportKind.JSON, b"3")


def test_a_parameter_named_agent_state_gets_the_agents_state() -> None:
    def tool(n: int, agent_state: object) -> None: ...

    given = to_record({"memory": {"blocks": [{"label": "human", "value": "Ann"}]}})

    state = bind(tool, {"n": 1}, {"agent_state": given})[1]["agent_state"]
    assert state.memory.blocks[0].value == "Ann"
    assert state["memory"]["blocks"][0]["label"] == "human"
    assert state.memory.get_block("human").value == "Ann"
    with pytest.raises(AttributeError, match="nothing"):
        _ = state.nothing
    assert bind(lambda n: n, {"n": 1}, {"agent_state": given}) == ([], {"n": 1})
    assert isinstance(state, Record)


class Stubborn:
    def __str__(self) -> str:
        return "stubborn"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "None"),
        (True, "true"),
        (1.5, "1.5"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        ({"å": [1, None]}, '{"å": [1, null]}'),
        ({"n": [float("nan")], "c": City(name="Oslo")}, '{"n": ["NaN"], "c": {"name": "Oslo", "people": 0}}'),
        (City(name="Oslo"), '{"name": "Oslo", "people": 0}'),
        ([City(name="Oslo")], '[{"name": "Oslo", "people": 0}]'),
        (
            Trip(City(name="Oslo"), datetime.date(2024, 2, 29)),
            '{"to": {"name": "Oslo", "people": 0}, "day": "2024-02-29"}',
        ),
        (Colour.RED, '"red"'),
        ({1}, "[1]"),
        ((1, 2), "[1, 2]"),
        (b"\xffok", '"\\\\xffok"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Stubborn(), '"stubborn"'),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        ("\ud800", "\\ud800"),
        (["\ud800"], '["\\ud800"]'),
    ],
)
def test_return_values_become_text(value: Any, text: str) -> None:
    assert described(value)[1] == text


@pytest.mark.parametrize(
    ("value", "kind"),
    [("[1]", ReportKind.TEXT), (None, ReportKind.NOTHING), ([1], ReportKind.JSON), (float("nan"), ReportKind.TEXT),
     ({(1, 2): 3}, ReportKind.TEXT), (1, ReportKind.JSON)],
)  # fmt: skip
def test_what_was_json_is_told_from_a_text_that_looks_like_it(value: Any, kind: ReportKind) -> None:
    assert described(value)[0] is kind


def test_a_return_that_was_cut_has_no_value() -> None:
    whole = result_of(call_of("", "tool"), Told(returned="[1, 2]", ended=ended(kind=ReportKind.JSON)))
    cut = result_of(call_of("", "tool"), Told(returned="[1, 2", ended=ended(kind=ReportKind.JSON, cut=True)))
    nothing = result_of(call_of("", "tool"), Told(returned="None", ended=ended(kind=ReportKind.NOTHING)))

    assert (whole.json_text, cut.json_text, nothing.json_text) == ("[1, 2]", "", "null")


def ended(ending: Ending = Ending.EXITED, code: int = 0, **changes: Any) -> Ended:
    usual = Ended(ending, code, spoilt=False, cut=False, seconds=1.0, dropped_stdout=0, dropped_stderr=0)
    return dataclasses.replace(usual, **changes)


@pytest.mark.parametrize(
    ("told", "outcome", "text"),
    [
        (Told(returned="42", ended=ended()), Outcome.SUCCESS, "42"),
        (Told(raised="Error: x", ended=ended()), Outcome.ERROR, "Error: x"),
        (Told(returned="late", ended=ended(Ending.TIMEOUT, -9)), Outcome.TIMEOUT, "timed out after 2.5 s"),
        (Told(ended=ended(code=3)), Outcome.ERROR, "exited with code 3 before the function returned"),
        (Told(ended=ended(code=-11)), Outcome.ERROR, "killed by SIGSEGV (a segmentation fault)"),
        (Told(ended=ended(code=-24)), Outcome.ERROR, "killed by SIGXCPU (its limit of processor time)"),
        (Told(ended=ended(code=-63)), Outcome.ERROR, "killed by signal 63"),
        (Told(ended=ended(Ending.PROCESSES)), Outcome.ERROR, "more than 256 processes"),
        (Told(ended=ended(Ending.ABANDONED)), Outcome.ERROR, "its fork server died"),
        (Told(ended=ended(spoilt=True)), Outcome.ERROR, "had overwritten the memory for its result"),
        (Told(started=True), Outcome.ERROR, "the process that watched over it was killed"),
    ],
)
def test_each_end_has_its_words(told: Told, outcome: Outcome, text: str) -> None:
    result = result_of(call_of("", "tool", limits=Limits(seconds=2.5)), told)

    assert result.outcome is outcome
    assert text in result.text


def test_a_report_that_was_scribbled_over_is_no_report() -> None:
    memory = ReportMemory(100, b"w" * WORD_BYTES)
    assert memory.read() is None
    assert not memory.is_spoilt()

    memory.write(ReportKind.TEXT, "ä".encode() * 100)
    report = memory.read()
    assert report is not None
    assert (report.kind, report.cut, report.text.decode()) == (ReportKind.TEXT, True, "ä" * 50)

    memory._memory[WORD_BYTES : WORD_BYTES + 1] = b"\x09"
    assert memory.read() is None

    memory._memory[:4] = b"evil"
    assert memory.read() is None
    assert memory.is_spoilt()


def test_a_room_is_emptied_whatever_was_left_in_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    room = Room(tmp_path / "room", None)
    scratch = Path(room.take_scratch())
    (scratch / "link").symlink_to(kept)
    (room.path / "stray").touch()
    (room.path / "link").symlink_to(kept)
    room.path.chmod(0)

    room.empty()

    assert list(room.path.iterdir()) == []
    assert (kept / "file").exists()
    remove_tree(room.path)
    assert not room.path.exists()


def touch_and_remove(path: Path) -> None:
    path.touch()
    path.unlink()


def change_mode_and_back(path: Path) -> None:
    path.chmod(0o755)
    path.chmod(0o700)


def replace_directory(path: Path) -> None:
    path.rmdir()
    path.mkdir(0o700)


TOUCHES: dict[str, Callable[[Path], None]] = {
    "a file": lambda scratch: (scratch / "file").touch(),
    "a file that is gone": lambda scratch: touch_and_remove(scratch / "file"),
    "times": lambda scratch: os.utime(scratch, (1, 1)),
    "mode": change_mode_and_back,
    "beside it": lambda scratch: (scratch.parent / "stray").touch(),
    "beside it, gone": lambda scratch: touch_and_remove(scratch.parent / "stray"),
    "removed": lambda scratch: scratch.rmdir(),
    "replaced": replace_directory,
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES.keys())
def test_only_a_directory_that_was_never_touched_is_used_again(tmp_path: Path, touch: Callable[[Path], None]) -> None:
    room = Room(tmp_path / "room", None)
    room.make_scratch()
    time.sleep(0.05)
    first = room.take_scratch()
    room.empty()
    assert room.take_scratch() == first

    touch(Path(first))
    room.empty()
    second = room.take_scratch()

    assert second != first
    assert [str(path) for path in room.path.iterdir()] == [second]
    assert list(Path(second).iterdir()) == []


def test_a_directory_that_was_made_a_moment_ago_is_not_used_again(tmp_path: Path) -> None:
    """A change within the same tick of the kernel's clock would not be seen."""
    room = Room(tmp_path / "room", None)
    first = room.take_scratch()
    room.empty()
    assert room.take_scratch() != first


def test_what_a_killed_server_left_is_removed_and_what_is_held_is_not(tmp_path: Path) -> None:
    held, abandoned, fresh = Base(tmp_path), tmp_path / f"{PREFIX}old", tmp_path / f"{PREFIX}new"
    fresh.mkdir()
    abandoned.mkdir()
    (abandoned / "room").mkdir()
    for path in (held.path, abandoned):
        os.utime(path, (0, 0))

    another = Base(tmp_path)

    assert {held.path, fresh, another.path} == set(tmp_path.iterdir())
    another.remove()
    held.remove()
    assert list(tmp_path.iterdir()) == [fresh]


def test_a_level_tells_what_is_on_and_why_the_rest_is_not() -> None:
    off = {Guard.OWN_USER: "only root can change users"}
    level = Level(EVERY_GUARD - off.keys(), off, 7)

    assert level.has(Guard.FILES)
    assert level.contains_signals
    assert any("Landlock" in sentence for sentence in level.sentences())
    assert level.sentences()[-1].endswith("Reason: only root can change users")
    assert not Level(frozenset({Guard.FILES, Guard.PORTS}), {}, 4).contains_signals


def run_filter(program: bytes, number: int, first: int = 0, second: int = 0) -> int:
    """What the kernel would answer: an interpreter of the few instructions our filters use. x86_64."""
    data = struct.pack("=IIQ6Q", number, 0xC000003E, 0, first, second, 0, 0, 0, 0)
    code = list(struct.iter_unpack("=HBBI", program))
    position = accumulator = 0
    while True:
        operation, then, otherwise, value = code[position]
        match operation:
            case 0x06:
                return int(value)
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
                position += 1
            case 0x15 | 0x35 | 0x45:
                is_true = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
                position += 1 + (then if is_true[operation] else otherwise)


ALLOW, EPERM, EACCES, ENOSYS, KILL = 0x7FFF0000, 0x50001, 0x5000D, 0x50026, 0x80000000


@pytest.mark.parametrize(
    ("network", "number", "arguments", "verdict"),
    [
        (Network.OFF, 0, (), ALLOW),
        (Network.OFF, 101, (), EPERM),
        (Network.OFF, 435, (), ENOSYS),
        (Network.OFF, 56, (0x11,), ALLOW),
        (Network.OFF, 56, (0x10000011,), EPERM),
        (Network.OFF, 16, (0, 0x5412), EPERM),
        (Network.OFF, 16, (0, 0x5401), ALLOW),
        (Network.OFF, 41, (2,), EACCES),
        (Network.OFF, 41, (1,), EACCES),
        (Network.WEB, 41, (2,), ALLOW),
        (Network.WEB, 41, (1,), EACCES),
        (Network.FULL, 41, (1,), ALLOW),
        (Network.FULL, 41, (17,), EACCES),
        (Network.OFF, 0x40000000 + 1, (), KILL),
        (Network.OFF, 62, (77,), ALLOW),
    ],
)
def test_the_filter_answers(
    monkeypatch: pytest.MonkeyPatch, network: Network, number: int, arguments: tuple[int, ...], verdict: int
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    programs = (build_filter(), build_network_filter(network))

    verdicts = {run_filter(program, number, *arguments) for program in programs} - {ALLOW}
    assert verdicts == ({verdict} - {ALLOW})


@pytest.mark.parametrize("number", [62, 200, 234, 129, 297])
def test_without_other_walls_the_filter_lets_a_tool_signal_only_itself(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    program = build_filter(signals_only_to=77)

    assert run_filter(program, number, 77) == ALLOW
    for other in (0, 1, 78, 2**64 - 1, 2**64 - 77):
        assert run_filter(program, number, other) == EPERM
    assert run_filter(program, 424) == EPERM
    assert run_filter(program, 72, 3, 8) == EPERM
    assert run_filter(program, 72, 3, 1) == ALLOW
