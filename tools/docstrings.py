"""What a tool's docstring tells the model: the description, and one description for each parameter."""

from collections.abc import Mapping
from dataclasses import dataclass

import docstring_parser
from docstring_parser import DocstringStyle, ParseError

_STYLES = (DocstringStyle.GOOGLE, DocstringStyle.NUMPYDOC, DocstringStyle.REST)


@dataclass(frozen=True, slots=True)
class DocstringText:
    """`description` is the short and the long text and the examples; `parameters` maps names to descriptions."""

    description: str
    parameters: Mapping[str, str]


def read_docstring(text: str) -> DocstringText:
    """Read a docstring in Google style; another style is used where it describes more parameters.

    Raises docstring_parser.ParseError when it is not in Google style and no other style finds a parameter.
    """
    readings: list[DocstringText] = []
    google_error: ParseError | None = None
    for style in _STYLES:
        try:
            readings.append(_described(docstring_parser.parse(text, style=style)))
        except ParseError as error:
            google_error = error if style is DocstringStyle.GOOGLE else google_error
    best = max(readings, key=lambda reading: len(reading.parameters), default=None)  # the first of equals: Google
    if google_error is not None and (best is None or not best.parameters):
        raise google_error
    return best or DocstringText("", {})


def _described(docstring: docstring_parser.Docstring) -> DocstringText:
    parameters = {
        parameter.arg_name.lstrip("*"): parameter.description.strip()
        for parameter in docstring.params
        if parameter.description and parameter.description.strip() and parameter.args[0] == "param"
    }
    return DocstringText(_description(docstring), parameters)


def _description(docstring: docstring_parser.Docstring) -> str:
    between = "\n\n" if docstring.blank_after_short_description else "\n"
    text = between.join(part for part in (docstring.short_description, docstring.long_description) if part)
    examples = "\n".join(part.description for part in docstring.examples if part.description)
    return f"{text}\n\nExamples:\n{examples}".strip() if examples else text
