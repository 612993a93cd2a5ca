"""Tests of the login site, over HTTP, as a browser without scripts would see it."""

from __future__ import annotations

import http.client
import http.cookiejar
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from bequest.testing.login_site import SESSION_COOKIE, LoginSite
from bequest.testing.manual_clock import ManualClock


class Seen(NamedTuple):
    """What a visitor got."""

    status: int
    url: str  # in the end, after redirects
    text: str

    @property
    def links(self) -> list[str]:
        """The targets of all links, in order."""
        return re.findall(r'<a [^>]*href="([^"]*)"', self.text)


class Visitor:
    """Somebody with a cookie jar, who follows redirects."""

    def __init__(self, site: LoginSite) -> None:
        self.site = site
        self.jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar)
        )

    def get(self, path: str, form: dict[str, str] | None = None) -> Seen:
        """Fetch *path*, or send *form* to it."""
        body = None if form is None else urllib.parse.urlencode(form).encode()
        url = urllib.parse.urljoin(self.site.url, path)
        try:
            with self._opener.open(url, body, timeout=10) as answer:
                return Seen(answer.status, answer.url, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Seen(error.code, str(error.url), error.read().decode())

    def log_in(self, password: str | None = None) -> Seen:
        """Fill in and send the form."""
        form = self.get("/login").text
        target = re.search(r'<form method="post" action="([^"]+)"', form)
        hidden = re.search(r'name="next" value="([^"]*)"', form)
        assert target
        assert hidden
        given = {"username": self.site.username, "password": password or self.site.password, "next": hidden[1]}
        return self.get(target[1], given)


@pytest.fixture
def site() -> Iterator[LoginSite]:
    """A site of twelve articles with its flaky page, on a clock that stands still."""
    with LoginSite(has_flaky_page=True, clock=ManualClock(start=50.0)) as site:
        yield site


@pytest.fixture
def member(site: LoginSite) -> Visitor:
    """Somebody who is logged in."""
    visitor = Visitor(site)
    visitor.log_in()
    return visitor


@pytest.mark.parametrize("path", ["/", "/articles/3", "/account/password", "/users/add", "/nowhere", "/flaky"])
def test_site_sends_strangers_to_the_login_form(site: LoginSite, path: str) -> None:
    """Whatever a stranger asks for, what comes is the login form, which remembers where they wanted to go."""
    seen = Visitor(site).get(path)

    assert seen.status == 200
    assert seen.url == f"{site.url}login?" + urllib.parse.urlencode({"next": path})
    assert f'name="next" value="{path}"' in seen.text
    assert 'type="password"' in seen.text


def test_form_opens_a_session_in_an_http_only_cookie(site: LoginSite) -> None:
    """The right name and password lead to the list of articles and set one cookie that scripts cannot read."""
    visitor = Visitor(site)

    seen = visitor.log_in()

    (cookie,) = visitor.jar
    assert (seen.status, seen.url) == (200, site.url)
    assert cookie.name == SESSION_COOKIE
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert "All articles" in seen.text


def test_form_refuses_a_wrong_password(site: LoginSite) -> None:
    """A wrong password shows the form again and opens no session."""
    visitor = Visitor(site)

    seen = visitor.log_in("wrong")

    assert "do not match" in seen.text
    assert not list(visitor.jar)
    assert "/login" in visitor.get("/").url


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example", ""])
def test_form_leads_nowhere_else(site: LoginSite, target: str) -> None:
    """A next address on another site is not followed."""
    form = {"username": site.username, "password": site.password, "next": target}

    assert Visitor(site).get("/login", form).url == site.url


def test_form_leads_back_to_where_one_wanted_to_go(site: LoginSite) -> None:
    """After the login comes the page that was asked for."""
    form = {"username": site.username, "password": site.password, "next": "/articles/3"}

    assert Visitor(site).get("/login", form).url == f"{site.url}articles/3"


def test_secrets_differ_from_site_to_site(site: LoginSite) -> None:
    """Password and sessions are random."""
    other = LoginSite()

    assert other.password != site.password
    assert other.new_session() != other.new_session()


@pytest.mark.parametrize("pages", [0, 1, 12, 100])
def test_every_article_is_reached_through_the_list(pages: int) -> None:
    """Following the list's own pages finds each article once and nothing else; all of them have words of their own."""
    with LoginSite(pages=pages) as site:
        visitor = Visitor(site)
        first = visitor.log_in()
        numbered = [visitor.get(link) for link in first.links if link.startswith("/?page=")]

        listed = [link for seen in (first, *numbered) for link in seen.links if link.startswith("/articles/")]
        texts = {visitor.get(link).text for link in listed}

    assert listed == list(site.article_paths)
    assert len(texts) == pages


def test_pages_link_as_real_ones_do(member: Visitor) -> None:
    """Every page carries navigation with a logout link, a footer with a dead link, and links into itself."""
    seen = member.get("/articles/3")

    assert {"/", "/logout", "/account/password", "/users/add", "/about", "/style-guide", "#facts"} <= set(seen.links)
    assert member.get("/about").status == 200


@pytest.mark.parametrize("path", ["/style-guide", "/articles/13", "/articles/0", "/articles/x", "/?page=3", "/?page=x"])
def test_dead_link_is_a_404(member: Visitor, path: str) -> None:
    """An address that leads nowhere answers 404, to somebody logged in."""
    assert member.get(path).status == 404


def test_forms_inside_are_content(member: Visitor) -> None:
    """Changing a password takes three password fields, adding a user one and a role; neither is a login form."""
    password, user = member.get("/account/password").text, member.get("/users/add").text

    assert (password.count('type="password"'), user.count('type="password"')) == (3, 1)
    assert "<select" in user


def test_forms_inside_change_nothing(member: Visitor) -> None:
    """Sending a form other than the login's is refused."""
    assert member.get("/account/password", {"current-password": "x"}).status == 405


def test_flaky_page_fails_twice_in_each_session(site: LoginSite, member: Visitor) -> None:
    """The flaky page answers 503 twice, then works, and starts over with another session."""
    other = Visitor(site)
    other.log_in()

    answers = [[visitor.get("/flaky").status for _ in range(4)] for visitor in (member, other)]

    assert answers == [[503, 503, 200, 200]] * 2


def test_flaky_page_is_there_only_when_asked_for() -> None:
    """Without the flag nothing links to the flaky page, and it is a 404."""
    with LoginSite() as site:
        visitor = Visitor(site)
        front = visitor.log_in()

        assert "/flaky" not in front.links
        assert visitor.get("/flaky").status == 404


def test_logout_link_ends_the_session(site: LoginSite, member: Visitor) -> None:
    """Following the logout link ends the session on the server, for its cookie too."""
    (cookie,) = member.jar
    kept = f"{cookie.name}={cookie.value}"

    member.get("/logout")

    request = urllib.request.Request(site.url, headers={"Cookie": kept})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert "/login" in answer.url
    assert not list(member.jar)


def test_expired_session_is_sent_to_the_form(site: LoginSite, member: Visitor) -> None:
    """After all sessions expired, a cookie that worked does no longer; logging in again helps."""
    before = member.get("/articles/1").url

    site.sessions_expire()

    assert before == f"{site.url}articles/1"
    assert "/login" in member.get("/articles/1").url
    assert member.log_in().url == site.url


def test_new_session_works_as_a_cookie(site: LoginSite) -> None:
    """A session made without the form is as good as one made with it."""
    request = urllib.request.Request(  # noqa: S310
        site.url, headers={"Cookie": f"theme=dark; {SESSION_COOKIE}={site.new_session()}"}
    )

    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert answer.url == site.url


def test_requests_say_what_the_server_saw(site: LoginSite) -> None:
    """Each request is written down in order, with its time and whether a live session came with it."""
    visitor = Visitor(site)

    visitor.get("/articles/1")
    visitor.log_in()
    visitor.get("/?page=2")
    site.sessions_expire()
    visitor.get("/articles/2")

    assert [(seen.path, seen.has_session) for seen in site.requests] == [
        ("/articles/1", False),
        ("/login?next=%2Farticles%2F1", False),
        ("/login", False),
        ("/login", False),
        ("/", True),
        ("/?page=2", True),
        ("/articles/2", False),
        ("/login?next=%2Farticles%2F2", False),
    ]
    assert {seen.at for seen in site.requests} == {50.0}


def test_connection_is_kept_and_ends_with_the_site() -> None:
    """Many requests share one connection; leaving the block closes it and leaves no thread."""
    before = set(threading.enumerate())
    with LoginSite() as site:
        port = urllib.parse.urlsplit(site.url).port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for _ in range(3):
            connection.request("GET", "/style.css")
            connection.getresponse().read()
            kept = connection.sock
        assert kept is not None

    assert kept.recv(1) == b""
    assert set(threading.enumerate()) == before
    connection.close()


@pytest.mark.parametrize("length", ["70000", "-1", "many"])
def test_form_of_no_sensible_length_is_refused(site: LoginSite, length: str) -> None:
    """A form that is too long, or says no true length, is refused unread and the connection ends."""
    port = urllib.parse.urlsplit(site.url).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    connection.request("POST", "/login", headers={"Content-Length": length})
    answer = connection.getresponse()

    assert answer.status == 413
    assert answer.getheader("Connection") == "close"
    answer.read()
    connection.close()
