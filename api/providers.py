"""/v1/providers: where models come from. Providers are set up by the server's environment, not over the API."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, NoReturn
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Schema

from agents.model_shapes import known_to_sdks
from api.errors import ApiProblem, invalid
from api.paging import Cursor, page_of
from llms.errors import BadKey, ModelError
from llms.providers import PROVIDERS, Connection, Provider

router = Router(tags=["Providers"])

_SECONDS = 10.0


class ProviderFilter(Cursor):
    """Which providers to list."""

    name: str | None = None
    provider_type: str | None = None


class NewProvider(Schema):
    """A provider to set up, as clients ask for it."""

    name: str
    provider_type: str
    api_key: str | None = None
    base_url: str | None = None
    provider_category: Literal["base", "byok"] | None = None


class ProviderFields(Schema):
    """What clients would change of a provider."""

    api_key: str | None = None
    base_url: str | None = None


class KeyToCheck(Schema):
    """A key, and whose it is."""

    provider_type: str
    api_key: str


@router.get("/providers")
def list_providers(request: HttpRequest, chosen: Query[ProviderFilter]) -> list[dict[str, Any]]:
    """The providers that have a key or a base URL, and the one that needs none. Keys are never told."""
    page = page_of(chosen, order="asc")
    states = [_state(provider) for provider in _configured()]
    if page.order == "desc":
        states.reverse()
    if chosen.name or chosen.provider_type:
        states = [state for state in states if _fits(state, chosen)]
    ids = [state["id"] for state in states]
    if page.after in ids:
        states = states[ids.index(page.after) + 1 :]
    elif page.before in ids:
        states = states[: ids.index(page.before)]
    return states[: page.limit]


@router.post("/providers")
def create(request: HttpRequest, body: NewProvider) -> None:
    """Not over the API: the answer says what to set instead."""
    _refuse(_of_type(body.provider_type))


# Before the paths of one provider: "check" must not be taken for an id.
@router.post("/providers/check")
async def check(request: HttpRequest, body: KeyToCheck) -> dict[str, str]:
    """Ask the provider whether it takes this key: 401 where it does not. The base URL is the server's own setting."""
    provider = _of_type(body.provider_type)
    configured = provider.connection(_environment()) or Connection()
    return await _ask(provider, Connection(body.api_key, configured.base_url))


@router.get("/providers/{provider_id}")
def retrieve(request: HttpRequest, provider_id: str) -> dict[str, Any]:
    """One provider."""
    return _state(_provider(provider_id))


@router.post("/providers/{provider_id}/check")
async def check_configured(request: HttpRequest, provider_id: str) -> dict[str, str]:
    """Ask a provider whether it takes the key that the server has."""
    provider = _provider(provider_id)
    return await _ask(provider, provider.connection(_environment()) or Connection())


@router.patch("/providers/{provider_id}")
def update(request: HttpRequest, provider_id: str, body: ProviderFields) -> None:
    """Not over the API: the answer says what to set instead."""
    _refuse(_provider(provider_id))


@router.delete("/providers/{provider_id}")
def delete(request: HttpRequest, provider_id: str) -> None:
    """Not over the API: the answer says what to unset instead."""
    _refuse(_provider(provider_id))


def _state(provider: Provider) -> dict[str, Any]:
    connection = provider.connection(_environment())
    return {
        "id": _id(provider),
        "name": provider.name,
        "provider_type": known_to_sdks(provider.name),
        "provider_category": "base",
        "base_url": (connection and connection.base_url) or provider.own_base_url or None,
        "api_key": None,
        "access_key": None,
        "region": None,
        "api_version": None,
        "organization_id": None,
        "updated_at": None,
        "last_synced": None,
        "is_configured": connection is not None,
    }


def _id(provider: Provider) -> str:
    """The same at every start and on every server: providers are no rows."""
    return f"provider-{uuid5(NAMESPACE_URL, f'provider:{provider.name}')}"


def _configured() -> list[Provider]:
    return [provider for provider in PROVIDERS.values() if provider.connection(_environment()) is not None]


def _fits(state: dict[str, Any], chosen: ProviderFilter) -> bool:
    wanted = {"name": chosen.name, "provider_type": chosen.provider_type}
    return all(value is None or state[name] == value for name, value in wanted.items())


def _provider(provider_id: str) -> Provider:
    if not provider_id.startswith("provider-"):
        raise invalid(f"{provider_id!r} is no provider id; they look like 'provider-<uuid>'.")
    for provider in PROVIDERS.values():
        if _id(provider) == provider_id:
            return provider
    raise ApiProblem(404, f"Provider not found with id '{provider_id}'.")


def _of_type(provider_type: str) -> Provider:
    provider = PROVIDERS.get(provider_type)
    if provider is None or not provider.key_setting:
        kinds = ", ".join(name for name, known in PROVIDERS.items() if known.key_setting)
        raise ApiProblem(
            400,
            f"Tandem speaks to providers of the types {kinds}, not {provider_type!r}. An endpoint that speaks OpenAI's "
            "API is of the type openai.",
        )
    return provider


def _refuse(provider: Provider) -> NoReturn:
    if not provider.key_setting:
        raise ApiProblem(400, f"{provider.display_name} comes with the server and has nothing to set.", is_final=True)
    raise ApiProblem(
        400,
        f"Providers are set up by the server's environment: set {provider.key_setting} (and {provider.base_url_setting} "
        "for another endpoint than the provider's own) and start the server again.",
        is_final=True,
    )


async def _ask(provider: Provider, connection: Connection) -> dict[str, str]:
    """Have the provider list its models with this connection. Raises ApiProblem where it does not."""
    if provider.key_setting and connection == Connection():
        raise ApiProblem(400, str(provider.not_configured()))
    try:
        client = provider.connect(connection)
        try:
            async with asyncio.timeout(_SECONDS):
                await client.list_models()
        finally:
            await client.aclose()
    except BadKey as error:
        raise ApiProblem(401, str(error)) from error
    except ModelError as error:
        raise ApiProblem(400, str(error), is_final=True) from error
    except TimeoutError as error:
        text = f"{provider.display_name} did not answer within {_SECONDS:g} seconds."
        raise ApiProblem(400, text, is_final=True) from error
    return {"message": f"{provider.display_name} takes the key."}


def _environment() -> dict[str, str]:
    return {
        name: getattr(settings, name)
        for provider in PROVIDERS.values()
        for name in (provider.key_setting, provider.base_url_setting)
        if name
    }
