"""Folders and files as the SDKs know them."""

from __future__ import annotations

from typing import Any

from ninja import Schema

from api.schemas.dates import entity_date
from api.schemas.people import makers
from folders.models import File, FileAgent, Folder


class FolderFields(Schema):
    """What can be said about a folder. What is not sent stays. `embedding` and `embedding_config` are kept and given
    back; files are found by words."""

    name: str | None = None
    description: str | None = None
    instructions: str | None = None
    metadata: dict[str, Any] | None = None
    embedding_config: dict[str, Any] | None = None
    embedding: str | None = None
    embedding_chunk_size: int | None = None

    def sent(self) -> dict[str, Any]:
        """The folder's fields that were really sent, a handle as the configuration that it stands for."""
        given = self.model_dump(exclude_unset=True)
        handle, size = given.pop("embedding", None), given.pop("embedding_chunk_size", None)
        if handle and not given.get("embedding_config"):
            provider, _, model = handle.partition("/")
            given["embedding_config"] = {
                "embedding_model": model or handle,
                "embedding_endpoint_type": provider,
                "embedding_dim": 0,
                "handle": handle,
            }
        if size and given.get("embedding_config"):
            given["embedding_config"]["embedding_chunk_size"] = size
        return given


class NewFolder(FolderFields):
    """A folder to make."""

    name: str


def folder_state(folder: Folder) -> dict[str, Any]:
    """A Folder; Letta's older name for it is Source."""
    return {
        "id": folder.pk,
        "name": folder.name,
        "description": folder.description or None,
        "instructions": folder.instructions or None,
        "metadata": folder.metadata,
        "embedding_config": folder.embedding_config,
        "vector_db_provider": "native",
        **makers(folder),
        "created_at": entity_date(folder.created_at),
        "updated_at": entity_date(folder.updated_at),
    }


def file_state(file: File, *, with_content: bool = False) -> dict[str, Any]:
    """A FileMetadata. Its folder must have been read with it, its content only where that is asked for."""
    return {
        "id": file.pk,
        "source_id": file.folder_id,
        "folder_id": file.folder_id,
        "file_name": file.path,
        "original_file_name": file.original_file_name,
        "file_path": None,
        "file_type": file.file_type or None,
        "file_size": file.file_size,
        "file_creation_date": None,
        "file_last_modified_date": None,
        "processing_status": file.processing_status,
        "error_message": file.error_message or None,
        "total_chunks": file.total_chunks,
        "chunks_embedded": file.chunks_embedded,
        "content": file.content if with_content else None,
        "created_at": entity_date(file.created_at),
        "updated_at": entity_date(file.updated_at),
    }


def agent_file_state(view: FileAgent) -> dict[str, Any]:
    """A file as an agent has it. File and folder must have been read with it."""
    return {
        "id": view.pk,
        "file_id": view.file_id,
        "file_name": view.file.path,
        "folder_id": view.file.folder_id,
        "folder_name": view.file.folder.name,
        "is_open": view.is_open,
        "last_accessed_at": entity_date(view.last_accessed_at),
        "visible_content": view.visible_content if view.is_open else None,
        "start_line": view.start_line,
        "end_line": view.end_line,
    }


def file_block_state(view: FileAgent) -> dict[str, Any]:
    """A file of an agent as Letta shows it beside memory blocks."""
    return {
        "id": view.pk,
        "file_id": view.file_id,
        "source_id": view.file.folder_id,
        "label": view.file.path,
        "value": view.visible_content,
        "is_open": view.is_open,
        "last_accessed_at": entity_date(view.last_accessed_at),
        "read_only": True,
    }
