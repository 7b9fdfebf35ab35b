"""The stub provider's embeddings: a vector counts the words of each of a few subjects, so that texts about one subject
are near to each other though they share no word.

In an input: NOVECTORS answers 500, SHORT leaves one vector out. The model "none" is not known; "turned" has the
same numbers in another order, as another model's vectors mean something else.
"""

from __future__ import annotations

import re
from typing import Any

SUBJECTS = (
    {"boat", "ship", "ferry", "vessel"},
    {"tea", "coffee", "drink", "thirsty"},
    {"night", "dark", "moon"},
)


def vector(text: str) -> list[float]:
    """One number for each subject, and one that is never nought."""
    words = re.findall(r"[a-z]+", text.lower())
    return [*(float(sum(word in subject for word in words)) for subject in SUBJECTS), 0.1]


def _made_by(model: str, text: str) -> list[float]:
    numbers = vector(text)
    return numbers[1:] + numbers[:1] if model == "turned" else numbers


def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a request body."""
    given = body["input"]
    texts = [given] if isinstance(given, str) else given
    if body["model"] == "none":
        return 404, _error("model_not_found", "The model does not exist or you do not have access to it.")
    if any("NOVECTORS" in text for text in texts):
        return 500, _error("server_error", "stub failure 500")
    if len(texts) > 2048 or any(not text for text in texts):
        return 400, _error("invalid_request_error", "'$.input' is invalid.")
    rows = [
        {"object": "embedding", "index": place, "embedding": _made_by(body["model"], text)}
        for place, text in enumerate(texts)
    ]
    if any("SHORT" in text for text in texts):
        rows.pop()
    # Compatible endpoints need not keep the order; the index tells.
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return 200, {"object": "list", "model": body["model"], "data": rows[::-1], "usage": usage}


def _error(code: str, words: str) -> dict[str, Any]:
    return {"error": {"type": code, "code": code, "param": None, "message": words}}
