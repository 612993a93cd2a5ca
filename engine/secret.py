"""Owns ``Secret``: a value that shows itself only when it is asked to (holds I16)."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """A string that no repr, format, pickle or traceback shows; ``reveal()`` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself; keep it out of messages and logs."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return format(repr(self), format_spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes_of(self._value), _bytes_of(other._value))

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied; pass the sealed record and open it where it is used")

    def __getstate__(self) -> NoReturn:
        self.__reduce__()  # object's own would give the value


def _bytes_of(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")  # an error of encoding would hold the value
