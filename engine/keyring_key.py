"""Owns the key that lies in the keyring of a desktop or a system; the library for that is an extra, ``keyring``."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from types import ModuleType

from .errors import KeyFileError
from .keys import Key, key_in


class KeyringKey:
    """A key in the keyring under *service* and *name*; called, it reads it.

    Its first line is the key that seals, and each further one a former key, which only opens. Two programs that change
    one entry at once are not kept apart: rotate from one place.
    """

    def __init__(self, service: str, name: str) -> None:
        self.service = service
        self.name = name

    def __call__(self) -> Key:
        """Return the key; raises ``KeyFileError``: none is there, the keyring is locked, or there is no keyring."""
        key = self._found()
        if key is None:
            raise KeyFileError(f"asked for {self._entry}, found none; make one with KeyringKey(...).create()")
        return key

    def create(self, *, former: Iterable[Key] = ()) -> Key:
        """Make a new key and keep it; raises ``KeyFileError``, also where one is there."""
        if self._found() is not None:
            raise KeyFileError(f"asked to make {self._entry}, found one there; it is left as it is")
        return self._keep(Key.generate(former=former))

    def add(self) -> Key:
        """Put a new key before those that are there and return it; they open as before. Raises ``KeyFileError``."""
        return self._keep(Key.generate(former=[self()]))

    def drop(self, key_id: str) -> Key:
        """Take a former key out: what is still sealed with it will never open again. Raises ``KeyFileError``."""
        return self._keep(self().without(key_id))

    @property
    def _entry(self) -> str:
        return f"the key of {self.name!r} at {self.service!r} in the keyring"

    def _found(self) -> Key | None:
        with self._translated() as keyring:
            text = keyring.get_password(self.service, self.name)
        is_there = text is not None
        key = key_in(text or "")
        del text  # a traceback may show the variables of its frames
        if is_there and isinstance(key, str):
            raise KeyFileError(f"asked for {self._entry}, found another text: {key}")
        return None if isinstance(key, str) else key

    def _keep(self, key: Key) -> Key:
        with self._translated() as keyring:
            keyring.set_password(self.service, self.name, key.encode())
        kept = self._found()
        if kept is None or kept.ids != key.ids:
            raise KeyFileError(f"asked to keep {self._entry}, found another there afterwards; do it again")
        return key

    @contextmanager
    def _translated(self) -> Generator[ModuleType]:
        try:
            import keyring
            import keyring.errors
        except ImportError:
            raise KeyFileError(f"asked for {self._entry}, found no library for it; install bequest[keyring]") from None
        try:
            yield keyring
        except keyring.errors.NoKeyringError:
            said = "no keyring on this machine; use KeyFile, or install one"
        except keyring.errors.KeyringLocked:
            said = "that it is locked; unlock it and try again"
        except keyring.errors.KeyringError as error:
            said = f"that it failed with {type(error).__name__}; look at it with its own tools"
        else:
            return
        raise KeyFileError(f"asked for {self._entry}, found {said}")
