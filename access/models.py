"""Who may come in, and what they did."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class Person(AbstractUser):
    """Somebody who signs in to the dashboard."""

    class Meta:
        verbose_name_plural = "people"


class ApiKey(models.Model):
    """A key for the API. Only its SHA-256 is stored; `prefix` is what people recognise it by."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="api_keys")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class LoginLink(models.Model):
    """A link that signs one person in, once. Only the token's SHA-256 is stored."""

    digest = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"login link of {self.person}"


class Activity(models.Model):
    """One thing somebody did: who, what, to what, and what it changed (`{field: [before, after]}`)."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    person = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL)
    via = models.CharField(max_length=120, help_text="The page, or the API key's name")
    verb = models.CharField(max_length=40)
    target_id = models.CharField(max_length=64, db_index=True)
    target_name = models.CharField(max_length=200)
    changes = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "activity"

    def __str__(self) -> str:
        return f"{self.verb} {self.target_name}"
