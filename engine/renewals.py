"""Owns what becomes of a credential when somebody has logged in: what the login left takes the place of what was."""

from __future__ import annotations

import msgspec

from .cookies import admit
from .credentials import OUTSIDE, Credential, sites_of
from .errors import LoginFailedError
from .origins import host_of_origin
from .records import Record
from .sessions import Session


class Renewal(Record, frozen=True, kw_only=True):
    """A credential with a new session, and why the rest of what the login left is not in it."""

    credential: Credential
    skipped: tuple[tuple[str, str], ...] = ()  # name and reason


class LoginReport(Record, frozen=True, kw_only=True):
    """What came of a login that was stored."""

    sites: tuple[str, ...]
    cookies: int  # kept
    storages: int  # kept; of how many origins
    skipped: tuple[tuple[str, str], ...]  # name and reason
    woken: int  # pages that waited for it and are due again


def renewed(credential: Credential, session: Session, *, now: float) -> Renewal:
    """Return *credential* with what a login left for its sites; its secrets and headers stay.

    What the login left elsewhere, such as at the provider that it went through, is dropped and named (I17).
    Raises ``LoginFailedError`` when nothing is left then: what was stored before is worth more than that.
    """
    found = admit(session.cookies, sites=credential.sites, now=now)
    storages = tuple(one for one in session.storages if credential.covers(host_of_origin(one.origin)))
    if not (found.kept or storages):
        raise LoginFailedError(_nothing_left(credential, session))
    outside = tuple((f"storage of {one.origin}", OUTSIDE) for one in session.storages if one not in storages)
    return Renewal(
        credential=msgspec.structs.replace(
            credential, cookies=found.kept, storages=storages, user_agent=session.user_agent
        ),
        skipped=(*found.skipped, *outside),
    )


def _nothing_left(credential: Credential, session: Session) -> str:
    elsewhere = sites_of(session)
    found = f"sessions of {', '.join(elsewhere)} alone; name the site that is meant" if elsewhere else "no session"
    return (
        f"asked for a session of {', '.join(credential.sites)}, found that the login left {found}; nothing was stored"
    )
