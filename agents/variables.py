"""An agent's variables: the environment of its tools, encrypted at rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import transaction

from access import activity
from access.activity import Actor
from agents.models import Agent, AgentVariable
from tools.redaction import MASK

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
# The sandbox sets these itself; another value would break a tool before it begins.
RESERVED = frozenset({"PATH", "HOME", "TMPDIR", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME"})
LONGEST_VALUE = 32_768


class VariableProblem(ValueError):
    """A variable that cannot be. The text says what to do; `field` is what it is about, key or value."""

    def __init__(self, text: str, field: str = "value") -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, slots=True)
class Environment:
    """What an agent's tools see: all variables, and those of them whose values must never be shown."""

    values: Mapping[str, str]
    secrets: frozenset[str]


def environment_of(agent_id: str) -> Environment:
    """The agent's variables, decrypted. Raises VariableProblem where the encryption key is another than it was."""
    variables = list(AgentVariable.objects.filter(agent_id=agent_id))
    values = {variable.key: decrypt(variable) for variable in variables}
    return Environment(values, frozenset(values[variable.key] for variable in variables if variable.is_secret))


def set_variable(actor: Actor, agent: Agent, key: str, value: str, *, is_secret: bool = True) -> AgentVariable:
    """Set one variable. Raises VariableProblem. The activity log learns the name, never the value."""
    check_variable(key, value)
    with transaction.atomic():
        variable, is_new = AgentVariable.objects.update_or_create(
            agent=agent, key=key, defaults={"encrypted_value": _encrypt(value), "is_secret": is_secret}
        )
        _note(actor, agent, "add variable" if is_new else "change variable", key)
    return variable


def add_variable(actor: Actor, agent: Agent, key: str, value: str, *, is_secret: bool) -> AgentVariable:
    """Set a variable that is not there yet. Raises VariableProblem, also where it is."""
    with transaction.atomic():
        if AgentVariable.objects.filter(agent=agent, key=key).exists():
            raise VariableProblem(f"There is a variable {key} already: change that one.", "key")
        return set_variable(actor, agent, key, value, is_secret=is_secret)


def change_variable(actor: Actor, agent: Agent, key: str, value: str | None, *, is_secret: bool) -> AgentVariable:
    """Change a variable that is there; None keeps its value. What was secret is never shown: to show the variable it
    needs another value. Raises VariableProblem, AgentVariable.DoesNotExist."""
    with transaction.atomic():
        variable = AgentVariable.objects.select_for_update().get(agent=agent, key=key)
        if value is not None:
            return set_variable(actor, agent, key, value, is_secret=is_secret)
        if variable.is_secret and not is_secret:
            raise VariableProblem(f"The value of {key} stays secret. Write another one that may be shown.")
        if is_secret != variable.is_secret:
            return set_variable(actor, agent, key, decrypt(variable), is_secret=is_secret)
    return variable


def delete_variable(actor: Actor, agent: Agent, key: str) -> None:
    """Delete one variable, if it is there."""
    with transaction.atomic():
        deleted, _ = AgentVariable.objects.filter(agent=agent, key=key).delete()
        if deleted:
            _note(actor, agent, "delete variable", key)


def replace_variables(actor: Actor, agent: Agent, values: Mapping[str, str], *, is_secret: bool | None = True) -> None:
    """Make these the agent's variables, as Letta's API means `secrets`. Raises VariableProblem.

    With `is_secret` None those that are there stay secret or shown, and new ones are secret. A value that is the mask
    is one that was read from us: the variable stays as it is.
    """
    with transaction.atomic():
        before = {variable.key: variable for variable in AgentVariable.objects.filter(agent=agent)}
        for key in before.keys() - values.keys():
            delete_variable(actor, agent, key)
        for key, value in values.items():
            if value == MASK and key in before:
                continue
            stays = before[key].is_secret if key in before else True
            set_variable(actor, agent, key, value, is_secret=stays if is_secret is None else is_secret)


def decrypt(variable: AgentVariable) -> str:
    """The value. Raises VariableProblem where it was encrypted with another key."""
    try:
        return _fernet().decrypt(bytes(variable.encrypted_value)).decode()
    except InvalidToken as error:
        raise VariableProblem(
            f"The variable {variable.key} was encrypted with another key. Restore ADE_ENCRYPTION_KEY (or the file "
            "encryption_key of the data directory), or set the variable anew."
        ) from error


def check_variable(key: str, value: str) -> None:
    """Raises VariableProblem for what no tool's environment can have."""
    if not _NAME.fullmatch(key):
        raise VariableProblem(
            f"{key!r} is no name of a variable: letters, digits and _ only, not a digit first.", "key"
        )
    if key in RESERVED:
        raise VariableProblem(f"{key} is set by the sandbox itself; choose another name.", "key")
    if "\0" in value or len(value) > LONGEST_VALUE:
        raise VariableProblem(f"The value of {key} has a NUL or more than {LONGEST_VALUE:,} characters.")


def _encrypt(value: str) -> bytes:
    return _fernet().encrypt(value.encode())


def _fernet() -> Fernet:
    try:
        return Fernet(settings.ADE_ENCRYPTION_KEY)
    except ValueError as error:
        raise VariableProblem("ADE_ENCRYPTION_KEY is no Fernet key: 32 url-safe base64-encoded bytes.") from error


def _note(actor: Actor, agent: Agent, verb: str, key: str) -> None:
    activity.note(actor, verb, target_id=agent.pk, target_name=agent.name, changes={"variable": [None, key]})
