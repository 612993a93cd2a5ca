"""Owns the two streams: what is written where nobody reads any more is dropped, and the command goes on."""

from __future__ import annotations

import errno
import os
from typing import Any, TextIO

GONE = (errno.EPIPE, errno.EIO)  # the reader of a pipe has ended; the terminal was closed


class Stream:
    """One of the process's text streams, as rich writes to it; *is_gone* once nobody reads it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_gone = False

    def write(self, text: str) -> int:
        """Write *text*."""
        return self._unless_gone(self._stream.write, text) or 0

    def write_bytes(self, content: bytes) -> None:
        """Write *content* as it is, whatever the encoding of the stream."""
        self._unless_gone(self._stream.buffer.write, content)
        self.flush()

    def flush(self) -> None:
        """Pass on what was written."""
        self._unless_gone(self._stream.flush)

    def isatty(self) -> bool:
        """Return whether a person is there."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """The encoding of the text."""
        return self._stream.encoding

    def _unless_gone(self, write: Any, *arguments: Any) -> Any:  # Any: one of the stream's own methods
        if self.is_gone:
            return None
        try:
            return write(*arguments)
        except OSError as error:
            self.is_gone = True
            self._point_at_nothing()
            if error.errno not in GONE:  # a full disk is to be said
                raise
        return None

    def _point_at_nothing(self) -> None:
        """Give what is still buffered a place to go, or the interpreter complains of it in the end."""
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, self._stream.fileno())
        finally:
            os.close(nothing)
