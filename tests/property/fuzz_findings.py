"""Owns the inputs of which a fault has come once, by target; each is fed to it again in every run."""

from __future__ import annotations

import json
from collections.abc import Mapping

FINDINGS: Mapping[str, tuple[bytes, ...]] = {
    "set_cookie": ("sid=1; Expires=1 \u017fep 2026 0:0:0".encode(),),  # ValueError: no such month
    "har": (  # the same, all the way from a file
        json.dumps(
            {
                "log": {
                    "entries": [
                        {
                            "request": {"url": "https://wiki.example/"},
                            "response": {
                                "headers": [{"name": "Set-Cookie", "value": "a=b; Expires=1 \u017fep 26 0:0:0"}]
                            },
                        }
                    ]
                }
            }
        ).encode(),
    ),
    "json_definition": (  # reasons of more than one line
        '{"name": "a", "start_urls": ["http://a/"], "include": ["(?\u2028i)b"]}'.encode(),
        '{"name": "a", "steps": [{"kin\u2028d": "b"}]}'.encode(),
    ),
}
