"""The row of a conversation; a part of runs.models, where everybody takes it from."""

from __future__ import annotations

from functools import partial

from django.db import models

from agents.models import Agent
from engine.ids import new_id


class Conversation(models.Model):
    """A history of an agent beside its own one, which is the messages without a conversation.

    `model` (a handle), `model_settings` and `context_window_limit` stand in for the agent's where they are set.
    `last_message_at` is when somebody last sent something.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "conv"), editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="conversations")
    summary = models.TextField(null=True, blank=True)
    description = models.TextField(null=True, blank=True)
    model = models.CharField(max_length=200, blank=True)
    model_settings = models.JSONField(default=dict, blank=True)
    context_window_limit = models.PositiveIntegerField(null=True, blank=True)
    is_hidden = models.BooleanField(default=False, help_text="Left out of lists")
    archived_at = models.DateTimeField(null=True, blank=True)
    last_message_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.summary or self.id
