"""Owns Playwright's ``storage_state``: cookies, and by origin what scripts stored in localStorage and IndexedDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .cookie_json import read_cookie_items
from .errors import CredentialFormatError
from .origins import origin_of
from .secret import Secret
from .session_reading import Asked, Reading, merged_storages, read_items, read_text
from .sessions import OriginStorage, Skipped


def read_storage_state(decoded: Mapping[str, Any], asked: Asked) -> Reading:  # Any: JSON
    """Return cookies and storages; raises ``CredentialFormatError`` naming the part by its number.

    A storage of no web origin, such as an extension's, is skipped.
    """
    storages: list[OriginStorage] = []
    skipped: list[Skipped] = []
    for item, place in read_items(decoded.get("origins"), asked.source, "origin"):
        origin = origin_of(read_text(item, "origin", place))
        if origin is None:
            skipped.append(Skipped(kind="storage", name=place, reason="no http or https origin"))
        else:
            storages.append(_storage(item, origin, place))
    return Reading(
        form="Playwright's storage_state" if "origins" in decoded else "a JSON list of cookies",
        cookies=read_cookie_items(decoded.get("cookies"), asked.source),
        storages=tuple(one for one in merged_storages(storages) if one.local or one.indexed_db),
        skipped=tuple(skipped),
    )


def _storage(item: Mapping[str, Any], origin: str, place: str) -> OriginStorage:
    values = read_items(item.get("localStorage"), place, "value")
    databases = item.get("indexedDB")
    if not isinstance(databases, list | None):
        raise CredentialFormatError(f"{place}: expected a list under 'indexedDB', found another kind")
    return OriginStorage(
        origin=origin,
        local={read_text(one, "name", where): Secret(read_text(one, "value", where)) for one, where in values},
        indexed_db=Secret(msgspec.json.encode(databases).decode()) if databases else None,
    )
