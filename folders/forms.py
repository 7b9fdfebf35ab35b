"""What a person may say about a folder."""

from __future__ import annotations

from django import forms

from tools.forms import LinesField, text_input


class FolderForm(forms.Form):
    """Its name, what is in it, and how agents are to use it."""

    use_required_attribute = False
    name = forms.CharField(max_length=200, widget=text_input("handbook"))
    description = LinesField(rows=2, required=False, attrs={"placeholder": "What is in it"})
    instructions = LinesField(rows=3, required=False, attrs={"placeholder": "Cite the file. Newer files win."})
    instructions.help_text = "Agents that have the folder read this in their system prompt."
