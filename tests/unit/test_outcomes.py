"""What a fetch came to: no error page and no login page is ever content."""

from __future__ import annotations

import msgspec
import pytest

from bequest.engine.definitions import AuthPolicy
from bequest.engine.errors import PageError
from bequest.engine.outcomes import (
    Outcome,
    Verdict,
    is_forbidden_to_session,
    is_session_refused,
    judge,
    page_error_outcome,
    place,
)
from bequest.engine.pages import CookieReport, LoginFormFacts, PageSnapshot
from bequest.engine.records import JobError
from bequest.engine.session_checks import SessionCheck

URL = "http://wiki.example/article?token=canary"
PLACE = "wiki.example/article"
REQUIRE, DEGRADE = AuthPolicy.REQUIRE, AuthPolicy.DEGRADE
LOGIN_FORM = LoginFormFacts(password_fields=1, text_fields=1, has_user_field=True)
CHANGE_PASSWORD = LoginFormFacts(password_fields=3, has_other_button=True)
ADD_USER = LoginFormFacts(password_fields=1, says_new_password=True, text_fields=1, has_user_field=True)
PAGE = PageSnapshot(
    url=URL, status=200, content_type="text/html", html="", was_redirected=False, login_form=None, cookies=None
)
WITH_COOKIES = msgspec.structs.replace(PAGE, cookies=CookieReport(offered=1, injected=1, confirmed=1))


def judged(snapshot: PageSnapshot, policy: AuthPolicy = REQUIRE, auth_id: str | None = "wiki") -> Outcome:
    return judge(snapshot, auth_policy=policy, auth_id=auth_id)


def changed(snapshot: PageSnapshot, status: int = 200, **fields: object) -> PageSnapshot:
    return msgspec.structs.replace(snapshot, status=status, **fields)


# What needs a session: each of these, with and without one
LOGIN_PAGES = {
    "http_401": changed(WITH_COOKIES, 401),
    "http_403": changed(WITH_COOKIES, 403),
    "login_redirect": changed(WITH_COOKIES, url="http://wiki.example/accounts/login?next=canary", was_redirected=True),
    "login_form": changed(WITH_COOKIES, login_form=LOGIN_FORM),
}


@pytest.mark.parametrize("status", [200, 203, 206, 299])
@pytest.mark.parametrize("snapshot", [PAGE, WITH_COOKIES])
def test_page_that_was_found_is_content(snapshot: PageSnapshot, status: int) -> None:
    """A status of success is content, with a session and without."""
    assert judged(changed(snapshot, status)) == Outcome(verdict=Verdict.CONTENT)


@pytest.mark.parametrize("facts", [CHANGE_PASSWORD, ADD_USER])
def test_page_with_another_password_form_is_content(facts: LoginFormFacts) -> None:
    """Change-password and add-user pages are for those who are logged in."""
    assert judged(changed(WITH_COOKIES, login_form=facts)).verdict is Verdict.CONTENT


def test_page_that_is_named_login_and_was_asked_for_is_content() -> None:
    """An address like a login page's counts only where a redirect led there."""
    assert judged(changed(WITH_COOKIES, url="http://wiki.example/wiki/Login")).verdict is Verdict.CONTENT


def test_redirect_to_another_page_is_content() -> None:
    """A page that has moved is what it moved to."""
    assert judged(changed(WITH_COOKIES, was_redirected=True)).verdict is Verdict.CONTENT


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 599])
def test_trouble_that_may_pass_is_tried_again(status: int) -> None:
    """A server's trouble is worth a retry, and says its status and its place without the query (I16)."""
    outcome = judged(changed(WITH_COOKIES, status))

    error = JobError(type=f"http_{status}", message=f"{PLACE} answered with status {status}")
    assert outcome == Outcome(verdict=Verdict.RETRY, error=error)


@pytest.mark.parametrize("status", [100, 300, 304, 400, 402, 404, 410, 451, 600])
def test_other_status_fails_for_good(status: int) -> None:
    """No other 4xx, and nothing that is no success, is content or tried again."""
    outcome = judged(changed(WITH_COOKIES, status))

    error = JobError(type=f"http_{status}", message=f"{PLACE} answered with status {status}")
    assert outcome == Outcome(verdict=Verdict.FAIL, error=error)


@pytest.mark.parametrize("status", [404, 500])
def test_error_page_with_a_login_form_is_an_error_page(status: int) -> None:
    """Many sites show their login form on every page; a page that is not there needs no session."""
    snapshot = changed(WITH_COOKIES, status, login_form=LOGIN_FORM, url="http://h/login", was_redirected=True)

    assert judged(snapshot).verdict is not Verdict.NEEDS_SESSION


@pytest.mark.parametrize("word", LOGIN_PAGES)
def test_login_page_needs_a_session_where_one_is_required(word: str) -> None:
    """A 401, a 403, a redirect to a login and a login form wait for a credential, and say how to put one."""
    outcome = judged(LOGIN_PAGES[word])

    assert (outcome.verdict, outcome.error and outcome.error.type) == (Verdict.NEEDS_SESSION, word)
    assert "the session of credential 'wiki' was not accepted; put a new one with `bequest auth add`" in str(outcome)
    assert "canary" not in str(outcome)


@pytest.mark.parametrize("word", LOGIN_PAGES)
@pytest.mark.parametrize(("policy", "auth_id"), [(DEGRADE, "wiki"), (DEGRADE, None), (REQUIRE, None)])
def test_login_page_fails_where_no_session_can_be_waited_for(
    word: str, policy: AuthPolicy, auth_id: str | None
) -> None:
    """Where none is named, or none is required, a login page is a failure, and no content either."""
    outcome = judged(LOGIN_PAGES[word], policy, auth_id)

    assert (outcome.verdict, outcome.error and outcome.error.type) == (Verdict.FAIL, word)
    assert "canary" not in str(outcome)


@pytest.mark.parametrize(
    ("auth_id", "snapshot", "advice"),
    [
        (None, PAGE, "it wants a session; give one with --cookies or --auth"),
        ("wiki", PAGE, "credential 'wiki' was not used for this host; see its sites with `bequest auth show`"),
        ("wiki", WITH_COOKIES, "the session of credential 'wiki' was not accepted; put a new one with"),
    ],
)
def test_login_page_says_what_to_do(auth_id: str | None, snapshot: PageSnapshot, advice: str) -> None:
    """The advice differs where no session was named, where it is for another site, and where it was refused."""
    outcome = judged(changed(snapshot, 401), auth_id=auth_id)

    assert outcome.error is not None
    assert outcome.error.message.startswith(f"{PLACE} answered with status 401; {advice}")


def test_forbidden_page_fails_once_the_session_has_worked() -> None:
    """After a stored page a 403 is a page that this user may not see, and stalls no run."""
    outcome = judge(changed(WITH_COOKIES, 403), auth_policy=REQUIRE, auth_id="wiki", has_session_worked=True)

    error = JobError(type="http_403", message=f"{PLACE} answered with status 403")
    assert outcome == Outcome(verdict=Verdict.FAIL, error=error)


@pytest.mark.parametrize("word", ["http_401", "login_redirect", "login_form"])
def test_session_that_has_worked_can_end(word: str) -> None:
    """Any other sign of a login means that the session is none any more, also after stored pages."""
    outcome = judge(LOGIN_PAGES[word], auth_policy=REQUIRE, auth_id="wiki", has_session_worked=True)

    assert outcome.verdict is Verdict.NEEDS_SESSION


def test_forbidden_page_without_a_session_is_a_failure() -> None:
    """Without cookies a 403 says nothing of a session."""
    assert judged(changed(PAGE, 403)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [(changed(WITH_COOKIES, 403), True), (changed(PAGE, 403), False), (changed(WITH_COOKIES, 401), False)],
)
def test_forbidden_to_session_is_a_403_with_cookies(snapshot: PageSnapshot, expected: bool) -> None:
    """Only then is it worth asking whether the session has worked before."""
    assert is_forbidden_to_session(snapshot) is expected


@pytest.mark.parametrize(("is_transient", "verdict"), [(True, Verdict.RETRY), (False, Verdict.FAIL)])
def test_fetch_without_a_page_is_tried_again_where_that_can_help(is_transient: bool, verdict: Verdict) -> None:
    """The browser's error says whether, and its word and sentence are kept."""
    outcome = page_error_outcome(PageError("no answer", reason="timeout", is_transient=is_transient))

    assert outcome == Outcome(verdict=verdict, error=JobError(type="timeout", message="no answer"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:canary@h.example:8443/a/b?token=canary#canary", "h.example/a/b"),
        ("http://h.example", "h.example"),
        ("about:blank", "blank"),
    ],
)
def test_place_shows_no_part_of_a_url_that_may_be_secret(url: str, shown: str) -> None:
    """Host and path are shown; user, password, query and fragment are not (I16)."""
    assert place(url) == shown


SIGNS = ("expired_selector", "expired_text", "valid_selector")
CHECK = SessionCheck(
    expired_selector="#expired", expired_text="over", valid_selector="#menu", expired_url="[?&]token=canary"
)


@pytest.mark.parametrize("sign", SIGNS)
def test_page_that_the_users_check_speaks_against_is_no_content(sign: str) -> None:
    """Its error names the field that says so, and nothing of the page."""
    check = msgspec.structs.replace(CHECK, expired_url=None)

    found = judge(
        changed(WITH_COOKIES, expired_signs=(sign,)), auth_policy=REQUIRE, auth_id="wiki", session_check=check
    )

    assert found.verdict is Verdict.NEEDS_SESSION
    assert found.error is not None
    assert found.error.type == "session_check"
    assert f"{PLACE} has no session as session_check.{sign} says" in found.error.message


def test_url_in_the_end_is_searched_for_the_users_pattern() -> None:
    """Whatever else the page shows; its query shows nowhere."""
    found = judge(WITH_COOKIES, auth_policy=REQUIRE, auth_id="wiki", session_check=CHECK)

    assert found.verdict is Verdict.NEEDS_SESSION
    assert "expired_url" in str(found.error)
    assert "canary" not in str(found.error)


def test_page_that_passes_the_users_check_is_content() -> None:
    """Nothing speaks against it."""
    check = SessionCheck(expired_url="timeout", valid_selector="#menu")

    assert judge(WITH_COOKIES, auth_policy=REQUIRE, auth_id="wiki", session_check=check) == Outcome(
        verdict=Verdict.CONTENT
    )


def test_error_page_need_not_show_what_every_page_with_a_session_does() -> None:
    """A 404 has no account menu; what only a page without a session shows speaks on it too."""
    check = msgspec.structs.replace(CHECK, expired_url=None)

    def error_of(*signs: str) -> str:
        snapshot = changed(WITH_COOKIES, 404, expired_signs=signs)
        found = judge(snapshot, auth_policy=REQUIRE, auth_id="wiki", session_check=check)
        return "" if found.error is None else found.error.type

    assert (error_of("valid_selector"), error_of("expired_text", "valid_selector")) == ("http_404", "session_check")


@pytest.mark.parametrize("snapshot", [*LOGIN_PAGES.values(), changed(WITH_COOKIES, expired_signs=("expired_text",))])
def test_session_is_refused_where_one_was_used(snapshot: PageSnapshot) -> None:
    """By each kind of login page and by a 403; a page that was read without one refuses none."""
    check = SessionCheck(expired_text="over")

    assert is_session_refused(snapshot, check)
    assert not is_session_refused(msgspec.structs.replace(snapshot, cookies=None), check)


@pytest.mark.parametrize("status", [200, 404, 500])
def test_session_is_not_refused_by_other_pages(status: int) -> None:
    """Neither by content nor by an error."""
    assert not is_session_refused(changed(WITH_COOKIES, status), None)
