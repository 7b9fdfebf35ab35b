"""Django admin of agents. What it saves goes through the roster, so that the activity log sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from access.activity import actor_of
from access.admin import AnyAdmin, ReadOnlyAdmin
from agents.memory import change_block, create_block
from agents.model_choice import HandleProblem, check_handle
from agents.models import Agent, AgentBlock, AgentTool, AgentVariable, Block, Identity, ParallelRefusal
from agents.problems import AgentProblem
from agents.roster import attach_tool, change_agent, create_agent, delete_agent, detach_tool
from agents.tool_rules import read_rules
from tools.forms import LinesField

if TYPE_CHECKING:
    AgentModelAdmin = admin.ModelAdmin[Agent]
    AttachmentAdmin = admin.ModelAdmin[AgentTool]
    BlockModelAdmin = admin.ModelAdmin[Block]
    AgentModelForm = forms.ModelForm[Agent]
    BlockModelForm = forms.ModelForm[Block]
else:
    AgentModelAdmin = AttachmentAdmin = BlockModelAdmin = admin.ModelAdmin
    AgentModelForm = BlockModelForm = forms.ModelForm


class AgentAdminForm(AgentModelForm):
    """Says beforehand what the roster would refuse."""

    description = LinesField(rows=2)
    system = LinesField(rows=12)

    def clean_model(self) -> str:
        try:
            return check_handle(self.cleaned_data["model"])
        except HandleProblem as problem:
            raise forms.ValidationError(str(problem)) from problem

    def clean_tool_rules(self) -> list[dict[str, Any]]:
        rules = self.cleaned_data["tool_rules"] or []
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise forms.ValidationError("Write a list of rules: [{…}, …].")
        try:
            return read_rules(rules)
        except AgentProblem as problem:
            raise forms.ValidationError(str(problem)) from problem


@admin.register(Agent)
class AgentAdmin(AgentModelAdmin):
    form = AgentAdminForm
    list_display = ("name", "model", "parallel_tool_calls", "created_at")
    list_filter = ("parallel_tool_calls",)
    search_fields = ("name", "description", "model")
    readonly_fields = ("id", "created_at", "updated_at")
    fields = (
        "id",
        "name",
        "description",
        "tags",
        "system",
        "model",
        "parallel_tool_calls",
        "temperature",
        "context_window",
        "max_output_tokens",
        "reasoning_effort",
        "thinking_budget",
        "tool_rules",
        "timezone",
        "created_at",
        "updated_at",
    )

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        actor = actor_of(request)
        saved = change_agent(actor, obj, fields) if change else create_agent(actor, fields=fields)
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Agent) -> None:
        delete_agent(actor_of(request), obj)

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[Agent]) -> None:
        for agent in queryset:
            delete_agent(actor_of(request), agent)


@admin.register(AgentTool)
class AgentToolAdmin(AttachmentAdmin):
    """Attachments are made and taken back, never changed."""

    list_display = ("agent", "tool")
    list_select_related = ("agent", "tool")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: AgentTool, form: Any, change: bool) -> None:
        attach_tool(actor_of(request), obj.agent, obj.tool)
        obj.__dict__.update(AgentTool.objects.get(agent=obj.agent, tool=obj.tool).__dict__)

    def delete_model(self, request: HttpRequest, obj: AgentTool) -> None:
        detach_tool(actor_of(request), obj.agent, obj.tool)

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[AgentTool]) -> None:
        for attachment in queryset:
            detach_tool(actor_of(request), attachment.agent, attachment.tool)


class BlockAdminForm(BlockModelForm):
    """Says beforehand what core memory would refuse."""

    description = LinesField(rows=2)
    value = LinesField(rows=10)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        value, limit = cleaned.get("value") or "", cleaned.get("limit")
        if limit is not None and len(value) > limit:
            self.add_error("value", f"At most {limit:,} characters; this text has {len(value):,}.")
        return cleaned


@admin.register(Block)
class BlockAdmin(BlockModelAdmin):
    form = BlockAdminForm
    list_display = ("label", "limit", "read_only", "updated_at")
    search_fields = ("label", "value")
    fields = ("label", "description", "value", "limit", "read_only", "tags")

    def save_model(self, request: HttpRequest, obj: Block, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        actor = actor_of(request)
        saved = change_block(actor, obj, fields) if change else create_block(actor, fields)
        obj.__dict__.update(saved.__dict__)


@admin.register(AgentBlock)
class AgentBlockAdmin(ReadOnlyAdmin):
    list_display = ("agent", "block")
    list_select_related = ("agent", "block")


@admin.register(AgentVariable)
class AgentVariableAdmin(ReadOnlyAdmin):
    """Which variables there are. Values are not shown here, not even encrypted."""

    list_display = ("agent", "key", "is_secret", "updated_at")
    list_select_related = ("agent",)
    search_fields = ("key", "agent__name")
    exclude = ("encrypted_value",)


@admin.register(Identity)
class IdentityAdmin(ReadOnlyAdmin):
    list_display = ("name", "identifier_key", "identity_type", "created_at")
    search_fields = ("name", "identifier_key")


@admin.register(ParallelRefusal)
class ParallelRefusalAdmin(AnyAdmin):
    """What endpoints have answered; deleting one asks the endpoint again."""

    list_display = ("handle", "learnt_at")
