"""Where everything is."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from ade.metrics import metrics
from ade.views import search
from api.routes import urls as api_urls

handler500 = "ade.outage.broken"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="agents:list"), name="home"),
    path("", include("access.urls")),
    path("search/", search, name="search"),
    path("", include("ade.pages.urls")),
    path("metrics", metrics, name="metrics"),
    path("agents/", include("agents.urls")),
    path("archives/", include("archives.urls")),
    path("tools/", include("tools.urls")),
    path("mcp/", include("mcp_servers.urls")),
    path("runs/", include("runs.urls")),
    path("folders/", include("folders.urls")),
    path("v1/", api_urls),
    path("admin/", admin.site.urls),
]
