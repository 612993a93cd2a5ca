"""Owns where the command line finds its key: a named file, a variable, systemd's folder, or a file of the user's own.

The library reads no environment; this does, once, and takes ``BEQUEST_KEY`` out of it before any process starts, or the
browser would inherit it (I16).
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

from ..engine.errors import KeyFileError
from ..engine.key_files import KeyFile
from ..engine.keys import Key, KeySource

FILE_VARIABLE = "BEQUEST_KEY_FILE"
VARIABLE = "BEQUEST_KEY"
FOLDER_VARIABLE = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), LoadCredential=
NAME_IN_FOLDER = "bequest-key"


class ConsoleKey:
    """The key of this invocation; called, it gives the key that is there."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        text = environment.pop(VARIABLE, None)
        file = environment.get(FILE_VARIABLE)
        handed = _handed_over(environment)
        self._source: KeySource
        self._own: KeyFile | None = None
        self.file: KeyFile | None = None  # where another key may be put
        if file:
            self.file = named = KeyFile(file)
            self._source, self.where = (lambda: _named(named)), f"{named.path} ({FILE_VARIABLE})"
        elif text:
            self._source, self.where = (lambda: _decoded(text)), VARIABLE
        elif handed is not None:
            self._source, self.where = handed, f"{handed.path} ({FOLDER_VARIABLE})"
        else:
            self._source = self.file = self._own = KeyFile(own_folder(environment) / "key")
            self.where = str(self._own.path)

    def __call__(self) -> Key:
        """Return the key; raises ``KeyFileError``."""
        if self.is_missing:
            raise KeyFileError(f"asked for the key in {self.where}, found no file; {self._advice}")
        return self._source()

    @property
    def is_missing(self) -> bool:
        """Whether the user's own key file is the one to use and does not exist yet."""
        return self._own is not None and not os.path.lexists(self._own.path)

    def check(self, database: Path) -> None:
        """Raise ``KeyFileError`` unless a session can be sealed for *database*; makes nothing yet."""
        if not self.is_missing:
            self()
            return
        folder = Path(self.where).parent
        if folder.resolve() == database.expanduser().resolve().parent:
            raise KeyFileError(
                f"asked to make a key in {self.where}, found the database in the same folder; a key lies elsewhere,"
                f" so name another --db, or a key file in {FILE_VARIABLE}"
            )
        existing = next(one for one in (folder, *folder.parents) if one.exists())
        if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
            raise KeyFileError(
                f"asked to make a key in {self.where}, found that {existing} is no folder to write in; {self._advice}"
            )

    def make_if_missing(self) -> str | None:
        """Make the user's own key where it is needed and not there; return what to tell the user of it."""
        if self._own is None or not self.is_missing:
            return None
        key = self._own.create()
        return f"made a new key {key.id} in {self._own.path}; keep a copy, without it no stored session can be opened"

    @property
    def _advice(self) -> str:
        return f"name the file that holds it in {FILE_VARIABLE}"


def own_folder(environment: MutableMapping[str, str]) -> Path:
    """Return the folder for this user's settings (XDG Base Directory Specification; macOS has its own)."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "bequest"
    named = environment.get("XDG_CONFIG_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".config"
    return base / "bequest"


def _handed_over(environment: MutableMapping[str, str]) -> KeyFile | None:
    """Return the key that systemd hands a service, if any."""
    folder = environment.get(FOLDER_VARIABLE, "")
    path = Path(folder) / NAME_IN_FOLDER
    return KeyFile(path) if folder and os.path.lexists(path) else None


def _named(file: KeyFile) -> Key:
    if not file.path.exists():
        raise KeyFileError(
            f"asked for the key in {file.path}, found no file; correct {FILE_VARIABLE}, or unset it to use your own key"
        )
    return file()


def _decoded(text: str) -> Key:
    try:
        return Key.decode(text)
    except KeyFileError as error:
        raise KeyFileError(f"{VARIABLE}: {error}; correct it, or unset it to use your own key") from None
