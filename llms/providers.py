"""The kinds of providers, one line each, and the handles that name a model of one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self
from urllib.parse import urlsplit

from llms import anthropic_client, openai_client
from llms.anthropic_client import AnthropicClient
from llms.demo import DemoClient
from llms.errors import BadHandle, ProviderNotConfigured
from llms.openai_client import OpenAIClient
from llms.types import ModelClient


class ProviderClient(ModelClient, Protocol):
    """A client that holds connections and can say which models it reaches."""

    async def list_models(self) -> tuple[str, ...]:
        """Names of models, without the provider. Raises `ModelError`."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a provider is reached, and with what key. An empty `base_url` means the provider's own."""

    api_key: str = ""
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of provider. The setting names are those of the environment; empty where there is nothing to set."""

    name: str
    display_name: str
    key_setting: str
    base_url_setting: str
    own_base_url: str
    make: Callable[[Connection], ProviderClient]

    def connection(self, settings: Mapping[str, str]) -> Connection | None:
        """How to reach it with these settings, or none: a key, or a base URL alone, since local endpoints (Ollama, vLLM)
        want no key."""
        found = Connection(
            settings.get(self.key_setting, "").strip(), settings.get(self.base_url_setting, "").strip().rstrip("/")
        )
        return found if found != Connection() or not self.key_setting else None

    def connect(self, connection: Connection) -> ProviderClient:
        """A new client. Raises `ProviderNotConfigured` when the base URL is none."""
        if connection.base_url and not _is_url(connection.base_url):
            shown = f'{self.base_url_setting} is "{connection.base_url}", which is not a URL'
            raise ProviderNotConfigured(f"{shown}. It should look like {self.own_base_url}.")
        return self.make(connection)

    def not_configured(self) -> ProviderNotConfigured:
        """The error for a provider without a connection, saying what to do."""
        return ProviderNotConfigured(
            f"There is no key for {self.display_name}. Set {self.key_setting} (or {self.base_url_setting} for an endpoint "
            "that needs none) and start again, or choose demo/planner, which needs no key."
        )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        return False


def _make_openai(connection: Connection) -> ProviderClient:
    return OpenAIClient(base_url=connection.base_url, api_key=connection.api_key)


def _make_anthropic(connection: Connection) -> ProviderClient:
    # The SDK adds /v1 itself; people copy base URLs with it from elsewhere.
    return AnthropicClient(base_url=connection.base_url.removesuffix("/v1"), api_key=connection.api_key)


def _make_demo(connection: Connection) -> ProviderClient:
    return DemoClient()


_OPENAI, _ANTHROPIC = openai_client.DEFAULT_BASE_URL, anthropic_client.DEFAULT_BASE_URL
_ALL = (
    Provider("openai", "OpenAI", "OPENAI_API_KEY", "OPENAI_BASE_URL", _OPENAI, _make_openai),
    Provider("anthropic", "Anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", _ANTHROPIC, _make_anthropic),
    Provider("demo", "Demo", "", "", "", _make_demo),
)
PROVIDERS: Mapping[str, Provider] = {provider.name: provider for provider in _ALL}


@dataclass(frozen=True, slots=True)
class Handle:
    """A model by name: "openai/gpt-4.1". The model's own name may hold slashes."""

    provider: str
    model: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a handle. Raises `BadHandle` when the provider is none of ours or the model is missing."""
        provider, slash, model = text.strip().partition("/")
        if not slash or not provider or not model:
            raise BadHandle(f'"{text}" is no model handle: write provider/model, as in openai/gpt-4.1.')
        if provider not in PROVIDERS:
            raise BadHandle(f'There is no provider "{provider}": choose one of {", ".join(sorted(PROVIDERS))}.')
        return cls(provider, model)

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"
