"""What a person says about a server, field by field."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings

from mcp_servers.library import LONGEST_NAME, Wanted, read_wanted
from mcp_servers.models import McpServer, ServerKind
from mcp_servers.problems import McpProblem
from mcp_servers.reach import Reach, StdioReach, read_reach
from tools.forms import LinesField, text_input
from tools.redaction import MASK

_FIELD_OF = {
    "mcp_server_type": "kind",
    "custom_headers": "headers",
    "auth_header": "token",
}


class ServerForm(forms.Form):
    """A new server, or one that is there. A secret that is shown as the mask stays as it is."""

    use_required_attribute = False
    server_name = forms.CharField(label="Name", max_length=LONGEST_NAME, widget=text_input("github"))
    kind = forms.ChoiceField(
        label="Reached over", choices=ServerKind.choices, widget=forms.RadioSelect(), initial=ServerKind.STREAMABLE_HTTP
    )
    server_url = forms.CharField(
        label="URL", widget=text_input("https://example.org/mcp", inputmode="url", spellcheck="false")
    )
    token = forms.CharField(
        label="Token",
        required=False,
        help_text="Sent as Authorization: Bearer …, unless another header is named.",
        widget=forms.PasswordInput(render_value=True, attrs={"class": "form-control", "autocomplete": "new-password"}),
    )
    auth_header = forms.CharField(label="Token's header", required=False, widget=text_input("Authorization"))
    headers = LinesField(
        rows=2,
        label="More headers",
        help_text="One a line: X-Team: blue",
        attrs={"class": "form-control mono", "spellcheck": "false"},
    )
    command = forms.CharField(
        label="Command",
        help_text="The program and its arguments, as in a shell. No shell runs it.",
        widget=text_input("npx -y @modelcontextprotocol/server-everything", spellcheck="false"),
    )
    env = LinesField(
        rows=2,
        label="Variables",
        help_text="One a line: API_KEY=…  Besides these the program gets PATH, HOME and little more.",
        attrs={"class": "form-control mono", "spellcheck": "false"},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:  # each kind needs its own
            is_program = self.data.get("kind") == ServerKind.STDIO
            self.fields["server_url" if is_program else "command"].required = False
        if not settings.ADE_MCP_STDIO:
            kind = self.fields["kind"]
            assert isinstance(kind, forms.ChoiceField)
            kind.choices = [choice for choice in ServerKind.choices if choice[0] != ServerKind.STDIO]

    @classmethod
    def of(cls, server: McpServer, reach: Reach) -> ServerForm:
        """The form as it stands for a server; secrets are the mask."""
        initial: dict[str, Any] = {"server_name": server.server_name, "kind": server.kind}
        if isinstance(reach, StdioReach):
            env = "\n".join(f"{name}={MASK}" for name in reach.env)
            initial |= {"command": shlex.join([reach.command, *reach.args]), "env": env}
        else:
            headers = "\n".join(f"{name}: {MASK}" for name in reach.custom_headers)
            token = MASK if reach.auth_token else ""
            initial |= {"server_url": reach.server_url, "auth_header": reach.auth_header, "headers": headers}
            initial["token"] = token
        return cls(initial=initial)

    def clean_headers(self) -> dict[str, str]:
        return _pairs(self.cleaned_data["headers"], ":")

    def clean_env(self) -> dict[str, str]:
        return _pairs(self.cleaned_data["env"], "=")

    def clean_command(self) -> list[str]:
        try:
            return shlex.split(self.cleaned_data["command"])
        except ValueError as error:
            raise forms.ValidationError(f"A quote has no end: {error}.") from error

    def given(self) -> Mapping[str, Any]:
        """The fields of the chosen kind, under the API's names."""
        said = self.cleaned_data
        if said["kind"] == ServerKind.STDIO:
            command = said["command"]
            return {"command": command[0] if command else "", "args": command[1:], "env": said["env"]}
        return {
            "server_url": said["server_url"],
            "auth_header": said["auth_header"],
            "auth_token": said["token"],
            "custom_headers": said["headers"],
        }

    def wanted(self) -> Wanted:
        """The server that the form asks for. Raises McpProblem."""
        return read_wanted(self.cleaned_data["server_name"], self.cleaned_data["kind"], self.given())

    def reach(self, before: Reach | None) -> Reach:
        """How the form says that the server is reached. Raises McpProblem."""
        return read_reach(self.cleaned_data["kind"], self.given(), before)

    def refuse(self, problem: McpProblem) -> None:
        """The library does not take it."""
        field = _FIELD_OF.get(problem.field, problem.field)
        self.add_error(field if field in self.fields else None, str(problem))


def _pairs(text: str, between: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in text.splitlines():
        name, found, value = line.partition(between)
        if not line.strip():
            continue
        if not found or not name.strip():
            raise forms.ValidationError(f"One a line, a name and a value with “{between}” between them.")
        pairs[name.strip()] = value.strip()
    return pairs
