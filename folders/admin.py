"""Django admin of folders. Folders and files are changed on their pages, where their rules hold."""

from __future__ import annotations

from django.contrib import admin

from access.admin import ReadOnlyAdmin
from folders.models import File, FileAgent, Folder, FolderAgent, Piece, Upload


@admin.register(Folder)
class FolderAdmin(ReadOnlyAdmin):
    list_display = ("name", "description", "created_at")
    search_fields = ("name", "description")


@admin.register(FolderAgent)
class FolderAgentAdmin(ReadOnlyAdmin):
    list_display = ("folder", "agent")
    list_select_related = ("folder", "agent")


@admin.register(File)
class FileAdmin(ReadOnlyAdmin):
    list_display = ("file_name", "folder", "processing_status", "file_size", "total_chunks", "created_at")
    list_select_related = ("folder",)
    list_filter = ("processing_status",)
    search_fields = ("file_name", "folder__name")


@admin.register(FileAgent)
class FileAgentAdmin(ReadOnlyAdmin):
    list_display = ("file", "agent", "is_open", "last_accessed_at")
    list_select_related = ("file", "agent")
    list_filter = ("is_open",)


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin):
    """Bytes that wait for being read; they are not shown."""

    list_display = ("file", "created_at", "claimed_at")
    list_select_related = ("file",)
    exclude = ("body",)


@admin.register(Piece)
class PieceAdmin(ReadOnlyAdmin):
    list_display = ("file", "first_line", "last_line", "text")
    list_select_related = ("file",)
