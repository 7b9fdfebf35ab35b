"""What a server returns, as the text that the model is told."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

NOTHING = "None"


def text_of(result: CallToolResult) -> str:
    """The texts of a result; what is no text is described. A result without content is its structured content as JSON."""
    parts = [_text(block) for block in result.content]
    has_text = any(isinstance(block, TextContent) and block.text for block in result.content)
    if not has_text and result.structured_content is not None:
        parts.append(json.dumps(result.structured_content, ensure_ascii=False))
    return "\n".join(parts) or NOTHING


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent():
            return f"[image: {block.mime_type}, {_size(block.data)}]"
        case AudioContent():
            return f"[audio: {block.mime_type}, {_size(block.data)}]"
        case ResourceLink():
            about = "; ".join(part for part in (block.name, block.mime_type, block.description) if part)
            return f"[resource {block.uri}: {about}]"
        case EmbeddedResource():
            return _resource(block.resource)


def _resource(resource: TextResourceContents | BlobResourceContents) -> str:
    if isinstance(resource, TextResourceContents):
        return f"[resource {resource.uri}]\n{resource.text}"
    return f"[resource {resource.uri}: {resource.mime_type or 'binary'}, {_size(resource.blob)}]"


def _size(base64: str) -> str:
    try:
        return f"{len(b64decode(base64, validate=True)):,} bytes"
    except Base64Error:
        return "no valid base64"
