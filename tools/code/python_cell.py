"""Runs a piece of Python as a notebook's cell does. It is the source of a tool: it runs in the sandbox, by itself."""

from typing import Any


def run_cell(code: str) -> dict[str, Any]:
    """The value of the last line, and the error that ended it, if any.

    Args:
        code: The code.
    """
    import ast
    import linecache
    import traceback

    name = "<code>"
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    names: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    results: list[str] = []
    try:
        tree = ast.parse(code, name)
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, name, "exec"), names)  # noqa: S102 - that is what the tool is for, and the sandbox
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), names)
            if value is not None:
                results.append(repr(value))
    except SystemExit as end:
        if end.code not in (None, 0):
            return {"results": results, "error": {"name": "SystemExit", "value": str(end.code), "traceback": ""}}
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the answer
        # Its own lines only: those of this function say nothing about the code.
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
        lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
        lines += traceback.format_exception_only(error)
        return {
            "results": results,
            "error": {"name": type(error).__name__, "value": str(error), "traceback": "".join(lines)},
        }
    return {"results": results}
