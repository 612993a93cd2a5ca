"""What becomes of a credential when somebody has logged in."""

from __future__ import annotations

import pytest

from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.errors import LoginFailedError
from bequest.engine.renewals import renewed
from bequest.engine.secret import Secret
from bequest.engine.sessions import OriginHeader, OriginStorage, Session

NOW = 1_000_000_000.0


def cookie(name: str, domain: str, *, host_only: bool = True, expires: float | None = None) -> Cookie:
    return Cookie(name=name, value=Secret("v"), domain=domain, host_only=host_only, expires=expires)


WIKI = Credential(
    auth_id="wiki",
    sites=("wiki.example",),
    cookies=(cookie("old", "wiki.example"),),
    headers=(OriginHeader.bearer("https://wiki.example", token="t"),),
    storages=(OriginStorage(origin="https://wiki.example", local={"old": Secret("v")}),),
    secrets={"password": Secret("p")},
    user_agent="before",
)
LEFT = Session(
    cookies=(cookie("sid", "wiki.example"), cookie("sso", "login.example"), cookie("gone", "wiki.example", expires=1)),
    storages=(
        OriginStorage(origin="https://wiki.example", session={"tab": Secret("v")}),
        OriginStorage(origin="https://login.example", local={"token": Secret("v")}),
    ),
    user_agent="after",
)


def test_renewed_credential_has_what_the_login_left() -> None:
    """Cookies, storages and user agent are the login's alone, secrets and headers those that were."""
    found = renewed(WIKI, LEFT, now=NOW).credential

    assert (found.cookies, found.storages, found.user_agent) == (LEFT.cookies[:1], LEFT.storages[:1], "after")
    assert (found.secrets, found.headers) == (WIKI.secrets, WIKI.headers)
    assert (found.auth_id, found.sites) == ("wiki", ("wiki.example",))


def test_rest_of_a_login_is_named() -> None:
    """What is left at the provider that it went through is dropped, and so is what has expired (I17)."""
    assert renewed(WIKI, LEFT, now=NOW).skipped == (
        ("sso", "outside the credential's sites"),
        ("gone", "expired"),
        ("storage of https://login.example", "outside the credential's sites"),
    )


def test_provider_is_kept_where_it_is_a_site() -> None:
    """A credential that names the provider beside the site has the session of both."""
    both = Credential(auth_id="wiki", sites=("wiki.example", "login.example"))

    found = renewed(both, LEFT, now=NOW)

    assert found.skipped == (("gone", "expired"),)
    assert found.credential.storages == LEFT.storages


def test_storage_alone_is_a_session() -> None:
    """Some sites keep the whole session in the storage, and set no cookie."""
    assert renewed(WIKI, Session(storages=LEFT.storages), now=NOW).credential.cookies == ()


@pytest.mark.parametrize(
    ("session", "said"),
    [
        (Session(), "asked for a session of wiki.example, found that the login left no session; nothing was stored"),
        (Session(cookies=LEFT.cookies[1:2], storages=LEFT.storages[1:]), "left sessions of login.example alone; name"),
    ],
    ids=["nothing", "elsewhere"],
)
def test_login_that_left_nothing_for_the_sites_is_refused(session: Session, said: str) -> None:
    """It takes the place of no session, and the error says for which sites there would be one."""
    with pytest.raises(LoginFailedError, match=said):
        renewed(WIKI, session, now=NOW)
