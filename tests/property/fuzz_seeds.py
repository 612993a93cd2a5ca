"""Owns the inputs that fuzzing starts from: a small one of each shape of a format, with canaries for secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CANARY = "c4n4ry"  # stands where a secret does; no error may quote it

COOKIES_TXT = (
    f"# Netscape HTTP Cookie File\n.wiki.example\tTRUE\t/\tTRUE\t4000000000\tsid\t{CANARY}\n"
    f"#HttpOnly_www.wiki.example\tFALSE\t/a\tFALSE\t0\t__Host-sid\t{CANARY}\n",
    f"wiki.example FALSE / FALSE 0 sid {CANARY}",
    f"\ufeff[::1]\tfalse\t/\tTRUE\t1.5\tsid\t{CANARY}\tb\r\n\r\n#\n10.0.0.1\tFALSE\t\tFALSE\t0\tempty",
)
EXTENSION = {
    "domain": ".wiki.example",
    "expirationDate": 4_000_000_000.5,
    "hostOnly": False,
    "httpOnly": True,
    "name": "sid",
    "path": "/",
    "sameSite": "no_restriction",
    "secure": True,
    "session": False,
    "storeId": "0",
    "value": CANARY,
    "partitionKey": {"topLevelSite": "https://news.example", "hasCrossSiteAncestor": False},
}
PLAYWRIGHT = {
    "name": "sid",
    "value": CANARY,
    "domain": "www.wiki.example",
    "path": "/",
    "expires": -1,
    "httpOnly": False,
    "secure": False,
    "sameSite": "Lax",
}
COOKIE_LISTS: tuple[Any, ...] = (  # Any: JSON
    [EXTENSION],
    [PLAYWRIGHT, {"name": "b", "value": CANARY, "domain": "[::1]", "expiry": 4_000_000_000}],
)
STORAGE_STATES: tuple[Any, ...] = (  # Any: JSON
    {
        "cookies": [PLAYWRIGHT],
        "origins": [
            {
                "origin": "https://www.wiki.example:8443",
                "localStorage": [{"name": "token", "value": CANARY}],
                "indexedDB": [{"name": "db", "version": 1, "stores": [{"name": "s", "records": [{"value": CANARY}]}]}],
            },
            {"origin": "chrome-extension://abc", "localStorage": [{"name": "a", "value": CANARY}]},
        ],
    },
)
PAYLOADS: tuple[Any, ...] = (  # Any: JSON
    {
        "cookies": [EXTENSION, {"name": "plain", "value": CANARY}],
        "tokens": {
            "localStorage": {"a": CANARY},
            "access_token": CANARY,
            "csrf": {"value": CANARY, "source": "session"},
        },
        "userAgent": "Mozilla/5.0",
        "baseUrl": "https://wiki.example/start",
        "timestamp": 1_700_000_000_000,
    },
    {
        "cookies": [],
        "tokens": [{"name": "jwt", "value": f"Bearer {CANARY}"}, {"key": "r", "value": CANARY, "type": "localStorage"}],
        "baseUrl": "https://[::1]:8443/",
        "timestamp": "2026-01-02T03:04:05Z",
    },
    {"tokens": CANARY, "baseUrl": "https://wiki.example"},
)
HARS: tuple[Any, ...] = (  # Any: JSON
    {
        "log": {
            "version": "1.2",
            "entries": [
                {
                    "startedDateTime": "2026-01-01T00:00:00.000+01:00",
                    "_resourceType": "document",
                    "request": {
                        "url": "https://wiki.example/a/b?x=1",
                        "headers": [
                            {"name": "Cookie", "value": f"sid={CANARY}; other={CANARY}"},
                            {"name": "Authorization", "value": f"Bearer {CANARY}"},
                            {"name": "User-Agent", "value": "Mozilla/5.0"},
                        ],
                    },
                    "response": {
                        "headers": [
                            {
                                "name": "Set-Cookie",
                                "value": f"sid={CANARY}; Domain=.wiki.example; Path=/; Expires=Wed, 21 Oct 2065 "
                                f"07:28:00 GMT; Secure; HttpOnly; SameSite=None; Partitioned\nb={CANARY}; Max-Age=60",
                            }
                        ],
                        "content": {"mimeType": "text/html"},
                    },
                }
            ],
        }
    },
    {
        "log": {
            "entries": [
                {
                    "startedDateTime": "2026-01-01",
                    "request": {"url": "http://10.0.0.1/", "cookies": [{"name": "a", "value": CANARY}]},
                    "response": {
                        "cookies": [
                            {
                                "name": "sid",
                                "value": CANARY,
                                "domain": "10.0.0.1",
                                "path": "/x",
                                "expires": "2065-01-01T00:00:00Z",
                                "httpOnly": True,
                                "sameSite": "Lax",
                            }
                        ]
                    },
                }
            ]
        }
    },
)
COOKIE_HEADERS = (
    f"Cookie: sid={CANARY}; b={CANARY}",
    f"sid={CANARY}; b={CANARY};",
    f"GET /a?b={CANARY} HTTP/1.1\nHost: wiki.example:8443\nCookie: sid={CANARY}\nAuthorization: Basic {CANARY}\n"
    f"User-Agent: x\nX-Mine: {CANARY}",
    f":authority: [::1]:443\nx-api-key: {CANARY}",
)
CURLS = (
    f"curl 'https://wiki.example/a?t={CANARY}' -H 'Cookie: sid={CANARY}' -H 'Authorization: Bearer {CANARY}' -s",
    f"$ curl https://ada:{CANARY}@wiki.example:8443/ -u ada:{CANARY} -b $'a=\\x41\\u00e9\\101{CANARY}' \\\n -sSLd @f",
    f'curl ^"https://wiki.example/^" ^\r\n  -H ^"Cookie: sid=\\^"{CANARY}\\^"^" ^\n  --oauth2-bearer {CANARY}',
    f'curl.exe wiki.example -H \'x-api-key: {CANARY}\' -A "a \\"b\\" $x" | jq; curl two',
)
SET_COOKIES = (
    f"sid={CANARY}; Domain=wiki.example; Path=/; Expires=Wed, 21 Oct 2065 07:28:00 GMT; Secure; HttpOnly; SameSite=L",
    f"__Host-a={CANARY}; Max-Age=-1; path=/; partitioned",
    f"{CANARY}; expires=sep-01-70 1:2:3",
)
URLS = (
    f"https://www.wiki.example:8443/a/./b/../c%2fd%E9?b=2&a=1&token={CANARY}#part",
    "HTTP://BÜCHER.example./index.php?title=Special:UserLogout",
    f"http://[::FFFF:7f00:1]:80/login?next={CANARY}",
    "http://0x7f.1/ß%00;x=1",
    "https://straße.de%2e/a b?\u2028",
)
TOTPS = (
    "GEZD GNBV-gy3t qojq gezd gnbv gy3t qojq",
    "otpauth://totp/Wiki:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Wiki&algorithm=SHA256&digits=8&period=60",
    "otpauth://hotp/x?secret=GEZDGNBVGY3TQOJQ&counter=1",
)
KEYS = (f"{'A' * 43}=\n", f"{'A' * 43}=\n{'B' * 42}A=\n", "not a key", CANARY)
JSON_DEFINITIONS: tuple[Any, ...] = (  # Any: JSON
    {
        "name": "wiki",
        "start_urls": [f"https://wiki.example/?t={CANARY}"],
        "auth_id": "wiki",
        "auth_policy": "require",
        "login": [
            {"goto": "https://wiki.example/login"},
            {"fill": "#user", "text": "ada"},
            {"fill": "#password", "secret": "password"},
            {"fill": "#code", "totp": "seed"},
            {"click": "text=Log in"},
            {"wait_for": "#me"},
        ],
        "session_check": {"expired_text": "Log in", "valid_selector": "a[href='/me']", "expired_url": "/login$"},
        "max_pages": 10,
        "max_depth": 2,
        "include": ["/a", "(?i)b+"],
        "exclude": [r"\d{3}$"],
        "scope": "host",
        "concurrency": 2,
        "allow_private": True,
        "error_tolerance": 0.5,
        "page_timeout_s": 5.5,
        "max_attempts": 2,
        "labels": {"team": "harbour", "n": 1, "é": None},
        "timeout_s": 60,
    },
    {
        "name": "steps",
        "pre_jobs": [{"kind": "prepare", "config": {"a": [1, {"b": 2.5}]}, "on_error": "continue"}],
        "steps": [{"kind": "crawl", "config": {"start_urls": ["http://10.0.0.1/"], "max_pages": 5}}, {"kind": "index"}],
        "post_jobs": [{"kind": "notify", "on_error": "retry", "retries": 3}],
    },
)
TOML_DEFINITIONS = (
    f"""name = "wiki"
start_urls = ["https://wiki.example/?t={CANARY}", 'https://wiki.example/b']
auth_id = "wiki"
max_pages = 1_000 # exact
error_tolerance = 1e-1
include = [
  "/a",
  '''\\d+''',
]
session_check.expired_text = "Log in"
[labels]
team = "harbour"
since = 2026-01-01T00:00:00Z
[[login]]
goto = "https://wiki.example/login"
[[login]]
wait_for = "#me"
""",
    """name = "steps"
[[steps]]
kind = "crawl"
config = { start_urls = ["http://10.0.0.1/"], max_depth = 0x1 }
[[post_jobs]]
kind = "notify"
config.a.b = [1, nan, { c = true }]
""",
)
PAGES = (
    f"""<!doctype html><html><head><title> a &amp; b </title><base href="/base/"></head><body>
<header><nav><a href="/">Home</a></nav><h1>T</h1></header><main><article><header><h2>H</h2></header>
<p hidden>h</p><p style="display:none">i</p><p>text <a href="?q={CANARY}#x">one</a><area href="//b.example\\c">
<img src="data:image/png;base64,AA" alt="p"><a href="javascript:x()">j</a><a href="http://[">k</a></p>
<ul><li>a<ol><li>b</ol></ul><table><tr><th>a<td>b</table><pre><code class="language-py">x &lt; y</code></pre>
<aside>m</aside><footer>f</footer></article></main><svg><title>t</title><text>u</text></svg><script>s("</a>")</script>
<template><p>t</p></template><noscript><p>n</p></noscript><dialog open>d</dialog></body></html>""",
    "<table><b><tr><td><a href=a><div><a href=b>c</table><select><option>a<svg><style><!--</style><math><mi><p>x",
    "<frameset><frame src=a></frameset><!-- a --!><plaintext></title>",
)


def as_bytes(*seeds: Any) -> tuple[bytes, ...]:  # Any: texts as they are, the rest as JSON
    """Return seeds as a file holds them."""
    return tuple((seed if isinstance(seed, str) else json.dumps(seed)).encode() for seed in seeds)


def words_of(*examples: Any) -> tuple[bytes, ...]:  # Any: JSON
    """Return the keys and the short texts in *examples*, which is what a parser looks for."""
    found: set[str] = set()
    left = list(examples)
    while left:
        item = left.pop()
        if isinstance(item, Mapping):
            found |= set(item)
            left += item.values()
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str) and len(item) < 40:
            found.add(item)
    return tuple(sorted(word.encode() for word in found if word))
