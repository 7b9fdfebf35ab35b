"""Django admin of people and what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model
from django.http import HttpRequest

from access.models import Activity, ApiKey, LoginLink, Person

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Model]
else:
    AnyAdmin = admin.ModelAdmin  # knows no [Model] at run time


class ReadOnlyAdmin(AnyAdmin):
    """Rows that are looked at and never changed here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


admin.site.register(Person, UserAdmin)


@admin.register(ApiKey)
class ApiKeyAdmin(AnyAdmin):
    """Keys can be renamed, revoked and deleted; a new one is made where it can be shown once."""

    list_display = ("name", "prefix", "person", "created_at", "last_used_at", "revoked_at")
    readonly_fields = ("prefix", "person", "created_at", "last_used_at")
    exclude = ("digest",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(LoginLink)
class LoginLinkAdmin(ReadOnlyAdmin):
    list_display = ("person", "created_at", "expires_at", "used_at")
    exclude = ("digest",)


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin):
    list_display = ("at", "person", "via", "verb", "target_name", "target_id")
    list_filter = ("verb", "via")
    search_fields = ("target_name", "target_id")


admin.site.site_header = admin.site.site_title = "Tandem"
admin.site.index_title = "Everything that is stored"
