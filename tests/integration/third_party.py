"""A first party with a session and third parties beside it, each of which keeps what it was sent, word by word.

Names under ``.localhost`` lead here and count as secure, so that service workers and Secure cookies work over http.
"""

from __future__ import annotations

import json
import threading
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from loopback_site import Answer, Request, Serve
from third_party_vectors import LEADING, MAY_NOT_ARRIVE, VECTORS

from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.secret import Secret
from bequest.engine.sessions import OriginHeader, OriginStorage

FIRST = "app.wiki.localhost"
THIRD = "third.localhost"
SIBLING = "other.wiki.localhost"
HOLD_S = 10.0  # for a request that comes
SHORT_HOLD_S = 0.3  # for one that may never come

BEARER, KEY = "secret-of-the-bearer", "secret-of-the-key"
HOST_COOKIE, DOMAIN_COOKIE, OPEN_COOKIE = "secret-of-the-host", "secret-of-the-domain", "secret-without-same-site"
LOCAL, FLEETING, INDEXED = "secret-of-local-storage", "secret-of-session-storage", "secret-of-a-database"
HEADERS = {BEARER, KEY}
COOKIES = {HOST_COOKIE, DOMAIN_COOKIE, OPEN_COOKIE}
STORAGES = {LOCAL, FLEETING, INDEXED}
SECRETS = HEADERS | COOKIES | STORAGES

HTML = ("Content-Type", "text/html; charset=utf-8")
SCRIPT = ("Content-Type", "text/javascript")
# Sends home all that a script can read.
TELL_JS = """(async () => {
  let rows = "";
  for (const {name} of await indexedDB.databases()) {
    const open = indexedDB.open(name);
    const base = await new Promise(done => { open.onsuccess = () => done(open.result); });
    for (const table of base.objectStoreNames) {
      const asked = base.transaction(table).objectStore(table).getAll();
      rows += JSON.stringify(await new Promise(done => { asked.onsuccess = () => done(asked.result); }));
    }
    base.close();
  }
  const told = [{...localStorage}, {...sessionStorage}, rows, document.cookie, window.name];
  await fetch("/told", {method: "POST", body: JSON.stringify(told), keepalive: true});
})()"""


class Target(NamedTuple):
    """A third party: where it is, and which secrets no request to it may hold."""

    base: str
    forbidden: frozenset[str]

    @property
    def host(self) -> str:
        """What its requests have in their Host header."""
        return urlsplit(self.base).netloc


class Arrivals:
    """Knows which vectors have arrived where, and waits for one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: set[tuple[str, str]] = set()

    def add(self, host: str, vector: str) -> None:
        """Note an arrival; *host* has its port."""
        with self._changed:
            self._seen.add((host, vector))
            self._changed.notify_all()

    def wait(self, host: str, vector: str) -> None:
        """Wait until that vector arrives there, if it does."""
        timeout_s = SHORT_HOLD_S if vector in MAY_NOT_ARRIVE else HOLD_S
        with self._changed:
            self._changed.wait_for(lambda: self.has(host, vector), timeout_s)

    def has(self, host: str, vector: str) -> bool:
        """Return whether that vector has arrived there."""
        return (host, vector) in self._seen


class Parties:
    """The first party at ``app.wiki.localhost``, and one site that is all of the third parties."""

    def __init__(self, serve: Serve) -> None:
        self.arrivals = Arrivals()
        self.first = serve(self._answer_first)
        self.third = serve(self._answer_third)
        self.origin = self.first.url("", FIRST)
        cookies_too = frozenset(SECRETS)
        self.targets = {
            "third party": Target(self.third.url("", THIRD), cookies_too),
            "sibling": Target(self.third.url("", SIBLING), cookies_too),
            "other port": Target(self.third.url("", FIRST), frozenset(SECRETS - COOKIES)),  # cookies know no ports
        }

    def page(self, vector: str, target: Target) -> str:
        """Return the URL of the first party's page that leads to *target* by that vector."""
        return f"{self.origin}/vector?{urlencode({'vector': vector, 'to': self.there(vector, target)})}"

    @staticmethod
    def there(vector: str, target: Target) -> str:
        """Return the URL at which *target* is reached by that vector."""
        return f"{target.base}/seen?vector={quote(vector)}"

    def leaks(self, target: Target) -> set[tuple[str, str]]:
        """Return what *target* has seen and may not have: path and secret."""
        return {
            (seen.path, secret)
            for seen in self.third.requests
            if seen.headers.get("Host") == target.host
            for secret in target.forbidden & secrets_of(seen)
        }

    def _answer_first(self, request: Request) -> Answer:
        asked = asked_of(request)
        to = asked.get("to", "")
        match urlsplit(request.path).path:
            case "/vector":
                return self._vector_page(asked["vector"], to)
            case "/go302" | "/go307" as path:
                return Answer("", int(path[3:]), (("Location", to), *cors(request)))
            case "/worker.js":
                return Answer(f"fetch('{to}', {{mode: 'no-cors', credentials: 'include'}})", headers=(SCRIPT,))
            case "/hold":
                self.arrivals.wait(urlsplit(to).netloc, vector_of(to))
                return Answer("", headers=(SCRIPT,))
            case "/page":
                return Answer(asked.get("body", ""))
        return Answer("ok", headers=(HTML, *cors(request)))

    def _vector_page(self, vector: str, to: str) -> Answer:
        match vector:
            case "redirect 302" | "redirect 307":
                return Answer("", int(vector[-3:]), (("Location", to),))
            case "redirect there and back":
                home = f"{self.origin}/page"
                return Answer("", 302, (("Location", f"{to}&{urlencode({'back': home})}"),))
            case "refresh header":
                return Answer(LEADING[vector], headers=(HTML, ("Refresh", f"0;url={to}")))
            case _ if vector in LEADING:
                return Answer(self._filled(LEADING[vector], to))
        policy = f"style-src 'none'; report-uri {to}" if vector == "policy report" else "default-src *"
        hold = f"<script src='/hold?to={quote(to, safe='')}'></script>"  # until it has arrived
        body = self._filled(VECTORS[vector], to)
        return Answer(body + hold, headers=(HTML, ("Content-Security-Policy-Report-Only", policy)))

    def _filled(self, page: str, to: str) -> str:
        urls = {"@TO": to} | {f"@GO{code}": f"{self.origin}/go{code}?to={quote(to, safe='')}" for code in (302, 307)}
        for mark, url in urls.items():
            page = page.replace(f"@Q{mark}", quote(url, safe="")).replace(mark, url)
        return page

    def _answer_third(self, request: Request) -> Answer:
        asked = asked_of(request)
        if "vector" in asked:
            self.arrivals.add(request.headers.get("Host", ""), asked["vector"])
        if "back" in asked:
            return Answer("", 302, (("Location", asked["back"]),))
        more = (("Content-Disposition", "attachment"),) if "download" in asked.get("vector", "") else ()
        return Answer(f"<script>{TELL_JS}</script>", headers=(HTML, *cors(request), *more))


def credential(origin: str, *, auth_id: str = "wiki", suffix: str = "") -> Credential:
    """Return a credential with every kind of secret, for the host of *origin*; *suffix* tells two apart."""
    local, fleeting, rows = Secret(LOCAL + suffix), Secret(FLEETING + suffix), Secret(databases(INDEXED + suffix))
    host = urlsplit(origin).hostname or ""
    parent = host.partition(".")[2]
    return Credential(
        auth_id=auth_id,
        sites=(host,),
        cookies=(
            Cookie(name="host", value=Secret(HOST_COOKIE + suffix), domain=host, host_only=True),
            Cookie(name="domain", value=Secret(DOMAIN_COOKIE + suffix), domain=parent, host_only=False),
            Cookie(
                name="open",
                value=Secret(OPEN_COOKIE + suffix),
                domain=parent,
                host_only=False,
                secure=True,
                same_site="None",
            ),
        ),
        headers=(
            OriginHeader.bearer(origin, token=BEARER + suffix),
            OriginHeader(origin=origin, name="X-Key", value=Secret(KEY + suffix)),
        ),
        storages=(OriginStorage(origin=origin, local={"token": local}, session={"token": fleeting}, indexed_db=rows),),
    )


def databases(value: str) -> str:
    """Return an IndexedDB with one value, as Playwright writes it."""
    store = {"name": "rows", "autoIncrement": False, "records": [{"key": 1, "value": value}], "indexes": []}
    return json.dumps([{"name": "base", "version": 1, "stores": [store]}])


def secrets_of(request: Request) -> set[str]:
    """Return the secrets that a request holds anywhere."""
    text = "\n".join([request.path, *request.headers.values(), request.body.decode(errors="replace")])
    return {secret for secret in SECRETS if secret in text}


def asked_of(request: Request) -> dict[str, str]:
    """Return the query of a request."""
    return {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}


def vector_of(url: str) -> str:
    """Return the vector that a third party's URL is of."""
    return parse_qs(urlsplit(url).query)["vector"][0]


def cors(request: Request) -> tuple[tuple[str, str], ...]:
    """Return headers that let any page read the answer, with cookies."""
    return (
        ("Access-Control-Allow-Origin", request.headers.get("Origin", "*")),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Headers", request.headers.get("Access-Control-Request-Headers", "x-own")),
        ("Access-Control-Allow-Methods", "PUT"),
        ("Vary", "Origin"),
    )
