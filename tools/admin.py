"""Django admin of tools. What it saves goes through the library, so that the activity log sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from access.activity import actor_of
from tools.forms import LinesField
from tools.library import change_tool, create_tool, delete_tool
from tools.models import Tool
from tools.problems import SourceError
from tools.source import read_source

if TYPE_CHECKING:
    ToolModelAdmin = admin.ModelAdmin[Tool]
    ToolModelForm = forms.ModelForm[Tool]
else:
    ToolModelAdmin, ToolModelForm = admin.ModelAdmin, forms.ModelForm


class ToolAdminForm(ToolModelForm):
    """Says beforehand what the library would refuse."""

    source_code = LinesField(rows=24, required=True)

    def clean_source_code(self) -> str:
        source = str(self.cleaned_data["source_code"])
        try:
            name = read_source(source, self.instance.args_json_schema).name
        except SourceError as error:
            raise forms.ValidationError(str(error)) from error
        if Tool.objects.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(f"There is already a tool called {name}. Name the function differently.")
        return source


@admin.register(Tool)
class ToolAdmin(ToolModelAdmin):
    """Name, description and schema follow from the source."""

    form = ToolAdminForm
    list_display = ("name", "tool_type", "enable_parallel_execution", "lock_group", "max_concurrency", "updated_at")
    list_filter = ("enable_parallel_execution", "tool_type")
    search_fields = ("name", "description")
    readonly_fields = ("id", "name", "tool_type", "description", "json_schema", "created_at", "updated_at")
    exclude = ("source_type", "args_json_schema", "pip_requirements", "npm_requirements", "metadata")

    def save_model(self, request: HttpRequest, obj: Tool, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        if change:
            saved = change_tool(actor_of(request), obj, fields)
        else:
            saved = create_tool(actor_of(request), source_code=fields.pop("source_code"), fields=fields)
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Tool) -> None:
        delete_tool(actor_of(request), obj)

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[Tool]) -> None:
        for tool in queryset:
            delete_tool(actor_of(request), tool)
