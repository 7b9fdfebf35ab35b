"""The built-in tool run_code: a model's code in the sandbox, where custom tools run, and never in the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.ports import OnOutput
from engine.specs import Outcome
from sandbox.specs import Language, SandboxResult
from tools.built_in import BuiltIn, Returned
from tools.models import Tool, ToolType
from tools.toolbox import Equipment, run_source

_HERE = Path(__file__).parent
_CELLS: Mapping[str, tuple[Language, Path]] = {
    "python": (Language.PYTHON, _HERE / "python_cell.py"),
    "js": (Language.TYPESCRIPT, _HERE / "node_cell.ts"),
    "ts": (Language.TYPESCRIPT, _HERE / "node_cell.ts"),
}
_SCHEMA = {
    "name": "run_cell",
    "parameters": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
}


async def run_code(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> Returned:
    """The results, what was printed and the error, if any, as JSON text. Code that fails is a failed call."""
    language, path = _CELLS[arguments.get("language") or "python"]
    row = equipment.tool
    cell = Tool(
        name="run_cell",
        source_type=language.value,
        source_code=path.read_text(encoding="utf-8"),
        json_schema=_SCHEMA,
        timeout_seconds=row.timeout_seconds,
        return_char_limit=row.return_char_limit,
        network=row.network,
    )
    result = await run_source(cell, {"code": str(arguments["code"])}, on_output, equipment)
    ended = _ended(result)
    logs = {"stdout": result.stdout.splitlines(), "stderr": result.stderr.splitlines()}
    text = json.dumps({"results": ended.get("results") or [], "logs": logs, **_error_of(ended)}, ensure_ascii=False)
    outcome = Outcome(result.outcome)
    if outcome is Outcome.SUCCESS and "error" in ended:
        outcome = Outcome.ERROR
    return Returned(text, outcome, result.stdout, result.stderr)


def _ended(result: SandboxResult) -> dict[str, Any]:
    """What the cell reported; where it never came to that, how the sandbox says that it ended."""
    if Outcome(result.outcome) is Outcome.SUCCESS:
        try:
            told = json.loads(result.full_text or result.text)
        except ValueError:  # larger than what is kept of a return
            told = {"results": [result.text]}
        if isinstance(told, dict):
            return told
    why = result.text.removeprefix("Error executing function run_cell: ")
    return {"results": [], "error": {"name": str(result.outcome), "value": why, "traceback": ""}}


def _error_of(ended: Mapping[str, Any]) -> dict[str, Any]:
    return {"error": ended["error"]} if "error" in ended else {}


RUN_CODE = BuiltIn(
    "run_code",
    ToolType.LETTA_BUILTIN,
    "Run code in a sandbox of its own, with an empty scratch directory. Gives the value of the last expression, what was "
    "printed, and the error if it failed. Nothing is left for the next call.",
    {
        "type": "object",
        "properties": {
            "code": {"type": "string", "description": "The code to run."},
            "language": {
                "type": "string",
                "enum": list(_CELLS),
                "description": "What it is written in: python, js (JavaScript) or ts (TypeScript).",
            },
        },
        "required": ["code", "language"],
    },
    run_code,
    is_parallel=True,
    keeps_time=True,
    tags=("code",),
)
