"""What a person may say about a tool, field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms

from sandbox.requirements import RequirementProblem, read_lines, read_npm_lines
from tools.models import NetworkAccess, Tool
from tools.problems import Problem
from tools.typescript import PYTHON, TYPESCRIPT

if TYPE_CHECKING:
    ToolModelForm = forms.ModelForm[Tool]
else:
    ToolModelForm = forms.ModelForm  # knows no [Tool] at run time


class TagsField(forms.CharField):
    """Words separated by commas, as a list without repeats."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        if isinstance(value, list):
            return value
        words = [word.strip() for word in (value or "").split(",")]
        return list(dict.fromkeys(word for word in words if word))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class LinesField(forms.CharField):
    """A text of several lines, kept as typed; browsers send CRLF where people typed LF."""

    def __init__(self, rows: int = 4, **kwargs: Any) -> None:
        area = forms.Textarea(attrs={"class": "form-control", "rows": rows, **kwargs.pop("attrs", {})})
        super().__init__(strip=False, **{"required": False, "widget": area, **kwargs})

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class JsonField(LinesField):
    """JSON as people write it; what is wrong with it is said with its line, and what was typed stays."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            10, **{"required": True, **kwargs}, attrs={"class": "form-control mono", "spellcheck": "false"}
        )

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            where = (
                f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            )
            raise forms.ValidationError(f"This is no JSON ({where}).") from error
        if not isinstance(value, dict):
            raise forms.ValidationError("This is no JSON object: write it as {…}.")
        return value


def text_input(placeholder: str = "", **attributes: str) -> forms.TextInput:
    return forms.TextInput(
        attrs={"class": "form-control", "placeholder": placeholder, "autocomplete": "off", **attributes}
    )


def number_input(placeholder: str = "", step: str = "1") -> forms.NumberInput:
    return forms.NumberInput(attrs={"class": "form-control num", "placeholder": placeholder, "step": step})


class ToolExecutionForm(ToolModelForm):
    """How a tool's calls are executed, besides its switches."""

    tags = TagsField(required=False, help_text="Separated by commas.", widget=text_input("search, read-only"))

    network = forms.ChoiceField(
        choices=[(NetworkAccess.OFF, "Off"), (NetworkAccess.WEB, "Web"), (NetworkAccess.FULL, "Everything")],
        help_text="Web is DNS and ports 80 and 443.",
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    class Meta:
        model = Tool
        fields = ("timeout_seconds", "return_char_limit", "max_concurrency", "lock_group", "network", "tags")
        labels = {
            "timeout_seconds": "Timeout",
            "return_char_limit": "Return limit",
            "max_concurrency": "Max concurrency",
            "lock_group": "Lock group",
        }
        help_texts = {
            "timeout_seconds": "Seconds from the start of the call, not from queueing. Empty: the server's default.",
            "return_char_limit": "Characters that the model sees; the full return stays downloadable.",
            "max_concurrency": "At most so many calls of this tool at once. Empty: no cap.",
            "lock_group": "Tools that share a group never overlap, across all agents.",
        }
        widgets = {
            "timeout_seconds": number_input("default", step="any"),
            "return_char_limit": number_input(),
            "max_concurrency": number_input("no cap"),
            "lock_group": text_input("none"),
        }


class SourceForm(forms.Form):
    """The source of a tool, and for TypeScript the schema, which is not derived. `problems` are what the library found in
    the source, by line."""

    use_required_attribute = False
    source_code = LinesField(label="Source", required=True)
    json_schema = JsonField(
        label="Schema",
        help_text="What the model is told: name of the function, description, parameters as JSON Schema. Not derived from TypeScript.",
    )
    problems: tuple[Problem, ...] = ()

    def __init__(self, *args: Any, language: str = PYTHON, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.language = language
        if language != TYPESCRIPT:
            del self.fields["json_schema"]

    def refuse(self, text: str, problems: tuple[Problem, ...]) -> None:
        """The library does not take this source."""
        self.problems = problems
        if not problems:
            self.add_error("source_code", text)


class NewToolForm(SourceForm):
    """A tool from its source, and the one question that matters most."""

    source_type = forms.ChoiceField(
        choices=[(PYTHON, "Python"), (TYPESCRIPT, "TypeScript")], widget=forms.HiddenInput, required=False
    )
    enable_parallel_execution = forms.BooleanField(label="Enable parallel execution", required=False)

    def clean_source_type(self) -> str:
        return self.language


class DependenciesForm(forms.Form):
    """The packages of a tool in its language, one a line. `requirements` is cleaned to what a tool keeps, None for none;
    `field` is where it keeps them."""

    use_required_attribute = False
    requirements = LinesField(
        rows=8,
        label="Python packages",
        help_text="One a line, as pip reads them: httpx>=0.27,<1. A tool with packages of its own has these and no others.",
        attrs={"class": "form-control mono", "spellcheck": "false", "placeholder": "httpx>=0.27"},
    )

    def __init__(self, *args: Any, language: str = PYTHON, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        is_npm = language == TYPESCRIPT
        self.field = "npm_requirements" if is_npm else "pip_requirements"
        self._read = read_npm_lines if is_npm else read_lines
        if is_npm:
            self.fields["requirements"].label = "npm packages"
            self.fields[
                "requirements"
            ].help_text = "One a line, with or without versions: zod@^3.23. Their scripts are never run."
            self.fields["requirements"].widget.attrs["placeholder"] = "zod@^3.23"

    def clean_requirements(self) -> list[dict[str, str | None]] | None:
        try:
            return [one.as_json() for one in self._read(self.cleaned_data["requirements"])] or None
        except RequirementProblem as problem:
            raise forms.ValidationError(str(problem)) from problem


SWITCHES: Mapping[str, tuple[str, str]] = {
    "enable_parallel_execution": ("Parallel execution on", "Parallel execution off"),
    "default_requires_approval": ("Approval required by default", "No approval required by default"),
    "safe_to_retry": ("Calls are retried after a crash", "Calls are not retried after a crash"),
}
"""The fields that one switch saves at once, and what the toast says of on and off."""


class SwitchForm(forms.Form):
    """One switch. A switched-off checkbox sends nothing; an Undo says `to=on` or `to=off` in its URL."""

    to = forms.ChoiceField(choices=[("on", "on"), ("off", "off")])

    @classmethod
    def asked(cls, query: Mapping[str, Any], posted: Mapping[str, Any], field: str) -> SwitchForm:
        return cls({"to": query.get("to") or ("on" if posted.get(field) else "off")})

    @property
    def is_on(self) -> bool:
        return bool(self.cleaned_data["to"] == "on")
