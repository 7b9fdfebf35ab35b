"""The tool `memory`: every operation on an agent's memory blocks as a command on a path, /memories/<label>."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.block_edits import inserted, replaced
from agents.edited_memory import (
    MemoryProblem,
    add_block,
    describe_block,
    drop_block,
    edit_block,
    label_of,
    read_block,
    relabel_block,
)

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the model is told of the tool."""

    description: str
    parameters: Mapping[str, Any]


def carry_out(agent_id: str, arguments: Arguments) -> str:
    """Do what the command asks; the return's text. Raises MemoryProblem."""
    return COMMANDS[arguments["command"]](agent_id, arguments)


def _view(agent_id: str, given: Arguments) -> str:
    block = read_block(agent_id, _label(given, "path"))
    lines = block.value.split("\n") if block.value else []
    numbered = "\n".join(f"{number}: {line}" for number, line in enumerate(lines, start=1))
    return numbered or f"The block `{block.label}` is empty."


def _create(agent_id: str, given: Arguments) -> str:
    label = _label(given, "path")
    add_block(agent_id, label, given.get("description") or "", given.get("file_text") or "")
    return f"The memory block `{label}` has been created."


def _replace(agent_id: str, given: Arguments) -> str:
    label = _label(given, "path")
    edit_block(agent_id, label, replaced(_text(given, "old_string"), given.get("new_string") or ""))
    return _edited(label)


def _insert(agent_id: str, given: Arguments) -> str:
    label, line = _label(given, "path"), given.get("insert_line")
    edit_block(agent_id, label, inserted(_text(given, "insert_text"), -1 if line is None else line))
    return _edited(label)


def _delete(agent_id: str, given: Arguments) -> str:
    label = _label(given, "path")
    drop_block(agent_id, label)
    return f"The memory block `{label}` is no longer part of your memory."


def _rename(agent_id: str, given: Arguments) -> str:
    """Two paths give a new label; one path with a description a new description."""
    if given.get("old_path") or given.get("new_path"):
        old, new = _label(given, "old_path"), _label(given, "new_path")
        relabel_block(agent_id, old, new)
        return f"The memory block `{old}` is called `{new}` now."
    label = _label(given, "path")
    describe_block(agent_id, label, _text(given, "description"))
    return f"The memory block `{label}` has a new description."


COMMANDS: Mapping[str, Callable[[str, Arguments], str]] = {
    "create": _create,
    "str_replace": _replace,
    "insert": _insert,
    "delete": _delete,
    "rename": _rename,
    "view": _view,
}


def _label(given: Arguments, key: str) -> str:
    label = label_of(_text(given, key))
    if not label:
        raise MemoryProblem(f"`{key}` names no block: it has to be /memories/ and the block's label.")
    return label


def _text(given: Arguments, key: str) -> str:
    if given.get(key) is None:
        raise MemoryProblem(f"The command {given['command']} needs `{key}`.")
    return str(given[key])


def _edited(label: str) -> str:
    return f"The memory block `{label}` has been edited."


def _argument(kind: str, description: str) -> dict[str, str]:
    return {"type": kind, "description": description}


MEMORY = Declaration(
    "Manage your memory blocks: view one, create one, replace or insert text, rename one, or remove one from your memory. "
    "A block is named by the path /memories/<label>.\n"
    "create: path, description, file_text. str_replace: path, old_string, new_string. insert: path, insert_line, "
    "insert_text. delete: path. rename: old_path and new_path, or path and a new description. view: path.",
    {
        "type": "object",
        "properties": {
            "command": {"type": "string", "enum": list(COMMANDS), "description": "What to do."},
            "path": _argument("string", "The block, as /memories/<label>."),
            "file_text": _argument("string", "create: the text that the block starts with."),
            "description": _argument("string", "create, rename: what belongs into the block."),
            "old_string": _argument("string", "str_replace: the text to replace; it has to stand there exactly once."),
            "new_string": _argument("string", "str_replace: the text to put in its place; an empty one deletes."),
            "insert_line": _argument(
                "integer", "insert: the line after which to insert; 0 for the beginning, -1 for the end."
            ),
            "insert_text": _argument("string", "insert: the text to insert."),
            "old_path": _argument("string", "rename: the block as it is called."),
            "new_path": _argument("string", "rename: the block as it shall be called."),
        },
        "required": ["command"],
    },
)
