"""What a tool is."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from engine.ids import new_id


class ToolType(models.TextChoices):
    """How a tool is called. Values are Letta's."""

    CUSTOM = "custom", "Custom"
    LETTA_CORE = "letta_core", "Built in: messages and archival memory"
    LETTA_MEMORY_CORE = "letta_memory_core", "Built in: memory blocks"
    LETTA_BUILTIN = "letta_builtin", "Built in: code and web"
    LETTA_FILES_CORE = "letta_files_core", "Built in: files"
    EXTERNAL_MCP = "external_mcp", "MCP server"


class NetworkAccess(models.TextChoices):
    """What a tool may reach over the network."""

    OFF = "off", "Off"
    WEB = "web", "Web (DNS, ports 80 and 443)"
    FULL = "full", "Everything"


class Tool(models.Model):
    """A tool of the library. `json_schema` is {"name", "description", "parameters"}, as the model is told of it.

    `timeout_seconds` None means `ADE_TOOL_TIMEOUT`; `max_concurrency` None means no cap; `lock_group` "" means none.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "tool"), editable=False)
    name = models.CharField(max_length=128, unique=True)
    tool_type = models.CharField(max_length=32, choices=ToolType.choices, default=ToolType.CUSTOM)
    description = models.TextField(blank=True)
    source_type = models.CharField(max_length=16, default="python")
    source_code = models.TextField(blank=True)
    json_schema = models.JSONField(default=dict, blank=True)
    args_json_schema = models.JSONField(null=True, blank=True)
    tags = models.JSONField(default=list, blank=True)
    enable_parallel_execution = models.BooleanField("Enable parallel execution", default=False)
    default_requires_approval = models.BooleanField("Requires approval by default", default=False)
    return_char_limit = models.PositiveIntegerField(
        default=50_000, validators=[MinValueValidator(1), MaxValueValidator(1_000_000)]
    )
    timeout_seconds = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.1), MaxValueValidator(86_400)]
    )
    max_concurrency = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    lock_group = models.CharField(max_length=64, blank=True)
    safe_to_retry = models.BooleanField("Safe to retry", default=False)
    network = models.CharField(max_length=8, choices=NetworkAccess.choices, default=NetworkAccess.WEB)
    pip_requirements = models.JSONField(null=True, blank=True)
    npm_requirements = models.JSONField(null=True, blank=True)
    metadata = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""
        return self.json_schema.get("parameters") or {"type": "object", "properties": {}}
