"""What a person may say about a passage."""

from __future__ import annotations

from django import forms

from archives.memory import LONGEST_TEXT
from tools.forms import LinesField, TagsField, text_input


class NewPassageForm(forms.Form):
    """Something for an agent to remember."""

    use_required_attribute = False
    text = LinesField(
        rows=3, required=True, max_length=LONGEST_TEXT, attrs={"placeholder": "One fact, understandable alone"}
    )
    tags = TagsField(required=False, widget=text_input("meetings, harbour"))
