"""The way to the models that this server has keys for."""

from __future__ import annotations

from django.conf import settings

from llms.providers import PROVIDERS
from llms.router import ModelRouter


def make_router() -> ModelRouter:
    """A router with the configured keys. Close it with `aclose`."""
    names = {name for provider in PROVIDERS.values() for name in (provider.key_setting, provider.base_url_setting)}
    return ModelRouter({name: getattr(settings, name) for name in names if name})
