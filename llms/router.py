"""From a handle to a client: one client per provider, key and base URL; and the models to choose from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from llms.catalogue import CatalogueModel, catalogue, describe
from llms.errors import ModelError
from llms.providers import PROVIDERS, Connection, Handle, Provider, ProviderClient
from llms.types import ModelClient

_NOT_FOR_CHAT = (
    "embedding", "whisper", "tts", "dall-e", "image", "moderation", "realtime", "transcribe", "audio", "sora",
    "davinci-002", "babbage-002", "instruct", "codex", "-pro", "deep-research", "computer-use", "search",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model to choose. `is_live`: its provider named it just now; `is_configured`: its provider has a connection."""

    model: CatalogueModel
    is_configured: bool
    is_live: bool


@dataclass(frozen=True, slots=True)
class ModelListing:
    """All models to choose from, and per provider that could not be asked, why."""

    models: tuple[ListedModel, ...]
    failures: Mapping[str, str] = field(default_factory=dict)


class ModelRouter:
    """`settings` maps names such as OPENAI_API_KEY to values; it is read at every call, so changes take effect."""

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        list_timeout: float = 5.0,
        list_lifetime: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._list_timeout = list_timeout
        self._list_lifetime = list_lifetime
        self._clock = clock
        self._clients: dict[tuple[str, Connection], ProviderClient] = {}
        self._names: dict[tuple[str, Connection], tuple[float, tuple[str, ...]]] = {}

    def client_for(self, handle: str) -> tuple[ModelClient, str]:
        """The client and the model's name to put into `ModelRequest.model`. Raises `BadHandle`, `ProviderNotConfigured`."""
        parsed = Handle.parse(handle)
        provider = PROVIDERS[parsed.provider]
        connection = provider.connection(self._settings)
        if connection is None:
            raise provider.not_configured()
        return self._client(provider, connection), parsed.model

    def is_configured(self, handle: str) -> bool:
        """Whether sending to this model can work at all. Raises `BadHandle`."""
        return PROVIDERS[Handle.parse(handle).provider].connection(self._settings) is not None

    async def list_models(self) -> ModelListing:
        """The bundled catalogue, with the configured providers' live models merged over it. Never raises."""
        answers = await asyncio.gather(*(self._list(provider) for provider in PROVIDERS.values()))
        models: list[ListedModel] = []
        failures: dict[str, str] = {}
        for listed, failure, provider in answers:
            models += listed
            if failure:
                failures[provider.name] = failure
        return ModelListing(tuple(models), failures)

    async def aclose(self) -> None:
        """Close all clients."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    def _client(self, provider: Provider, connection: Connection) -> ProviderClient:
        key = (provider.name, connection)
        if key not in self._clients:
            self._clients[key] = provider.connect(connection)
        return self._clients[key]

    async def _list(self, provider: Provider) -> tuple[list[ListedModel], str, Provider]:
        connection = provider.connection(self._settings)
        names: tuple[str, ...] = ()
        failure = ""
        if connection is not None:
            try:
                names = await self._live_names(provider, connection)
            except ModelError as error:
                failure = str(error)
            except TimeoutError:
                failure = f"{provider.display_name} did not list its models within {self._list_timeout:g} seconds."
        return _merge(provider, connection, names), failure, provider

    async def _live_names(self, provider: Provider, connection: Connection) -> tuple[str, ...]:
        key = (provider.name, connection)
        asked_at, names = self._names.get(key, (0.0, ()))
        if not names or self._clock() - asked_at > self._list_lifetime:
            async with asyncio.timeout(self._list_timeout):
                names = await self._client(provider, connection).list_models()
            self._names[key] = (self._clock(), names)
        return names


def _merge(provider: Provider, connection: Connection | None, names: tuple[str, ...]) -> list[ListedModel]:
    """Live models, after the bundled ones that the same endpoint may have too. Another endpoint than the provider's own
    that did list its models has those and no others."""
    live = [name for name in names if not any(part in name for part in _NOT_FOR_CHAT) or _is_elsewhere(connection)]
    bundled = [known for known in catalogue() if known.provider == provider.name]
    if names and _is_elsewhere(connection):
        bundled = [known for known in bundled if known.model in live]
    known_names = {known.model for known in bundled}
    models = bundled + [describe(f"{provider.name}/{name}") for name in sorted(live) if name not in known_names]
    return [ListedModel(model, connection is not None, model.model in live) for model in models]


def _is_elsewhere(connection: Connection | None) -> bool:
    if connection is None or not connection.base_url:
        return False
    own = {provider.own_base_url.removesuffix("/v1") for provider in PROVIDERS.values()}
    return connection.base_url.removesuffix("/v1") not in own
