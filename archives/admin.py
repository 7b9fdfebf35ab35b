"""Django admin of archival memory: to look at; it is changed where its embedding models are asked."""

from __future__ import annotations

from django.contrib import admin

from access.admin import ReadOnlyAdmin
from archives.models import Archive, ArchiveAgent, Passage


@admin.register(Archive)
class ArchiveAdmin(ReadOnlyAdmin):
    list_display = ("name", "embedding", "made_by", "created_at")
    list_select_related = ("made_by",)
    search_fields = ("id", "name", "description")


@admin.register(ArchiveAgent)
class ArchiveAgentAdmin(ReadOnlyAdmin):
    list_display = ("archive", "agent")
    list_select_related = ("archive", "agent")


@admin.register(Passage)
class PassageAdmin(ReadOnlyAdmin):
    """Vectors are not shown: they are thousands of numbers."""

    list_display = ("__str__", "archive", "tags", "created_at")
    list_select_related = ("archive",)
    search_fields = ("id", "text")
    exclude = ("embedding", "search_row")
