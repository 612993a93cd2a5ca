"""Owns where the command line finds its key: a file that is named, a variable, or a file of the user's own.

The library reads no environment; this does, once, and takes ``BEQUEST_KEY`` out of it before any process starts, or the
browser would inherit it (I16).
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from pathlib import Path

from ..engine.errors import KeyFileError
from ..engine.keys import Key, KeyFile, KeySource


class ConsoleKey:
    """The key of this invocation; called, it gives the key that is there."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        text = environment.pop("BEQUEST_KEY", None)
        file = environment.get("BEQUEST_KEY_FILE")
        self._source: KeySource
        self._own: KeyFile | None = None
        if file:
            self._source, self.where = KeyFile(file), f"BEQUEST_KEY_FILE: {file}"
        elif text:
            self._source, self.where = (lambda: _decoded(text)), "BEQUEST_KEY"
        else:
            self._source = self._own = KeyFile(own_folder(environment) / "key")
            self.where = str(self._own.path)

    def __call__(self) -> Key:
        """Return the key; raises ``KeyFileError``."""
        return self._source()

    @property
    def is_missing(self) -> bool:
        """Whether the user's own key file is the one to use and does not exist yet."""
        return self._own is not None and not self._own.path.exists()

    def make_if_missing(self) -> str | None:
        """Make the user's own key where it is needed and not there; return what to tell the user of it."""
        if self._own is None or not self.is_missing:
            return None
        key = self._own.create()
        return f"made a new key {key.id} in {self._own.path}; keep a copy, without it no stored session can be opened"


def own_folder(environment: MutableMapping[str, str]) -> Path:
    """Return the folder for this user's settings (XDG Base Directory Specification; macOS has its own)."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "bequest"
    named = environment.get("XDG_CONFIG_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".config"
    return base / "bequest"


def _decoded(text: str) -> Key:
    try:
        return Key.decode(text)
    except KeyFileError as error:
        raise KeyFileError(f"BEQUEST_KEY: {error}") from None
