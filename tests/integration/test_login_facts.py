"""What the script of ``login_pages`` sees in a real Chromium, and what is judged from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import msgspec
import pytest
from playwright.sync_api import Page, sync_playwright  # noqa: TID251

from bequest.engine.login_pages import LOGIN_FACTS_JS, is_login_form
from bequest.engine.pages import LoginFormFacts

PROSE = "<p>" + "The tide tables are read from left to right. " * 60 + "</p>"


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    arguments = ["--disable-gpu", "--disable-dev-shm-usage"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser.new_page()
        browser.close()


LOGIN_FORMS = {
    "framework": """<title>Log in | Site admin</title><form method="post" id="login-form">
        <input type="hidden" name="csrf" value="x"><label for="id_username">Username:</label>
        <input type="text" name="username" id="id_username" autofocus><label for="id_password">Password:</label>
        <input type="password" name="password" id="id_password"><input type="submit" value="Log in"></form>""",
    "accounts_app": """<title>Sign In</title><h1>Sign In</h1><p>No account? <a href="/signup/">Sign up</a> first.</p>
        <form method="post" action="/accounts/login/"><label>Email <input type="email" name="login"></label>
        <label>Password <input type="password" name="password" autocomplete="current-password"></label>
        <label><input type="checkbox" name="remember"> Remember me</label>
        <button type="submit">Sign In</button></form><a href="/reset/">Forgot your password?</a>""",
    "password_only": """<title>Notebook Server</title><form action="/login?next=%2Ftree" method="post">
        <label for="password_input"><strong>Password or token:</strong></label>
        <input type="password" name="password" id="password_input"><button id="login_submit">Log in</button></form>""",
    "one_page_app": """<title>Web Interface</title><section id="login"><h1>Login</h1>
        <form><input data-name="user" type="text" placeholder="Username"><br>
        <input data-name="password" type="password" placeholder="Password"><br><button>Next</button></form></section>
        <section id="create" style="display:none"><form><input name="name"><input name="description">
        <input type="password" name="secret"><button>Create</button></form></section>""",
    "database_role": """<title>Sign in - Directory</title><form method="post"><input name="username" placeholder="User">
        <input type="password" name="password"><select name="provider"><option>Database</option><option>LDAP</option>
        </select><input type="submit" value="Sign In"></form>""",
    "no_form_element": """<title>Console</title><div class="card"><div><input id="userName" placeholder="User name">
        </div><div><input id="pw" type="password"></div><div role="button" tabindex="0">Continue</div></div>
        <div><button>Change language</button></div>""",
    "clobbered": """<title>Blog</title><form action="/wp-login.php"><input type="hidden" name="action" value="login">
        <input type="hidden" name="children"><input name="log" id="user_login"><input type="password" name="pwd">
        <input type="submit" name="submit" value="Log In"></form>""",
    "autofill_refused": """<title>Router</title><form><input name="user"><input type="password" name="pw"
        autocomplete="new-password"><button>Login</button></form>""",
    "with_register_button": """<title>Shop</title><form><input type="email" name="email">
        <input type="password" name="p"><button>Sign in</button><button type="button">Create account</button></form>""",
    "german": """<title>Anmeldung</title><form><label>Benutzername <input name="kennung"></label>
        <label>Passwort <input type="password" name="kennwort"></label><button>Anmelden</button></form>""",
}

SHADOW_LOGIN = """() => {
  const host = document.querySelector("main").appendChild(document.createElement("login-card"));
  const card = host.attachShadow({mode: "open"});
  card.innerHTML = `<form><user-field></user-field><label>Password <input type="password" name="password"></label>
    <submit-button></submit-button></form>`;
  card.querySelector("user-field").attachShadow({mode: "open"}).innerHTML = `<input name="username">`;
  card.querySelector("submit-button").attachShadow({mode: "open"}).innerHTML = `<button>Log in</button>`;
}"""

CONTENT = {
    "change_password": """<title>Password change</title><form><input type="password" name="old_password">
        <input type="password" name="new_password1"><input type="password" name="new_password2">
        <button>Change my password</button></form>""",
    "set_password": """<title>Account</title><form action="/account"><label for="p">New password</label>
        <input type="password" id="p" name="p"><button>Continue</button></form>""",
    "reset_token": """<title>Account</title><form action="/login/reset"><input type="password" name="userPasswordNew">
        <button>Continue</button></form>""",
    "add_user": """<title>Add user</title><form><label>Username <input name="username"></label>
        <label>Password <input type="password" name="password"></label><button>Save</button></form>""",
    "sign_up": """<title>Welcome</title><form action="/signup"><input type="email" name="email">
        <input type="password" name="password"><button>Sign up</button>
        <button type="button">Sign in with Octopus</button></form>""",
    "settings": """<title>Mail settings</title><form><input name="server"><input name="port"><input name="username">
        <input type="password" name="password"><button>Continue</button></form>""",
    "permissions": """<title>Account</title><form><input name="user"><input type="password" name="password">
        <label><input type="checkbox"> read</label><label><input type="checkbox"> write</label>
        <label><input type="checkbox"> own</label><button>Continue</button></form>""",
    "wiki_page_with_corner_login": f"""<title>Tides</title><main>{PROSE}</main><aside><form action="/login">
        <input name="username"><input type="password" name="password"><button>Log in</button></form></aside>""",
    "comment": """<title>Tides</title><form><input name="author"><input type="email" name="email">
        <input type="password" name="edit_password"><textarea name="comment"></textarea><button>Post</button></form>""",
    "protected_post": """<title>Protected: minutes</title><p>This post is protected.</p>
        <form action="/post"><input type="password" name="post_password"><input type="submit" value="Enter"></form>""",
}

WITHOUT_VISIBLE_FIELD = {
    "article": f"<title>Log in</title>{PROSE}<form><input name=q><button>Search</button></form>",
    "closed_menu": """<title>Home</title><div style="display:none"><form><input name="username">
        <input type="password" name="password"><button>Log in</button></form></div>""",
    "invisible": """<form style="visibility:hidden"><input type="password" name="password"></form>""",
    "no_size": """<form><input type="password" name="password" style="width:0;padding:0;border:0"></form>""",
    "empty": "",
}


@pytest.mark.parametrize("name", LOGIN_FORMS)
def test_login_facts_show_a_login_form(browser_page: Page, name: str) -> None:
    """A login form in the manner of a well-known application is one."""
    facts = facts_of(browser_page, LOGIN_FORMS[name])

    assert is_login_form(facts), facts


def test_login_facts_reach_into_open_shadow_roots(browser_page: Page) -> None:
    """Fields and buttons count for the form that they are drawn in, also from nested shadow roots."""
    browser_page.set_content(f"<title>Console</title>{PROSE[:40]}<main></main>")
    browser_page.evaluate(SHADOW_LOGIN)

    facts = msgspec.convert(browser_page.evaluate(LOGIN_FACTS_JS), LoginFormFacts)

    assert facts.password_fields == 1
    assert facts.has_user_field
    assert facts.has_login_word
    assert facts.text_outside_form < 50
    assert is_login_form(facts)


@pytest.mark.parametrize("name", CONTENT)
def test_login_facts_show_content(browser_page: Page, name: str) -> None:
    """A page with a password field that asks for something else than who the reader is, is content."""
    facts = facts_of(browser_page, CONTENT[name])

    assert facts is not None
    assert not is_login_form(facts), facts


@pytest.mark.parametrize("name", WITHOUT_VISIBLE_FIELD)
def test_login_facts_are_null_without_a_visible_password_field(browser_page: Page, name: str) -> None:
    """A password field that nobody can see is none."""
    facts = facts_of(browser_page, WITHOUT_VISIBLE_FIELD[name])

    assert facts is None


def test_login_facts_count_what_is_visible_in_the_form(browser_page: Page) -> None:
    """Each count is of the visible fields of the password field's own form, those tied to it by id among them."""
    html = """<title>x</title><p>12345</p><form id="f"><input><input type="number"><input type="hidden"><input hidden>
        <textarea></textarea><input type="radio"><input type="checkbox"><select></select><input type="PASSWORD">
        </form><input form="f" type="url"><form><input><select></select><input type="checkbox"></form>"""

    facts = facts_of(browser_page, html)

    assert facts == LoginFormFacts(password_fields=1, text_fields=4, checkboxes=2, selects=1, text_outside_form=5)


def test_login_facts_of_a_document_without_html_are_null(browser_page: Page) -> None:
    """The script runs on what is no HTML document, too."""
    browser_page.goto("data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><text>password</text></svg>")

    facts = browser_page.evaluate(LOGIN_FACTS_JS)

    assert facts is None


def facts_of(page: Page, html: str) -> LoginFormFacts | None:
    """Return what the script sees of *html*, decoded as the browser decodes it."""
    page.set_content(html)
    return msgspec.convert(page.evaluate(LOGIN_FACTS_JS), LoginFormFacts | None)
