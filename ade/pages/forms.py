"""Forms of the page Settings."""

from __future__ import annotations

from django import forms


class KeyForm(forms.Form):
    """A name for a new key."""

    name = forms.CharField(
        max_length=100,
        widget=forms.TextInput(attrs={"class": "form-control", "placeholder": "Which program will use it"}),
    )
