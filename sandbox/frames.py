"""The frames between a call's supervisor and the server: one byte of kind, four of length, then the payload."""

from __future__ import annotations

import socket
import struct
from enum import IntEnum

HEADER = struct.Struct(">BI")
LENGTH = struct.Struct(">I")


class FrameKind(IntEnum):
    """What a frame from the supervisor tells. Text is UTF-8, ENDED and STARTED are JSON."""

    STARTED = 1
    STDOUT = 2
    STDERR = 3
    RETURNED = 4
    RAISED = 5
    ENDED = 6


def pack(kind: FrameKind, payload: bytes) -> bytes:
    """One frame, ready to be sent."""
    return HEADER.pack(kind, len(payload)) + payload


def pack_request(payload: bytes) -> bytes:
    """The one frame that goes the other way: the call."""
    return LENGTH.pack(len(payload)) + payload


def receive_request(connection: socket.socket) -> bytes | None:
    """The call's payload, or None when the other side has gone first. Blocks."""
    head = _receive_exactly(connection, LENGTH.size)
    return None if head is None else _receive_exactly(connection, LENGTH.unpack(head)[0])


def _receive_exactly(connection: socket.socket, count: int) -> bytes | None:
    received = bytearray()
    while len(received) < count:
        piece = connection.recv(min(count - len(received), 1 << 20))
        if not piece:
            return None
        received += piece
    return bytes(received)
