"""Owns what becomes of a credential when somebody has logged in: what the login left takes the place of what was."""

from __future__ import annotations

import msgspec

from .cookies import admit
from .credentials import OUTSIDE, Credential
from .origins import host_of_origin
from .records import Record
from .sessions import Session


class Renewal(Record, frozen=True, kw_only=True):
    """A credential with a new session, and why the rest of what the login left is not in it."""

    credential: Credential
    skipped: tuple[tuple[str, str], ...] = ()  # name and reason

    @property
    def has_session(self) -> bool:
        """Whether the login left anything that the sites may have."""
        return bool(self.credential.cookies or self.credential.storages)


def renewed(credential: Credential, session: Session, *, now: float) -> Renewal:
    """Return *credential* with what a login left for its sites; its secrets and headers stay.

    What the login left elsewhere, such as at the provider that it went through, is dropped and named (I17).
    """
    found = admit(session.cookies, sites=credential.sites, now=now)
    storages = tuple(one for one in session.storages if credential.covers(host_of_origin(one.origin)))
    outside = tuple((f"storage of {one.origin}", OUTSIDE) for one in session.storages if one not in storages)
    return Renewal(
        credential=msgspec.structs.replace(
            credential, cookies=found.kept, storages=storages, user_agent=session.user_agent
        ),
        skipped=(*found.skipped, *outside),
    )
