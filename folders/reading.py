"""Reading the text of uploaded files in the background, and of those whose reader died."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from folders.extraction import Unreadable, kind_of, text_of_document, text_of_plain
from folders.models import File, Piece, ReadingState, Upload
from folders.pieces import pieces_of

log = logging.getLogger(__name__)

# Two documents at a time: each may take a processor and a gigabyte.
_AT_ONCE = threading.BoundedSemaphore(2)
# A reader that has had a file for so long is dead: reading takes a minute at most.
_GIVEN_UP_AFTER = timedelta(minutes=3)


def read_now(file: File, body: bytes) -> None:
    """The text of plain text, in the caller's transaction."""
    try:
        _keep(file, text_of_plain(body))
    except Unreadable as error:
        _refuse(file, str(error))


def read_soon(file: File) -> None:
    """The text of a document, in a thread of its own once the caller's transaction is stored."""
    transaction.on_commit(lambda: _start(file.pk))


def resume(files_of: Q) -> None:
    """Files of which nobody reads the text, because their reader died, are read now. `files_of` chooses uploads."""
    for file_id in Upload.objects.filter(files_of & _is_left()).values_list("file_id", flat=True)[:20]:
        _start(file_id)


def read_document(file_id: str) -> None:
    """Read the file's text from its bytes, unless somebody else does or it is gone."""
    claimed = Upload.objects.filter(_is_free(), pk=file_id).update(claimed_at=timezone.now())
    upload = Upload.objects.select_related("file").filter(pk=file_id).first() if claimed else None
    if upload is None:
        return
    file, body = upload.file, bytes(upload.body)
    file.processing_status = ReadingState.PARSING
    file.save(update_fields=["processing_status", "updated_at"])
    try:
        text = text_of_document(kind_of(file.original_file_name, body).reader, body)
    except Unreadable as error:
        _finish(file, "", str(error))
    else:
        _finish(file, text, "")


def _is_free() -> Q:
    return Q(claimed_at=None) | Q(claimed_at__lt=timezone.now() - _GIVEN_UP_AFTER)


def _is_left() -> Q:
    """Of a claimed one the reader is dead, of one that was never claimed whoever took the file."""
    long_ago = timezone.now() - _GIVEN_UP_AFTER
    return Q(claimed_at__lt=long_ago) | Q(claimed_at=None, created_at__lt=long_ago)


def _start(file_id: str) -> None:
    threading.Thread(target=_read_in_thread, args=(file_id,), name="file-reader", daemon=True).start()


def _read_in_thread(file_id: str) -> None:
    with _AT_ONCE:
        try:
            read_document(file_id)
        except (DatabaseError, OSError):
            # Its bytes are still there: it is read when it is next asked for.
            log.exception("the text of %s could not be read", file_id)
        finally:
            connection.close()


def _finish(file: File, text: str, problem: str) -> None:
    """Keep what came of it, unless the file was deleted meanwhile."""
    with transaction.atomic():
        if not File.objects.select_for_update(no_key=True).filter(pk=file.pk).exists():
            return
        if problem:
            _refuse(file, problem)
        else:
            _keep(file, text)
        Upload.objects.filter(pk=file.pk).delete()


def _keep(file: File, text: str) -> None:
    pieces = [Piece(file=file, first_line=one.first, last_line=one.last, text=one.text) for one in pieces_of(text)]
    Piece.objects.filter(file=file).delete()
    Piece.objects.bulk_create(pieces, batch_size=500)
    file.content, file.total_chunks, file.processing_status = text, len(pieces), ReadingState.COMPLETED
    file.save(update_fields=["content", "total_chunks", "processing_status", "updated_at"])


def _refuse(file: File, problem: str) -> None:
    file.processing_status, file.error_message = ReadingState.ERROR, problem
    file.save(update_fields=["processing_status", "error_message", "updated_at"])
