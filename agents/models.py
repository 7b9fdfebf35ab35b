"""What an agent is."""

from __future__ import annotations

from functools import partial

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from access.models import Person
from engine.ids import new_id
from tools.models import Tool


class Block(models.Model):
    """A piece of core memory that stands in the system prompt of every agent it is attached to. `limit` is in characters;
    `extras` are the accepted fields that Tandem does not act on."""

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "block"), editable=False)
    label = models.CharField(max_length=100, db_index=True)
    value = models.TextField(blank=True)
    limit = models.PositiveIntegerField(default=100_000)
    description = models.TextField(blank=True)
    read_only = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict, blank=True)
    tags = models.JSONField(default=list, blank=True)
    template_name = models.CharField(max_length=200, blank=True, db_index=True)
    is_template = models.BooleanField(default=False)
    extras = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.label


class Agent(models.Model):
    """An agent: a model, a system prompt, tools and their rules, memory.

    `model` is a handle such as "openai/gpt-4.1". None in a model setting means the provider's default. `tool_rules`
    is a list in Letta's JSON, approvals included; `model_settings` and `llm_config` keep what clients sent besides
    the fields that Tandem acts on, `extras` the accepted fields that it does not act on.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "agent"), editable=False)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    system = models.TextField("System instructions", blank=True)
    tags = models.JSONField(default=list, blank=True)
    agent_type = models.CharField(max_length=40, default="letta_v1_agent")
    model = models.CharField(max_length=200)
    parallel_tool_calls = models.BooleanField("Parallel tool calls", default=False)
    temperature = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.0), MaxValueValidator(2.0)])
    context_window = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1_000)])
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    reasoning_effort = models.CharField(max_length=16, blank=True)
    thinking_budget = models.PositiveIntegerField(null=True, blank=True)
    model_settings = models.JSONField(default=dict, blank=True)
    llm_config = models.JSONField(default=dict, blank=True)
    tool_rules = models.JSONField(default=list, blank=True)
    extras = models.JSONField(default=dict, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    tools = models.ManyToManyField(Tool, through="AgentTool", related_name="agents")
    blocks = models.ManyToManyField(Block, through="AgentBlock", related_name="agents")
    created_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    updated_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class AgentTool(models.Model):
    """A tool attached to an agent; the model is told of them in this order."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE)
    tool = models.ForeignKey(Tool, on_delete=models.CASCADE)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["agent", "tool"], name="tool_attached_once")]

    def __str__(self) -> str:
        return f"{self.tool} of {self.agent}"


class AgentBlock(models.Model):
    """A block attached to an agent."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE)
    block = models.ForeignKey(Block, on_delete=models.CASCADE)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["agent", "block"], name="block_attached_once")]

    def __str__(self) -> str:
        return f"{self.block} of {self.agent}"


class AgentVariable(models.Model):
    """An environment variable that the agent's tools see. The value is stored encrypted, with a key that is not in the
    database; that of a secret is never shown again."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="variables")
    key = models.CharField(max_length=200)
    encrypted_value = models.BinaryField()
    is_secret = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["agent", "key"], name="variable_key_once")]

    def __str__(self) -> str:
        return self.key


class IdentityType(models.TextChoices):
    """What an identity stands for. Values are Letta's."""

    ORG = "org", "Organisation"
    USER = "user", "User"
    OTHER = "other", "Other"


class Identity(models.Model):
    """Somebody that an application knows by `identifier_key`, and the agents and blocks that are theirs.

    `properties` are {"key", "value", "type"} each, type being string, number, boolean or json.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "identity"), editable=False)
    identifier_key = models.CharField(max_length=250, unique=True)
    name = models.CharField(max_length=200)
    identity_type = models.CharField(max_length=8, choices=IdentityType.choices)
    properties = models.JSONField(default=list, blank=True)
    project_id = models.CharField(max_length=100, blank=True)
    agents = models.ManyToManyField(Agent, blank=True, related_name="identities")
    blocks = models.ManyToManyField(Block, blank=True, related_name="identities")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]
        verbose_name_plural = "identities"

    def __str__(self) -> str:
        return self.name


class ParallelRefusal(models.Model):
    """An endpoint that answered 400 to `parallel_tool_calls` for a model: it is not sent there again (rule 1.2)."""

    handle = models.CharField(max_length=200)
    base_url = models.CharField(max_length=300, blank=True)
    learnt_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["handle", "base_url"], name="refusal_learnt_once")]

    def __str__(self) -> str:
        return self.handle
