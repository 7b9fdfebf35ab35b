"""The agent's variables as the page shows and asks for them. The value of a secret is never in the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from agents.models import Agent, AgentVariable
from agents.variables import VariableProblem, decrypt
from tools.forms import text_input


class ValueArea(forms.Textarea):
    """A field for a value. What was typed as a secret is not sent back: the browser keeps it where it stands."""

    is_secret = False

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        kept = {"hx-preserve": "true"} if self.is_secret and value else {}
        return super().get_context(name, None if self.is_secret else value, {**(attrs or {}), **kept})


class VariableForm(forms.Form):
    """A variable's value, and whether it is secret. `was_secret`: what is stored is, so that an empty field keeps it."""

    use_required_attribute = False
    value = forms.CharField(
        strip=False,
        widget=ValueArea(
            attrs={"class": "form-control mono", "rows": 2, "autocomplete": "off", "spellcheck": "false"},
        ),
    )
    is_secret = forms.BooleanField(label="Secret", required=False)

    def __init__(self, data: Mapping[str, Any] | None = None, *, was_secret: bool = False, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.was_secret = was_secret
        self.fields["value"].required = not was_secret
        area = self.fields["value"].widget
        assert isinstance(area, ValueArea)
        area.is_secret = was_secret or bool(data and data.get("is_secret"))
        if was_secret:
            area.attrs["placeholder"] = "Leave empty to keep the value"

    def clean_value(self) -> str:
        """As typed; browsers send CRLF where people typed LF."""
        value: str = self.cleaned_data["value"]
        return value.replace("\r\n", "\n")

    @property
    def new_value(self) -> str | None:
        """The value to set, None to keep the one there is."""
        value: str = self.cleaned_data["value"]
        return None if self.was_secret and not value else value


class NewVariableForm(VariableForm):
    """A variable to add."""

    key = forms.CharField(
        label="Name", max_length=200, widget=text_input("API_TOKEN", spellcheck="false", autocapitalize="off")
    )
    field_order = ("key", "value", "is_secret")


@dataclass(frozen=True, slots=True)
class ShownVariable:
    """A variable with its form. `preview` is its value, "" for a secret; `problem` says why it cannot be read."""

    variable: AgentVariable
    form: VariableForm
    preview: str
    problem: str

    @property
    def is_open(self) -> bool:
        return bool(self.form.errors)


def variables_context(
    agent: Agent, *, changed: Mapping[str, VariableForm] | None = None, new: NewVariableForm | None = None
) -> dict[str, Any]:
    """The agent's variables. `changed` are forms, by their variable's key, that could not be saved, `new` a new one's."""
    bound = changed or {}
    shown = [_shown(variable, bound.get(variable.key)) for variable in agent.variables.all()]
    return {"agent": agent, "variables": shown, "new_variable": new or new_variable_form()}


def new_variable_form(data: Mapping[str, Any] | None = None) -> NewVariableForm:
    """The form that adds one: secret, unless the person says otherwise."""
    return NewVariableForm(data, auto_id="new_variable_%s", initial={"is_secret": True})


def variable_form(variable: AgentVariable, data: Mapping[str, Any] | None = None, value: str = "") -> VariableForm:
    """The form of one that is there."""
    return VariableForm(
        data,
        was_secret=variable.is_secret,
        auto_id=f"variable_{variable.key}_%s",
        initial={"value": value, "is_secret": variable.is_secret},
    )


def _shown(variable: AgentVariable, bound: VariableForm | None) -> ShownVariable:
    try:
        value, problem = ("" if variable.is_secret else decrypt(variable)), ""
    except VariableProblem as error:
        value, problem = "", str(error)
    return ShownVariable(variable, bound or variable_form(variable, value=value), value, problem)
