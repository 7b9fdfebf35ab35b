"""Django admin of runs: to look at, never to change."""

from __future__ import annotations

from django.contrib import admin

from access.admin import ReadOnlyAdmin
from runs.models import (
    Callback,
    Conversation,
    HeldPermit,
    Message,
    ProviderTrace,
    Run,
    RunDelta,
    RunEvent,
    Step,
    ToolCall,
    WorkerLease,
)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("id", "agent", "status", "stop_reason", "created_at", "call_count", "saved_seconds")
    list_filter = ("status", "stop_reason")
    list_select_related = ("agent",)
    search_fields = ("id", "agent__name")


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ("id", "agent", "summary", "created_at", "last_message_at")
    list_select_related = ("agent",)
    search_fields = ("id", "summary", "agent__name")


@admin.register(Callback)
class CallbackAdmin(ReadOnlyAdmin):
    list_display = ("run_id", "url", "attempts", "status_code", "is_done")
    list_filter = ("is_done",)
    search_fields = ("run__id", "url")


@admin.register(ProviderTrace)
class ProviderTraceAdmin(ReadOnlyAdmin):
    list_display = ("step_id", "agent", "created_at")
    list_select_related = ("agent",)
    search_fields = ("step__id", "step__run__id")


@admin.register(Step)
class StepAdmin(ReadOnlyAdmin):
    list_display = ("id", "run", "index", "model", "status", "parallel")
    search_fields = ("id", "run__id")


@admin.register(ToolCall)
class ToolCallAdmin(ReadOnlyAdmin):
    list_display = ("id", "name", "state", "run", "phase", "mode", "started_at", "ended_at")
    list_filter = ("state", "mode")
    search_fields = ("id", "name", "run__id")


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("id", "agent", "position", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("agent",)
    search_fields = ("id", "agent__name", "run__id")


@admin.register(RunEvent)
class RunEventAdmin(ReadOnlyAdmin):
    list_display = ("run", "seq", "type", "at")
    list_filter = ("type",)
    search_fields = ("run__id",)


@admin.register(RunDelta)
class RunDeltaAdmin(ReadOnlyAdmin):
    list_display = ("run", "delta_seq", "kind")
    search_fields = ("run__id",)


admin.site.register([WorkerLease, HeldPermit], ReadOnlyAdmin)
