"""The page Settings: keys, one's password, the sandbox, the providers, the workers."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.db import connection, transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from access.activity import actor_of, note
from access.keys import make_api_key
from access.models import ApiKey, Person
from access.replies import PageRequest, show, with_toast
from ade.pages.forms import KeyForm
from ade.pages.guards import GuardFacts, guard_facts
from ade.router import make_router
from llms.providers import PROVIDERS, Provider
from runs.fleet import workers
from sandbox.levels import ALWAYS
from sandbox.specs import SandboxUnavailable
from tools.toolbox import sandbox, sandbox_level

_LIBRARIES = ("channels", "daphne", "django-ninja", "openai", "anthropic", "procrastinate")


@require_GET
def settings_page(request: PageRequest) -> HttpResponse:
    """All of it. What has to be asked of the sandbox or a provider is loaded into the page or on a click."""
    person = _person(request)
    context = {
        "key_form": KeyForm(auto_id="key_%s"),
        "password_form": _password_form(person),
        "providers": [_provider_facts(provider) for provider in PROVIDERS.values()],
        "versions": _versions(),
        "database": connection.display_name,
        "has_redis": bool(settings.REDIS_URL),
        **_keys(),
        **_workers(),
    }
    return show(request, "settings/settings.html", context)


@require_POST
def make_key(request: PageRequest) -> HttpResponse:
    """A new key, shown in this answer and never again."""
    form = KeyForm(request.POST, auto_id="key_%s")
    if not form.is_valid():
        return show(request, "settings/settings.html#keys", {"key_form": form, **_keys()}, status=422)
    person, name = _person(request), form.cleaned_data["name"]
    with transaction.atomic():
        secret = make_api_key(person, name)
        note(actor_of(request), "created", target_id=f"key-{secret[:10]}", target_name=f"API key {name}")
    context = {"key_form": KeyForm(auto_id="key_%s"), "new_key": secret, "new_key_name": name, **_keys()}
    response = show(request, "settings/settings.html#keys", context)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
def revoke_key(request: PageRequest, key_id: int) -> HttpResponse:
    """This key opens nothing any more."""
    key = get_object_or_404(ApiKey, pk=key_id)
    if key.revoked_at is None:
        with transaction.atomic():
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
            note(actor_of(request), "revoked", target_id=f"key-{key.prefix}", target_name=f"API key {key.name}")
    response = show(request, "settings/settings.html#keys", {"key_form": KeyForm(auto_id="key_%s"), **_keys()})
    return with_toast(response, f"{key.name} is revoked")


@require_POST
def change_password(request: PageRequest) -> HttpResponse:
    """One's own password; the other sessions end, this one stays."""
    person = _person(request)
    form = _password_form(person, request)
    if not form.is_valid():
        return show(request, "settings/settings.html#password", {"password_form": form}, status=422)
    with transaction.atomic():
        form.save()
        note(actor_of(request), "changed password", target_id=f"person-{person.pk}", target_name=person.username)
    update_session_auth_hash(request, person)
    response = show(request, "settings/settings.html#password", {"password_form": _password_form(person)})
    return with_toast(response, "Password changed")


@require_GET
async def sandbox_panel(request: PageRequest) -> HttpResponse:
    """What keeps tools in here, in plain words. Starts the sandbox of this process where it has not been started."""
    facts, problem = await _guards()
    context = {"always": ALWAYS, "guards": facts, "problem": problem, "all_on": all(fact.is_on for fact in facts)}
    return await sync_to_async(show)(request, "settings/sandbox.html", context)


@require_POST
async def try_provider(request: PageRequest, name: str) -> HttpResponse:
    """Ask a provider for its models: the cheapest question that needs the key to be right."""
    provider = PROVIDERS[name]
    names, failure = await _models_of(provider)
    context = {"provider": provider, "names": names, "failure": failure}
    return await sync_to_async(show)(request, "settings/provider_answer.html", context)


@require_GET
def worker_rows(request: PageRequest) -> HttpResponse:
    """The workers as they are now."""
    return show(request, "settings/settings.html#workers", _workers())


async def _guards() -> tuple[list[GuardFacts], str]:
    try:
        await sandbox().start()
        return guard_facts(sandbox_level()), ""
    except SandboxUnavailable as error:
        return [], str(error)


async def _models_of(provider: Provider) -> tuple[tuple[str, ...], str]:
    router = make_router()
    try:
        listing = await router.list_models()
    finally:
        await router.aclose()
    live = (
        listed.model.model for listed in listing.models if listed.model.provider == provider.name and listed.is_live
    )
    return tuple(live), listing.failures.get(provider.name, "")


def _person(request: PageRequest) -> Person:
    assert isinstance(request.user, Person)  # the middleware lets nobody else in
    return request.user


def _password_form(person: Person, request: PageRequest | None = None) -> SetPasswordForm[Person]:
    """Who has a password proves it; who only ever came by link has none to prove."""
    kind = PasswordChangeForm if person.has_usable_password() else SetPasswordForm
    form = kind(person, request.POST if request else None)
    for field in form.fields.values():
        field.widget.attrs["class"] = "form-control"
        field.widget.attrs.pop("autofocus", None)  # it stands in the middle of a page
    return form


def _keys() -> dict[str, Any]:
    return {
        "keys": ApiKey.objects.select_related("person").order_by("revoked_at", "-created_at"),
        "has_configured_key": bool(settings.ADE_API_KEY),
    }


def _workers() -> dict[str, Any]:
    return {"workers": workers(), "lease_seconds": settings.ADE_LEASE_SECONDS, "works_here": settings.ADE_WORKER}


def _provider_facts(provider: Provider) -> dict[str, Any]:
    """Whether there is a key, never the key; a base URL's host is shown, what else stands in it may be secret."""
    names = [name for name in (provider.key_setting, provider.base_url_setting) if name]
    return {
        "provider": provider,
        "settings": [{"name": name, "is_set": bool(getattr(settings, name))} for name in names],
        "is_configured": not names or any(getattr(settings, name) for name in names),
    }


def _versions() -> list[tuple[str, str]]:
    return [
        ("Tandem", settings.VERSION),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        *((name, _version(name)) for name in _LIBRARIES),
        ("Kernel", f"{platform.system()} {platform.release()}"),
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
