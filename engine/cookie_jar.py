"""Owns ``CookieJar``: what a browser holds after requests and responses that somebody else has recorded."""

from __future__ import annotations

import msgspec

from .cookies import Cookie, domain_matches
from .hosts import registrable_domain
from .secret import Secret
from .sessions import Skipped

MAX_OF_A_NAME = 180  # Chromium keeps no more cookies of a site, whatever their names

Place = tuple[str, str, bool, str]


class CookieJar:
    """Cookies by where a browser keeps them; the last writer wins.

    A cookie that only a request showed is a guess: for that host alone and every path. The response that sets it, or
    takes it away, knows better and replaces it. Cookies that may stand in for each other have one name and one site.
    """

    def __init__(self) -> None:
        self._cookies: dict[Place, Cookie] = {}
        self._alike: dict[tuple[str, str], dict[Place, bool]] = {}  # by name and site, and whether each is a guess
        self.skipped: list[Skipped] = []

    @property
    def cookies(self) -> tuple[Cookie, ...]:
        """What it holds."""
        return tuple(self._cookies.values())

    def put(self, found: Cookie | str, *, name: str, at: float | None) -> None:
        """Do what a response said at the time *at*: set a cookie or take it away; a reason why not is kept."""
        if isinstance(found, str):
            self.skipped.append(Skipped(kind="cookie", name=name.strip(), reason=found))
            return
        alike = self._places(found.name, found.domain)
        for place in [one for one, is_guess in alike.items() if is_guess and _is_same(self._cookies[one], found)]:
            self._take(place)
        self._take(_place(found))
        if found.expires is None or found.expires > (at or 0.0):
            self._keep(found, is_guess=False)

    def saw(self, name: str, value: str, *, host: str, path: str, is_secure: bool) -> None:
        """Note that a request sent this; a script may have made or changed it."""
        known = [place for place in self._places(name, host) if _goes(self._cookies[place], host, path)]
        if any(self._cookies[place].value == Secret(value) for place in known):
            return
        if known:
            place = max(known, key=lambda one: len(one[3]))
            self._cookies[place] = msgspec.structs.replace(self._cookies[place], value=Secret(value))
            return
        guess = Cookie(name=name, value=Secret(value), domain=host, host_only=True, secure=is_secure)
        self._keep(guess, is_guess=True)

    def _places(self, name: str, domain: str) -> dict[Place, bool]:
        return self._alike.setdefault((name, registrable_domain(domain)), {})

    def _keep(self, cookie: Cookie, *, is_guess: bool) -> None:
        alike = self._places(cookie.name, cookie.domain)
        self._cookies[_place(cookie)] = cookie
        alike[_place(cookie)] = is_guess
        if len(alike) > MAX_OF_A_NAME:
            self._take(next(iter(alike)))
            self.skipped.append(Skipped(kind="cookie", name=cookie.name, reason="more than a browser keeps"))

    def _take(self, place: Place) -> None:
        self._cookies.pop(place, None)
        self._places(place[0], place[1]).pop(place, None)


def _place(cookie: Cookie) -> Place:
    return cookie.name, cookie.domain, cookie.host_only, cookie.path


def _is_same(guess: Cookie, found: Cookie) -> bool:
    return guess.domain == found.domain or (not found.host_only and domain_matches(guess.domain, found.domain))


def _goes(cookie: Cookie, host: str, path: str) -> bool:
    """Say as RFC 6265bis, 5.8.3, whether *cookie* goes to *host* for *path*."""
    is_there = host == cookie.domain if cookie.host_only else domain_matches(host, cookie.domain)
    folder = cookie.path if cookie.path.endswith("/") else f"{cookie.path}/"
    return is_there and (path == cookie.path or path.startswith(folder))
