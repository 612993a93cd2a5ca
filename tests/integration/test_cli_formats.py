"""Sessions in every format that names no domain open a real site, through the command line and a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_site import Answer, Request, Serve
from programs import CommandLine

FORMATS: dict[str, Callable[[str], str]] = {
    "a Cookie header": lambda _: "Cookie: sid=opensesame",
    "a curl command": lambda url: f"curl '{url}' \\\n  -H 'accept: */*' \\\n  -b 'sid=opensesame'",
    "a HAR": lambda url: json.dumps(
        {
            "log": {
                "entries": [
                    {
                        "startedDateTime": "2026-01-01T00:00:00Z",
                        "request": {"url": url, "headers": [{"name": "Cookie", "value": "sid=old"}]},
                        "response": {"headers": [{"name": "Set-Cookie", "value": "sid=opensesame; Path=/; HttpOnly"}]},
                    }
                ]
            }
        }
    ),
    "a payload": lambda url: json.dumps({"baseUrl": url, "cookies": [{"name": "sid", "value": "opensesame"}]}),
}


def guarded(request: Request) -> Answer:
    """Answer who has the session, and refuse everybody else."""
    if request.cookies != "sid=opensesame":
        return Answer("who are you?", 401)
    return Answer("<title>Inside</title><p>What only somebody who is logged in can read.</p>")


@pytest.mark.parametrize("form", FORMATS)
def test_session_opens_the_site(form: str, tmp_path: Path, serve: Serve) -> None:
    """The one file is enough: the site is known from the command, and its host gets the cookies."""
    bequest, site = CommandLine(tmp_path), serve(guarded)
    (bequest.folder / "session").write_text(FORMATS[form](site.url()))

    ended = bequest("crawl", site.url(), "--cookies", "session", "--allow-private", "--export", "out.jsonl")

    assert ended.code == 0, ended
    assert json.loads((bequest.folder / "out.jsonl").read_text())["title"] == "Inside"
