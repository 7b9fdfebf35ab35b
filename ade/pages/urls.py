"""Pages for whoever runs this server."""

from django.urls import path, register_converter

from ade.pages import activity_page, models_page, settings_page
from llms.providers import PROVIDERS


class ProviderName:
    """A provider that Tandem speaks to."""

    regex = "|".join(PROVIDERS)

    def to_python(self, value: str) -> str:
        """The name itself."""
        return value

    def to_url(self, value: str) -> str:
        """The name itself."""
        return value


register_converter(ProviderName, "provider")

app_name = "ops"
urlpatterns = [
    path("settings/", settings_page.settings_page, name="settings"),
    path("settings/keys/", settings_page.make_key, name="make-key"),
    path("settings/keys/<int:key_id>/revoke/", settings_page.revoke_key, name="revoke-key"),
    path("settings/password/", settings_page.change_password, name="password"),
    path("settings/sandbox/", settings_page.sandbox_panel, name="sandbox"),
    path("settings/providers/<provider:name>/", settings_page.try_provider, name="try-provider"),
    path("settings/workers/", settings_page.worker_rows, name="workers"),
    path("activity/", activity_page.activity_page, name="activity"),
    path("models/", models_page.models_page, name="models"),
]
