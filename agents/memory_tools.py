"""The built-in tools by which an agent edits its own memory blocks. Names, arguments and meaning are Letta's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from access.database import in_database
from agents.block_edits import Edit, appended, inserted, replaced, replaced_everywhere, rewritten
from agents.edited_memory import MemoryProblem, edit_block
from agents.memory_commands import MEMORY, carry_out
from engine.ports import OnOutput
from tools.built_in import BuiltIn, Perform, ToolFault, register
from tools.models import ToolType
from tools.toolbox import Equipment

LABEL = {"type": "string", "description": "The label of the memory block to edit."}
REVIEW = "Review the change, and edit the block again if it is not as it should be."


def agent_of(equipment: Equipment) -> str:
    """The id of the agent that calls. Raises ToolFault where nobody's agent does."""
    if equipment.caller is None or not equipment.caller.agent_id:
        raise ToolFault("this tool works for an agent, and there is none here. Attach it to one and choose that.")
    return equipment.caller.agent_id


def _editing(edit_of: Callable[[Mapping[str, Any]], Edit]) -> Perform:
    """A tool that edits the block of argument `label` in the way that its other arguments say."""

    async def perform(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
        label = str(arguments["label"])
        try:
            block = await in_database(edit_block, agent_of(equipment), label, edit_of(arguments))
        except MemoryProblem as problem:
            raise ToolFault(str(problem)) from problem
        size = f"It has {len(block.value):,} of {block.limit:,} characters."
        return f"The core memory block with label `{label}` has been edited. {size} {REVIEW}"

    return perform


async def _command(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    try:
        return await in_database(carry_out, agent_of(equipment), arguments)
    except MemoryProblem as problem:
        raise ToolFault(str(problem)) from problem


async def _finish(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    return "Memory edits are finished."


def _declared(name: str, description: str, perform: Perform, **arguments: dict[str, Any]) -> BuiltIn:
    """A tool whose arguments are required unless they have a default."""
    required = [key for key, schema in arguments.items() if "default" not in schema]
    parameters = {"type": "object", "properties": arguments, "required": required}
    return BuiltIn(name, ToolType.LETTA_MEMORY_CORE, description, parameters, perform, tags=("memory",))


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


TOOLS = (
    _declared(
        "memory_insert",
        "Insert text into one of your memory blocks, as lines of their own. Good for adding to what is there.",
        _editing(lambda given: inserted(given["new_string"], given.get("insert_line", -1))),
        label=LABEL,
        new_string=_text("The text to insert."),
        insert_line={
            "type": "integer",
            "description": "The line after which to insert, counted from 1; 0 for the beginning, -1 for the end.",
            "default": -1,
        },
    ),
    _declared(
        "memory_replace",
        "Replace a piece of text in one of your memory blocks by another, or delete it. It has to stand there exactly "
        "once. Good for correcting what is there.",
        _editing(lambda given: replaced(given["old_string"], given["new_string"])),
        label=LABEL,
        old_string=_text(
            "The text to replace, exactly as it stands in the block, white space and line breaks included."
        ),
        new_string=_text("The text to put in its place; an empty one deletes."),
    ),
    _declared(
        "memory_rethink",
        "Rewrite one of your memory blocks from the first word to the last. Good for bringing order into a block; for "
        "small changes there are memory_insert and memory_replace.",
        _editing(lambda given: rewritten(given["new_memory"])),
        label=LABEL,
        new_memory=_text("The whole new text of the block. What is not in it is forgotten."),
    ),
    _declared("memory_finish_edits", "Say that you have finished editing your memory.", _finish),
    _declared(
        "core_memory_append",
        "Append text to one of your memory blocks, as a new line.",
        _editing(lambda given: appended(given["content"])),
        label=LABEL,
        content=_text("The text to append."),
    ),
    _declared(
        "core_memory_replace",
        "Replace text in one of your memory blocks, wherever it stands there. An empty new text deletes.",
        _editing(lambda given: replaced_everywhere(given["old_content"], given["new_content"])),
        label=LABEL,
        old_content=_text("The text to replace; it must match exactly."),
        new_content=_text("The text to put in its place."),
    ),
    BuiltIn("memory", ToolType.LETTA_MEMORY_CORE, MEMORY.description, MEMORY.parameters, _command, tags=("memory",)),
)


def register_all() -> None:
    """Add them to the tools that come with the server."""
    for tool in TOOLS:
        register(tool)
