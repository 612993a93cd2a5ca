"""Owns the reading of definition files: TOML and JSON, by their ending."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from .definitions import Definition, definition_from
from .errors import DefinitionError

MAX_FILE_BYTES = 10_000_000
MAX_DOTS_IN_A_LINE = 1_000  # of TOML; the time that tomllib takes for a key grows with the square of its parts


def read_definition(path: str | Path) -> Definition:
    """Read and check the definition in a ``.toml`` or ``.json`` file.

    Raises ``DefinitionError``, which names the file and, where there is one, the key.
    """
    path = Path(path)
    decode = _DECODERS.get(path.suffix.lower())
    if decode is None:
        raise DefinitionError(f"{path}: expected a file that ends in .toml or .json")
    try:
        with path.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise DefinitionError(f"{path}: expected a definition, found more than {MAX_FILE_BYTES:,} bytes")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise DefinitionError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{path}: expected UTF-8 text, found other bytes at {error.start}") from None
    try:
        fields = decode(text)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise DefinitionError(f"{path}: not valid {path.suffix[1:].upper()}: {error}") from None
    if not isinstance(fields, dict):
        raise DefinitionError(f"{path}: expected one object with the keys of a definition")
    return definition_from(fields, source=str(path))


def _decoded_toml(text: str) -> dict[str, Any]:  # Any: whatever the file holds
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MAX_DOTS_IN_A_LINE:
            raise ValueError(f"more than {MAX_DOTS_IN_A_LINE} dots (at line {number})")
    return tomllib.loads(text)


_DECODERS: Mapping[str, Callable[[str], Any]] = {  # Any: whatever the file holds
    ".toml": _decoded_toml,
    ".json": msgspec.json.decode,
}
