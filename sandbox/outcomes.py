"""What became of a call, in the words the model and the person are told. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

from .frames import FrameKind
from .report import ReportKind
from .specs import Limits, Outcome, OutputStream, SandboxCall, SandboxResult
from .watch import Ending

STREAMS = {FrameKind.STDOUT: OutputStream.STDOUT, FrameKind.STDERR: OutputStream.STDERR}
MEANINGS = {
    signal.SIGSEGV: "a segmentation fault",
    signal.SIGBUS: "a bus error",
    signal.SIGABRT: "an abort",
    signal.SIGFPE: "an arithmetic fault",
    signal.SIGILL: "an illegal instruction",
    signal.SIGSYS: "a system call that the sandbox forbids",
    signal.SIGXCPU: "its limit of processor time",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """The supervisor's last words: why its watch ended, the tool's exit code (negative: signal), and what was cut."""

    ending: Ending
    code: int
    spoilt: bool
    cut: bool
    seconds: float
    dropped_stdout: int
    dropped_stderr: int
    kind: ReportKind = ReportKind.TEXT


@dataclass(slots=True)
class Told:
    """Everything that came from one supervisor, as it comes in. Without `ended` the supervisor itself was lost."""

    started: bool = False
    returned: str | None = None
    raised: str | None = None
    ended: Ended | None = None
    output: dict[OutputStream, list[str]] = field(default_factory=lambda: {stream: [] for stream in OutputStream})


def result_of(call: SandboxCall, told: Told) -> SandboxResult:
    """The result of a call whose supervisor has told all it will ever tell."""
    outcome, text = _verdict(call, told)
    full = _cut_bytes(text, call.limits.full_return_bytes)
    is_cut = len(full) < len(text) or (told.ended is not None and told.ended.cut)
    return SandboxResult(
        outcome=outcome,
        text=_shown(full, call.limits.return_chars, is_cut=is_cut),
        full_text=full,
        json_text="" if is_cut or outcome is not Outcome.SUCCESS else _json_text(told, full),
        stdout=_printed(told, OutputStream.STDOUT, call.limits),
        stderr=_printed(told, OutputStream.STDERR, call.limits),
        seconds=0.0 if told.ended is None else told.ended.seconds,
    )


def failure(call: SandboxCall, why: str) -> SandboxResult:
    """An error that is not the tool's doing."""
    text = _error(call, why)
    return SandboxResult(outcome=Outcome.ERROR, text=text, full_text=text)


def _json_text(told: Told, full: str) -> str:
    match told.ended.kind if told.ended else ReportKind.TEXT:
        case ReportKind.JSON:
            return full
        case ReportKind.NOTHING:
            return "null"
        case _:
            return ""


def _verdict(call: SandboxCall, told: Told) -> tuple[Outcome, str]:
    ended = told.ended
    if ended is None:
        return Outcome.ERROR, _error(call, "the process that watched over it was killed; the tool was ended")
    if ended.ending is Ending.TIMEOUT:
        return Outcome.TIMEOUT, _error(call, f"timed out after {call.limits.seconds:g} s")
    if told.returned is not None:
        return Outcome.SUCCESS, told.returned
    if told.raised is not None:
        return Outcome.ERROR, told.raised
    return Outcome.ERROR, _error(call, _death(call, ended))


def _death(call: SandboxCall, ended: Ended) -> str:
    if ended.ending is Ending.ABANDONED:
        return "the sandbox was shut down or its fork server died while the tool was running; the tool was ended"
    if ended.ending is Ending.PROCESSES:
        return f"ended because it had more than {call.limits.processes} processes"
    if ended.ending is Ending.DISK:
        return (
            f"ended because it held more than {call.limits.scratch_bytes / (1 << 20):,.0f} MiB or "
            f"{call.limits.scratch_files:,} files in its scratch directory"
        )
    if ended.ending is Ending.MEMORY:
        return f"ended because it used more than {call.limits.memory_bytes / (1 << 20):,.0f} MiB of memory"
    if ended.ending is Ending.CANCELLED:
        return "cancelled"
    what = f"the tool's process {_last_act(ended.code)} before the function returned"
    return f"{what}, and it had overwritten the memory for its result" if ended.spoilt else what


def _last_act(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"was killed by signal {-code}"
    meaning = MEANINGS.get(number)
    return f"was killed by {number.name}" + (f" ({meaning})" if meaning else "")


def _error(call: SandboxCall, why: str) -> str:
    return f"Error executing function {call.function}: {why}"


def _cut_bytes(text: str, limit: int) -> str:
    if len(text) * 4 <= limit:
        return text
    encoded = text.encode()
    return text if len(encoded) <= limit else encoded[:limit].decode("utf-8", "ignore")


def _shown(full: str, limit: int, *, is_cut: bool) -> str:
    if len(full) <= limit and not is_cut:
        return full
    kept = min(limit, len(full))
    more = "more than " if is_cut else ""
    return f"{full[:kept]}\n[return value cut: first {kept:,} of {more}{len(full):,} characters]"


def _printed(told: Told, stream: OutputStream, limits: Limits) -> str:
    text = "".join(told.output[stream])
    if told.ended is None:
        return text
    dropped = told.ended.dropped_stdout if stream is OutputStream.STDOUT else told.ended.dropped_stderr
    if dropped == 0:
        return text
    total = limits.output_chars + dropped
    return f"{text}\n[{stream.value} cut: first {limits.output_chars:,} of {total:,} characters]"
