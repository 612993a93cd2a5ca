"""Owns the HTML of the login site: what a page says, given who asks; no state, no network."""

from __future__ import annotations

from html import escape

from ..engine.records import Record
from .login_site_articles import article

SITE_NAME = "Harbour Handbook"
ARTICLES_PER_INDEX = 8

STYLE = """
:root { --ink: #1c2733; --soft: #5b6b7a; --line: #dbe3ea; --sea: #0b4f6c; --paper: #fff; --sky: #f3f7fa; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--sky); color: var(--ink); font: 17px/1.6 system-ui, "DejaVu Sans", sans-serif; }
a { color: var(--sea); text-underline-offset: 3px; }
header { background: var(--sea); color: #fff; }
header a { color: #fff; text-decoration: none; }
.bar, main, footer div { max-width: 880px; margin: 0 auto; padding: 0 20px; }
.bar { display: flex; flex-wrap: wrap; gap: 4px 24px; align-items: center; padding-top: 14px; padding-bottom: 14px; }
.brand { font-size: 20px; font-weight: 700; margin-right: auto; }
nav { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 15px; }
nav a:hover { text-decoration: underline; }
main { background: var(--paper); padding-top: 28px; padding-bottom: 36px; border: 1px solid var(--line);
  border-width: 0 1px 1px; min-height: 60vh; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 20px; margin: 28px 0 8px; }
.lead { color: var(--soft); margin: 0 0 20px; }
ul.articles { list-style: none; margin: 0; padding: 0; }
ul.articles li { padding: 12px 0; border-top: 1px solid var(--line); }
ul.articles a { font-weight: 600; }
ul.articles span { display: block; color: var(--soft); font-size: 15px; }
table { border-collapse: collapse; width: 100%; margin: 8px 0 4px; font-size: 16px; }
th, td { text-align: left; vertical-align: top; padding: 8px 12px 8px 0; border-top: 1px solid var(--line); }
th { width: 40%; font-weight: 600; }
.pages { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 24px; }
.pages a, .pages b { padding: 3px 12px; border: 1px solid var(--line); border-radius: 6px; text-decoration: none; }
.pages b { background: var(--sea); border-color: var(--sea); color: #fff; }
form { max-width: 360px; }
label { display: block; margin: 14px 0 4px; font-weight: 600; font-size: 15px; }
input, select { width: 100%; padding: 9px 11px; border: 1px solid #aab8c4; border-radius: 6px; font: inherit;
  background: #fff; }
button { margin-top: 20px; padding: 10px 22px; border: 0; border-radius: 6px; background: var(--sea); color: #fff;
  font: inherit; font-weight: 600; }
.wrong { border-left: 4px solid #b3261e; background: #fdeceb; padding: 8px 12px; }
main.card { max-width: 420px; width: calc(100% - 32px); margin: 40px auto; border-width: 1px; border-radius: 10px;
  min-height: 0; }
.card form { max-width: none; }
.jump { display: flex; gap: 18px; font-size: 15px; }
footer a { white-space: nowrap; }
footer { color: var(--soft); font-size: 14px; padding: 18px 0 32px; }
"""


def login_page(*, next_target: str, is_refused: bool) -> str:
    """Return the login form; *is_refused* says that the name or password just sent was wrong."""
    refusal = '<p class="wrong" role="alert">That user name and password do not match.</p>' if is_refused else ""
    main = f"""<h1>Log in</h1>
<p class="lead">The handbook is for the people of the harbour.</p>
{refusal}
<form method="post" action="/login">
<input type="hidden" name="next" value="{escape(next_target)}">
<label for="username">User name</label>
<input id="username" name="username" type="text" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Log in</button>
</form>"""
    return _document("Log in", main, css_class="card")


def code_page(*, is_refused: bool) -> str:
    """Return the form for the code of an authenticator app."""
    refusal = '<p class="wrong" role="alert">That code does not work (any more).</p>' if is_refused else ""
    main = f"""<h1>One more step</h1>
<p class="lead">Your authenticator app shows six digits.</p>
{refusal}
<form method="post" action="/login/code">
<label for="code">Code</label>
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required autofocus>
<button type="submit">Verify</button>
</form>"""
    return _document("One more step", main, css_class="card")


class Wiki(Record, frozen=True, kw_only=True):
    """The pages that only somebody logged in gets to see, each as a whole HTML document."""

    username: str  # shown in the footer
    articles: int
    has_flaky_page: bool

    @property
    def last_index(self) -> int:
        """The number of the last page of the list of articles."""
        return max(1, -(-self.articles // ARTICLES_PER_INDEX))

    def index(self, page: int) -> str:
        """Return page *page*, 1 to ``last_index``, of the list of articles."""
        first = (page - 1) * ARTICLES_PER_INDEX + 1
        listed = [article(number) for number in range(first, min(first + ARTICLES_PER_INDEX, self.articles + 1))]
        items = "\n".join(
            f'<li><a href="/articles/{item.number}">{escape(item.title)}</a><span>{escape(item.summary)}</span></li>'
            for item in listed
        )
        numbers = "\n".join(
            f'<b aria-current="page">{number}</b>'
            if number == page
            else f'<a href="{index_target(number)}">{number}</a>'
            for number in range(1, self.last_index + 1)
        )
        return self._page(
            "All articles",
            f"""<p class="lead">{self.articles} articles, page {page} of {self.last_index}</p>
<ul class="articles">
{items}
</ul>
<div class="pages" role="navigation" aria-label="Pages">
{numbers}
</div>""",
        )

    def article(self, number: int) -> str:
        """Return article *number*, 1 to ``articles``; it links to its neighbours and, by fragment, into itself."""
        shown = article(number)
        paragraphs = "\n".join(f"<p>{escape(text)}</p>" for text in shown.paragraphs)
        rows = "\n".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in shown.facts)
        neighbours = [other for other in (number - 1, number + 1) if 1 <= other <= self.articles]
        links = "\n".join(
            f'<li><a href="/articles/{other}">{escape(article(other).title)}</a></li>' for other in neighbours
        )
        return self._page(
            shown.title,
            f"""<p class="lead">{escape(shown.summary)}</p>
<p class="jump"><a href="#facts">At a glance</a> <a href="#more">Read on</a></p>
{paragraphs}
<h2 id="facts">At a glance</h2>
<table>
{rows}
</table>
<h2 id="more">Read on</h2>
<ul>
{links}
<li><a href="/">All articles</a></li>
</ul>""",
        )

    def about(self) -> str:
        """Return the page that the footer links to."""
        return self._page(
            "About the handbook",
            "<p>The harbour and everything in it are made up. The handbook shows what a crawler sees behind a login: "
            "articles, a list in pages, forms that are content, and a link that ends the session.</p>",
        )

    def change_password(self) -> str:
        """Return a page with three password fields that is no login form."""
        return self._page(
            "Change password",
            f"""<p class="lead">At least twelve characters; a sentence is easier to remember.</p>
<form method="post" action="/account/password">
{_field("current-password", "Current password", kind="password")}
{_field("new-password", "New password", kind="password")}
{_field("repeat-password", "New password, once more", kind="password")}
<button type="submit">Change password</button>
</form>""",
        )

    def add_user(self) -> str:
        """Return a page with a user name, a password and a role that is no login form."""
        return self._page(
            "Add a user",
            f"""<p class="lead">New people read everything; the watch may write as well.</p>
<form method="post" action="/users/add">
{_field("new-username", "User name", kind="text")}
{_field("email", "E-mail", kind="email")}
{_field("new-password", "Password for the first day", kind="password")}
<label for="role">Role</label>
<select id="role" name="role"><option>Reader</option><option>Watch</option></select>
<button type="submit">Add user</button>
</form>""",
        )

    def flaky(self) -> str:
        """Return the page that fails before it works."""
        return self._page("Live gauge", "<p>The gauge at the lock answers again: 2.8 m above chart datum.</p>")

    def unavailable(self) -> str:
        """Return what the flaky page says while it fails."""
        return self._page("Gauge not reached", "<p>The gauge at the lock does not answer. Try again in a while.</p>")

    def not_found(self) -> str:
        """Return the page for an address that leads nowhere."""
        return self._page("Not written yet", '<p>Nobody has written this page. <a href="/">All articles</a></p>')

    def _page(self, title: str, content: str) -> str:
        gauge = '<a href="/flaky">Live gauge</a>' if self.has_flaky_page else ""
        nav = f"""<nav>
<a href="/">Articles</a>
{gauge}
<a href="/users/add">Add a user</a>
<a href="/account/password">Change password</a>
<a href="/logout">Log out</a>
</nav>"""
        footer = f"""<footer><div>Logged in as <b>{escape(self.username)}</b>. <a href="/about">About the handbook</a>,
<a href="/style-guide">style guide</a></div></footer>"""
        return _document(title, f"<h1>{escape(title)}</h1>\n{content}", nav=nav, footer=footer)


def index_target(page: int) -> str:
    """Return where page *page* of the list of articles is; the first has one address, without a number."""
    return "/" if page == 1 else f"/?page={page}"


def _field(name: str, label: str, *, kind: str) -> str:
    return f'<label for="{name}">{label}</label>\n<input id="{name}" name="{name}" type="{kind}" required>'


def _document(title: str, main: str, *, nav: str = "", footer: str = "", css_class: str = "wide") -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} - {SITE_NAME}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><div class="bar"><a class="brand" href="/">{SITE_NAME}</a>
{nav}</div></header>
<main class="{css_class}">
{main}
</main>
{footer}
</body>
</html>
"""
