"""What a person may say about an agent, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from agents.model_choice import HandleProblem, check_handle
from agents.models import Agent, Block
from llms.catalogue import catalogue
from tools.forms import LinesField, TagsField, number_input, text_input
from tools.models import Tool

if TYPE_CHECKING:
    AgentModelForm = forms.ModelForm[Agent]
    BlockModelForm = forms.ModelForm[Block]
else:
    AgentModelForm = BlockModelForm = forms.ModelForm  # knows no [Agent] at run time

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
MODELS_LIST = "model-handles"
"""The id of the datalist with the suggestions of a model field."""


def model_suggestions() -> list[tuple[str, str]]:
    """Handles with their names: what agents here use already, then the bundled catalogue."""
    known = {model.handle: model.display_name for model in catalogue()}
    used = Agent.objects.values_list("model", flat=True).distinct().order_by("model")
    return [*((handle, "used here") for handle in used if handle not in known), *known.items()]


class HandleField(forms.CharField):
    """A model handle, "provider/model"."""

    def clean(self, value: Any) -> str:
        handle = super().clean(value)
        try:
            return check_handle(handle) if handle else ""
        except HandleProblem as problem:
            raise forms.ValidationError(str(problem)) from problem


def model_field() -> HandleField:
    return HandleField(
        label="Model",
        max_length=200,
        help_text="provider/model. Any openai/…, anthropic/… or demo/… handle works.",
        widget=text_input("demo/planner", list=MODELS_LIST, spellcheck="false"),
    )


class NewAgentForm(forms.Form):
    """What the create dialog asks."""

    name = forms.CharField(max_length=200, widget=text_input("Librarian"))
    model = model_field()
    system = LinesField(rows=4, label="System instructions", attrs={"placeholder": "Leave empty for a sensible start."})
    parallel_tool_calls = forms.BooleanField(label="Parallel tool calls", required=False)
    base_tools = forms.BooleanField(label="Base tools", required=False)
    tools = forms.ModelMultipleChoiceField(
        queryset=Tool.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )

    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["tools"]
        assert isinstance(chosen, forms.ModelMultipleChoiceField)
        chosen.queryset = Tool.objects.only("id", "name", "enable_parallel_execution")


class AboutForm(AgentModelForm):
    """The panel Agent."""

    use_required_attribute = False

    description = LinesField(rows=1, help_text="For people; the model does not see it.")
    tags = TagsField(required=False, help_text="Separated by commas.", widget=text_input("research, night shift"))
    system = LinesField(rows=6, label="System instructions", attrs={"data-counts": "system-count"})

    class Meta:
        model = Agent
        fields = ("name", "description", "tags", "system")
        widgets = {"name": text_input()}


class LLMConfigForm(AgentModelForm):
    """The panel LLM Config, besides its switch. An empty field leaves the choice to the provider."""

    use_required_attribute = False
    model = model_field()
    reasoning_effort = forms.ChoiceField(
        required=False,
        choices=[("", "provider's default"), *((effort, effort) for effort in EFFORTS)],
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    class Meta:
        model = Agent
        fields = ("model", "temperature", "context_window", "max_output_tokens", "reasoning_effort")
        labels = {"context_window": "Context window", "max_output_tokens": "Max output tokens"}
        widgets = {
            "temperature": number_input("default", step="0.1"),
            "context_window": number_input("default"),
            "max_output_tokens": number_input("default"),
        }


class BlockForm(BlockModelForm):
    """A memory block that exists. `seen` is the value that the person started from."""

    use_required_attribute = False
    seen = LinesField(widget=forms.HiddenInput())
    value = LinesField(rows=5)

    class Meta:
        model = Block
        fields = ("value", "limit")
        widgets = {"limit": number_input()}
        labels = {"limit": "Limit (characters)"}


class NewBlockForm(BlockModelForm):
    """A new memory block."""

    use_required_attribute = False
    value = LinesField(rows=4)

    class Meta:
        model = Block
        fields = ("label", "description", "value", "limit")
        widgets = {
            "label": text_input("persona"),
            "description": text_input("What belongs in here"),
            "limit": number_input(),
        }
        labels = {"limit": "Limit (characters)"}
