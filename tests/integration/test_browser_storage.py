"""Storages and user agent of a credential in a real browser: each origin has its own, once, no other has any (I17)."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator

import pytest
from browser_rig import Rig
from loopback_site import Answer, Request, Serve
from third_party import FLEETING, INDEXED, LOCAL, STORAGES, TELL_JS, databases

from bequest.engine.credentials import Credential
from bequest.engine.pages import CookieReport
from bequest.engine.records import SealedCredential
from bequest.engine.secret import Secret
from bequest.engine.sessions import OriginStorage

HOST = "wiki.localhost"
ANSWER_S = 20.0
NO_ICON = "<link rel=icon href=data:,>"  # or the browser asks for one, some time later
# Changes what it finds, and shows what that was.
CHANGE = """<script>
document.write(sessionStorage.token + "," + sessionStorage.gone);
sessionStorage.token = "newer"; sessionStorage.removeItem("gone");
</script>"""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(tabs=1) as running:
        yield running


class Telling:
    """A site of which each page tells it what secrets it could read."""

    def __init__(self, serve: Serve) -> None:
        self.bodies: list[bytes] = []
        self._changed = threading.Condition()
        self._unheard = threading.Semaphore(0)
        self.site = serve(self._answer)
        self.origin = self.site.url("", HOST)

    def told(self, count: int = 1) -> list[set[str]]:
        """Wait for as many reports, and return the secrets in each."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.bodies) >= count, ANSWER_S)
            return [{secret for secret in STORAGES if secret.encode() in body} for body in self.bodies]

    def _answer(self, request: Request) -> Answer:
        match request.path:
            case "/told":
                with self._changed:
                    self.bodies.append(request.body)
                    self._changed.notify_all()
                self._unheard.release()
            case "/tell":
                return Answer(f"{NO_ICON}<script>{TELL_JS}</script><script src=/hold></script>")
            case "/hold":  # the page is not read before its report is here
                self._unheard.acquire(timeout=ANSWER_S)
            case "/frame":
                return Answer(f"{NO_ICON}<iframe src=/tell></iframe>")
            case "/change":
                return Answer(CHANGE)
        return Answer("")


@pytest.fixture
def site(serve: Serve) -> Telling:
    return Telling(serve)


def seal(rig: Rig, *storages: OriginStorage, auth_id: str, user_agent: str | None = None) -> SealedCredential:
    """Return a sealed credential of those storages, for the site."""
    credential = Credential(auth_id=auth_id, sites=(HOST,), storages=storages, user_agent=user_agent)
    return rig.vault.seal(credential, version=1, now=0.0)


def storage(origin: str, *, session: dict[str, str] | None = None, rows: str | None = None) -> OriginStorage:
    """Return a storage with a secret of each kind, unless told otherwise."""
    fleeting = {"token": FLEETING} if session is None else session
    return OriginStorage(
        origin=origin,
        local={"token": Secret(LOCAL)},
        session={name: Secret(value) for name, value in fleeting.items()},
        indexed_db=Secret(databases(INDEXED) if rows is None else rows),
    )


@pytest.mark.parametrize("path", ["/tell", "/frame"])
def test_page_reads_the_storages_of_its_origin(rig: Rig, site: Telling, path: str) -> None:
    """localStorage, sessionStorage and IndexedDB are there before the first script, in a frame too."""
    sealed = seal(rig, storage(site.origin), auth_id=f"all{path}")

    report = rig.read(f"{site.origin}{path}", credential=sealed).cookies

    assert report == CookieReport(storages=1)
    assert site.told() == [STORAGES]
    assert site.site.requests[0].path == path  # the empty page came from the browser


def test_other_origins_have_none_of_it(rig: Rig, serve: Serve, site: Telling) -> None:
    """Another port, and a subdomain, read nothing; what belongs to no site of the credential is not even put there."""
    other = Telling(serve)
    elsewhere = site.site.url("", "elsewhere.localhost")
    sealed = seal(rig, storage(site.origin), storage(elsewhere), auth_id="other origins")

    report = rig.read(f"{other.origin}/tell", credential=sealed).cookies
    rig.read(site.site.url("/tell", f"sub.{HOST}"), credential=sealed)
    rig.read(f"{elsewhere}/tell", credential=sealed)

    assert report is not None
    assert dict(report.skipped) == {f"storage {elsewhere}": "outside the credential's sites"}
    assert other.told() == [set()]
    assert site.told(2) == [set(), set()]


def test_what_a_site_changes_in_its_tab_stands(rig: Rig, site: Telling) -> None:
    """sessionStorage is put into a tab once: the next page finds what the last one left, also where it removed it."""
    sealed = seal(rig, storage(site.origin, session={"token": "first", "gone": "there"}), auth_id="changes")

    shown = [rig.read(f"{site.origin}/change", credential=sealed).html for _ in range(2)]

    assert ["first,there" in shown[0], "newer,undefined" in shown[1]] == [True, True]


@pytest.mark.parametrize("rows", ["no JSON", '{"a": 1}', '[{"name": "base", "version": 0, "stores": []}]'])
def test_storage_that_the_browser_refuses_costs_only_itself(rig: Rig, serve: Serve, site: Telling, rows: str) -> None:
    """A broken database is named by its origin with the reason, never by a value; other origins have theirs."""
    other = Telling(serve)
    good, bad = storage(site.origin), storage(other.origin, rows=rows)
    sealed = seal(rig, bad, good, auth_id=f"broken {rows}")

    report = rig.read(f"{site.origin}/tell", credential=sealed).cookies

    assert report == CookieReport(storages=1, skipped=((f"storage {other.origin}", "refused by the browser"),))
    assert site.told() == [STORAGES]


def test_session_storage_that_is_too_large_is_logged_by_its_origin(
    rig: Rig, site: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit is left out with a warning that holds no value, and the rest is there."""
    large = storage(site.origin, session={"large": f"{FLEETING}{'x' * 6_000_000}", "token": FLEETING})

    rig.read(f"{site.origin}/tell", credential=seal(rig, large, auth_id="large"))

    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warnings] == ["session storage not taken by the browser"]
    assert FLEETING not in repr([vars(record) for record in warnings])
    assert site.told() == [STORAGES]


def test_site_sees_the_user_agent_of_the_session(rig: Rig, serve: Serve) -> None:
    """The name of the browser that logged in is sent and shown to scripts, and by no other page."""
    site = serve(lambda _: Answer("<script>document.write(navigator.userAgent)</script>"))
    sealed = seal(rig, storage(site.url("", HOST)), auth_id="agent", user_agent="Lamp/1.0 (the keeper's)")

    shown = rig.read(site.url("/with", HOST), credential=sealed).html
    rig.read(site.url("/without", HOST))

    agents = {seen.path: seen.headers["User-Agent"] for seen in site.requests}
    assert "Lamp/1.0 (the keeper's)" in shown
    assert agents["/with"] == "Lamp/1.0 (the keeper's)"
    assert "Lamp" not in agents["/without"]


def test_values_are_json_and_no_code(rig: Rig, site: Telling) -> None:
    """A value with quotes, tags and line ends arrives as it is."""
    odd = "'\"</script>\u2028`${1}\\\n"
    sealed = seal(rig, storage(site.origin, session={"odd": odd}), auth_id="odd")

    rig.read(f"{site.origin}/tell", credential=sealed)

    assert site.told() == [{LOCAL, INDEXED}]
    assert json.loads(site.bodies[0])[1] == {"odd": odd}
