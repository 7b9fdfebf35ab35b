"""What can go wrong when a model is asked. Each message says what to do next; the docstring is the rule."""

from __future__ import annotations


class ModelError(Exception):
    """A model could not be asked or gave no usable answer. `str(error)` is written for a person."""

    is_retryable = False
    retry_after: float | None = None  # seconds, when the provider said so


class BadHandle(ModelError, ValueError):
    """This is no "provider/model" of a provider that is built in."""


class ProviderNotConfigured(ModelError):
    """There is no key for this provider; the message names the variable to set."""


class BadKey(ModelError):
    """The provider refused the key (401 or 403)."""


class UnknownModel(ModelError):
    """The provider does not know this model (404)."""


class ContextTooLong(ModelError):
    """The history does not fit into the model's context window."""


class RefusedParallelParameter(ModelError):
    """The endpoint answered 400 to `parallel_tool_calls`: ask again without it, and remember (rule 1.2)."""


class BadRequest(ModelError):
    """The provider refused the request for another reason (4xx); its words are in the message."""


class Unavailable(ModelError):
    """The provider is overloaded or out of reach (429, 5xx, timeout, connection lost): worth asking again."""

    is_retryable = True

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TruncatedResponse(ModelError):
    """The stream ended without a finish reason (rule 3.9): nothing of it may be executed; asked again at most 3 times."""

    is_retryable = True
