"""What is a login page, judged from facts and from addresses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bequest.engine.login_pages import LOGIN_FACTS_JS, is_login_form, is_login_url
from bequest.engine.pages import LoginFormFacts

LOGIN = LoginFormFacts(password_fields=1, text_fields=1, has_user_field=True, has_login_word=True)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"has_login_word": False},
        {"has_user_field": False, "text_fields": 0},
        {"checkboxes": 2, "selects": 1, "text_outside_form": 1_999},
    ],
)
def test_login_form_is_a_small_form_that_asks_who(changes: dict[str, Any]) -> None:
    """One password field with a user field or a login word near it is a login form."""
    facts = msgspec.structs.replace(LOGIN, **changes)

    assert is_login_form(facts)


@pytest.mark.parametrize(
    "changes",
    [
        {"password_fields": 0},
        {"password_fields": 2},
        {"says_new_password": True},
        {"text_fields": 2},
        {"checkboxes": 3},
        {"selects": 2},
        {"text_outside_form": 2_000},
        {"has_user_field": False, "has_login_word": False},
        {"has_other_button": True},
    ],
)
def test_login_form_is_refused_by_each_single_sign_of_content(changes: dict[str, Any]) -> None:
    """A form that differs from a login form in one way that tells them apart is content."""
    facts = msgspec.structs.replace(LOGIN, **changes)

    assert not is_login_form(facts)


def test_login_form_is_none_without_facts() -> None:
    """A page without a visible password field has no login form."""
    assert not is_login_form(None)


def test_login_facts_script_names_every_field_of_the_record() -> None:
    """The object that the script returns has exactly the fields of ``LoginFormFacts``."""
    returned = LOGIN_FACTS_JS.rpartition("return {")[2]
    names = [line.split(":")[0].strip() for line in returned.splitlines() if line.startswith("    ") and ":" in line]

    assert [name for name in names if not name.startswith("|")] == list(LoginFormFacts.__struct_fields__)


def test_login_facts_script_is_one_expression() -> None:
    """The script can be called inside another one, as ``(script)()``."""
    assert LOGIN_FACTS_JS.startswith("() => {")
    assert LOGIN_FACTS_JS.endswith("}")


@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/LogIn/",
        "/log-in",
        "/log_in?next=/a",
        "/accounts/login/",
        "/auth/login",
        "/users/sign_in",
        "/signin/v2/identifier",
        "/sign-in",
        "/sso",
        "/idp/profile/SAML2/Redirect/SSO?execution=e1s1",
        "/session/new",
        "/sessions/new",
        "/wp-login.php?redirect_to=x",
        "/login.aspx;jsessionid=1",
        "/Account/LogOn",
        "/login_form",
        "/-/login",
        "/index.php?title=Special:UserLogin&returnto=Main",
        "/wiki/Special:UserLogin",
        "/doku.php?do=login",
        "/?login",
        "/realms/staff/protocol/openid-connect/auth?client_id=x",
        "/tenant/oauth2/v2.0/authorize?client_id=x",
    ],
)
def test_login_url_is_known_by_a_whole_segment(path: str) -> None:
    """The addresses of login pages of well-known applications are known."""
    assert is_login_url(f"https://example.com{path}")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs/logins-explained",
        "/blog/signing-in-the-rain",
        "/catalogin",
        "/sessions",
        "/sessions/42/new",
        "/new/session",
        "/authors",
        "/docs/oauth2/scopes",
        "/search?q=login",
        "/repos?login=octo",
        "/page?next=/login",
        "/assorted",
        "/#/login",
    ],
)
def test_login_url_is_not_seen_in_part_of_a_segment(path: str) -> None:
    """A login word within another word, or in a parameter that chooses nothing, makes no login page."""
    assert not is_login_url(f"https://example.com{path}")


def test_login_url_is_not_what_cannot_be_read() -> None:
    """Text that is no URL is no login page."""
    assert not is_login_url("http://[login")
