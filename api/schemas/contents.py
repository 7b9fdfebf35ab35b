"""What a message's content may be made of: texts and pictures."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from ninja import Schema
from pydantic import Field, field_validator


class TextContent(Schema):
    """A piece of text."""

    type: Literal["text"] = "text"
    text: str


class Base64Source(Schema):
    """A picture that is sent along."""

    type: Literal["base64"]
    data: str
    media_type: str = Field(pattern=r"^image/[\w.+-]+$")
    detail: str | None = None

    @field_validator("data")
    @classmethod
    def _is_base64(cls, data: str) -> str:
        try:
            is_empty = not base64.b64decode(data, validate=True)
        except binascii.Error:
            raise ValueError("the picture's data is not base64") from None
        if is_empty:
            raise ValueError("the picture's data is empty")
        return data


class UrlSource(Schema):
    """A picture that the provider is to fetch."""

    type: Literal["url"]
    url: str

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not is_http_url(url):
            raise ValueError("a picture's url begins with http:// or https://")
        return url


class StoredSource(Base64Source):
    """A picture as Letta gives it back: under an id of its own, with its data."""

    type: Literal["letta"]  # type: ignore[assignment]
    file_id: str


class ImageContent(Schema):
    """A picture."""

    type: Literal["image"] = "image"
    source: Base64Source | UrlSource | StoredSource = Field(discriminator="type")


Content = str | list[TextContent | ImageContent]


def is_http_url(url: str) -> bool:
    """Whether this is an address that can be asked over HTTP."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        return False


def stored(content: Content) -> str | list[dict[str, Any]]:
    """The content as a message keeps it."""
    return content if isinstance(content, str) else [part.model_dump(exclude_none=True) for part in content]


def is_empty(content: Content | None) -> bool:
    """Whether it says and shows nothing."""
    if content is None or isinstance(content, str):
        return not content
    return all(isinstance(part, TextContent) and not part.text for part in content)


def has_pictures(content: Content) -> bool:
    """Whether it shows something."""
    return not isinstance(content, str) and any(isinstance(part, ImageContent) for part in content)


def text_of(content: str | Sequence[TextContent | ImageContent]) -> str:
    """The content as a text, for those who can only be told: a picture is named, not shown."""
    if isinstance(content, str):
        return content
    return "\n".join(part.text if isinstance(part, TextContent) else "[a picture, not shown]" for part in content)
