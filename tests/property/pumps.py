"""Owns the inputs whose work has grown faster than their size once, or would in a careless parser, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fuzz_targets import PAGE_URL
from growth import Pump, ask_url, read_credential, read_toml

from bequest.engine.cookie_dates import read_cookie_date
from bequest.engine.extract import extract
from bequest.engine.secret import Secret
from bequest.engine.session_checks import selector_fault
from bequest.engine.totp import Totp

CRAWL = 'name="a"\nstart_urls=["http://a/"]\n'
CURL = "curl http://wiki.example/ -b a="
WINDOWS = "curl ^\n http://wiki.example/ -b a="
TXT = "wiki.example\tTRUE\t/\tTRUE\t0\tsid\t"
PIECES = {"\\a": 20_000, "'a'": 20_000, '\\"': 20_000, "$'\\x41'": 10_000, " -u a:b": 2_000, " -H a:b": 2_000}


def letters(count: int) -> str:
    """Return as many different letters beyond ASCII."""
    return "".join(chr(0x4E00 + index % 20_000) for index in range(count))


def har(*entries: dict[str, Any]) -> str:  # Any: JSON
    """Return a HAR."""
    return json.dumps({"log": {"entries": entries}})


def exchange(path: str, sent: str = "", *got: str, host: str = "wiki.example") -> dict[str, Any]:  # Any: JSON
    """Return a request with its cookies and what came back."""
    return {
        "request": {"url": f"https://{host}/{path}", "headers": [{"name": "cookie", "value": sent}]},
        "response": {"headers": [{"name": "set-cookie", "value": one} for one in got]},
    }


def state(count: int) -> str:
    """Return a storage state of as many origins."""
    values = [{"name": "a", "value": "b"}]
    return json.dumps(
        {"origins": [{"origin": f"https://h{n}.wiki.example", "localStorage": values} for n in range(count)]}
    )


def repeated(start: str, piece: str) -> Callable[[int], str]:
    """Return what makes *start* and the piece, so many times."""
    return lambda n: start + piece * n


PUMPS: Mapping[str, Pump] = {
    "a host of different letters": Pump(ask_url, lambda n: f"http://{letters(n)}/", 200),
    "a host of letters that IDNA keeps": Pump(ask_url, lambda n: f"http://\u00df{letters(n)}/", 200),
    "a host of combining marks": Pump(ask_url, repeated("http://a", "\u0327\u0301"), 200),
    "a host of labels": Pump(ask_url, repeated("http://", "\u00df\u00e9.")),
    **{
        f"a URL of {piece}": Pump(ask_url, repeated("http://a.example/", piece), 4_000)
        for piece in ("/a", "/..", "%2f", "%", "?a", ";a", ".a", "\\", "\u00e9")
    },
    **{
        f"a query of {piece}": Pump(ask_url, repeated("http://a.example/?", piece), 2_000)
        for piece in ("&a=b", "&page=a:", "+")
    },
    **{f"a curl command of {piece}": Pump(read_credential, repeated(CURL, piece), n) for piece, n in PIECES.items()},
    **{
        f"a curl command for cmd.exe of {piece}": Pump(read_credential, repeated(WINDOWS, piece), n)
        for piece, n in PIECES.items()
    },
    "a curl command of quotes in a quote": Pump(read_credential, repeated(f"{CURL}$'", "$'\\x41'"), 10_000),
    "cookies.txt of lines": Pump(read_credential, repeated("", f"{TXT}x\n"), 1_000),
    "cookies.txt of hosts": Pump(read_credential, lambda n: "".join(f"h{i}.{TXT}x\n" for i in range(n)), 500),
    "cookies.txt of spaces": Pump(read_credential, repeated("wiki.example", " ")),
    "a Cookie header of pairs": Pump(read_credential, repeated("Cookie: ", "a=b; "), 3_000),
    "pairs alone": Pump(read_credential, repeated("a=b", "; a=b"), 3_000),
    "headers that log in": Pump(read_credential, repeated("Host: wiki.example\n", "Authorization: a\n"), 2_000),
    "origins": Pump(read_credential, state, 300),
    "a HAR of cookies": Pump(read_credential, lambda n: har(exchange("", "; ".join(f"a{i}=1" for i in range(n)))), 500),
    "a HAR of cookies set": Pump(
        read_credential,
        lambda n: har(exchange("", "; ".join(f"a{i}=1" for i in range(n)), *(f"b{i}=1" for i in range(n)))),
        500,
    ),
    "a HAR of paths": Pump(
        read_credential, lambda n: har(*(exchange("", "a=1", f"a=2; Path=/{i}") for i in range(n))), 500
    ),
    "a HAR of hosts": Pump(
        read_credential, lambda n: har(*(exchange("", "a=1", host=f"h{i}.wiki.example") for i in range(n))), 300
    ),
    **{f"a date of {piece}": Pump(read_cookie_date, repeated("", piece)) for piece in ("1:", "jan", "12 ", "9999")},
    "a key of TOML of parts": Pump(read_toml, repeated(f"{CRAWL}labels.", "a."), 2_000),
    "TOML of brackets": Pump(read_toml, repeated(f"{CRAWL}x=", "[")),
    "TOML of tables": Pump(read_toml, lambda n: CRAWL + "".join(f"[a{i}]\n" for i in range(n)), 1_000),
    "TOML of steps": Pump(read_toml, repeated(CRAWL, "[[login]]\ngoto='http://a/'\n"), 1_000),
    "a selector of brackets": Pump(selector_fault, repeated("a", "(")),
    "a seed of codes": Pump(lambda text: Totp.read(Secret(text)), repeated("otpauth://totp/?secret=", "A ")),
    **{
        f"a page of <{tag}>": Pump(lambda text: extract(text, PAGE_URL), repeated("", f"<{tag}>"), 2_500)
        for tag in (
            "div",
            "header",
            "footer",
            "dialog",
            "dl><dt",
            "table><tr><td",
            "b id=1",
            "button",
            "svg",
            "select",
            "a",
        )
    },
    "a page of formatting and paragraphs": Pump(
        lambda text: extract(text, PAGE_URL),
        lambda n: "<p>" + "".join(f"<b id={i}>" for i in range(n)) + "</p>" + "<p>x" * n,
        1_000,
    ),
    "a page of links": Pump(
        lambda text: extract(text, PAGE_URL), lambda n: "".join(f"<a href={i}>" for i in range(n)), 500
    ),
    **{
        f"a page of {start}{piece}": Pump(lambda text: extract(text, PAGE_URL), repeated(start, piece), 30_000)
        for start, piece in (
            ("<p>", '</pe class="language-py">x &lt; y</code>'),
            ("", "x<tr a=1>"),
            ("", "x<body a=1>"),
            ("<!-->", "x</pe a=1>"),
            ("<table>", "x<?c?>"),
            ("<svg><title>", "x</z a=1>"),
        )
    },
    **{
        f"a page of {piece}": Pump(lambda text: extract(text, PAGE_URL), repeated("", piece), 5_000)
        for piece in ("<b><div>x</b>", "<a><div>x</a>", "<span><div>x</span>", "<form><div>x</form>")
    },
    "a page of options": Pump(lambda text: extract(text, PAGE_URL), repeated("<select>", "<option>a</option>"), 2_500),
    **{
        f"a page of {named} of other names": Pump(lambda text: extract(text, PAGE_URL), make, 20_000)
        for named, make in (
            ("elements", lambda n: "".join(f"<a{i}>x</a{i}>" for i in range(n))),
            ("attributes", lambda n: "".join(f"<p a{i}=1>x" for i in range(n))),
            ("attributes of one element", lambda n: "<p " + " ".join(f"a{i}=1" for i in range(n)) + ">"),
            ("attributes of the root", lambda n: "".join(f"<body a{i}=1>" for i in range(n))),
        )
    },
}
