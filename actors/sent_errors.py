"""Owns how an exception gets from one process to another: with its type, its message, and where it came from.

pickle makes an exception again by calling its class with what ``args`` holds, which many classes do not take. Such a
one is made again without that call.
"""

from __future__ import annotations

import importlib
import pickle
import traceback
from collections.abc import Mapping
from typing import Any, NamedTuple


class SentError(NamedTuple):
    """An exception on its way."""

    pickled: bytes | None  # None where pickle would not make it again
    module: str
    qualname: str
    message: str
    state: Mapping[str, Any]  # its attributes, those that can be sent
    traceback: str = ""


class RemoteError(Exception):
    """An exception of another process whose class is not known in this one."""


def packed(error: BaseException, *, without: str = "") -> SentError:
    """Return *error* as it is sent; frames of the file *without* are left out of its traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != without]
    return SentError(
        pickled=pickled(error),
        module=type(error).__module__,
        qualname=type(error).__qualname__,
        message=message_of(error),
        state={name: value for name, value in vars(error).items() if pickled(value) is not None},
        traceback="".join(traceback.format_list(frames)),
    )


def unpacked(sent: SentError) -> BaseException:
    """Return the exception, with its traceback as text in ``remote_traceback``."""
    error = made_again(sent)
    error.__dict__["remote_traceback"] = sent.traceback  # read by attempt.described
    return error


def made_again(sent: SentError) -> BaseException:
    """Return the exception; of a class that is not known here, one that says the same."""
    try:
        if sent.pickled is not None:
            error = pickle.loads(sent.pickled)  # noqa: S301 - our own process's bytes
            if isinstance(error, BaseException):
                return error
        return without_calling(sent)
    except Exception:  # noqa: BLE001 - classes may refuse in any way
        return RemoteError(f"{sent.qualname}: {sent.message}")


def without_calling(sent: SentError) -> BaseException:
    """Return the exception, made without its ``__init__``."""
    found: Any = importlib.import_module(sent.module)
    for name in sent.qualname.split("."):
        found = getattr(found, name)
    error: BaseException = found.__new__(found, sent.message)
    object.__setattr__(error, "args", (sent.message,))  # some classes let nothing be set
    error.__dict__.update(sent.state)
    return error


def message_of(error: BaseException) -> str:
    """Return what *error* says, whatever its class does when asked."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - its own __str__ may raise anything
        return f"a {type(error).__name__} that cannot say what it is"


def pickled(value: Any) -> bytes | None:
    """Return the bytes of *value*, or None where they could not be made into it again."""
    try:
        data = pickle.dumps(value)
        pickle.loads(data)  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - any class may refuse in any way
        return None
    return data
