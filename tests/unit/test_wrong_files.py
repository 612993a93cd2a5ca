"""A file that holds no session is told apart, and the error says what to do."""

from __future__ import annotations

import gzip
import re
import sqlite3
from pathlib import Path

import pytest

from bequest.engine.errors import CredentialFormatError
from bequest.engine.session_files import read_session, read_session_file

TOKEN = "eyJhbGciOi.canary.signature"


def refusal(content: str | bytes) -> str:
    with pytest.raises(CredentialFormatError) as caught:
        read_session(content, source="f")

    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "f: expected cookies.txt.*an empty file; log in first"),
        (" \r\n\ufeff", "f: expected cookies.txt.*an empty file"),
        ("<!DOCTYPE html>\n<p>canary", "f, line 1: expected cookies.txt.*a web page; export the cookies"),
        ("  <html><body>canary", "a web page"),
        ('<?xml version="1.0"?><canary/>', "a web page"),
        ('fetch("https://wiki.example/canary", {})', 'copy the request "as cURL" instead'),
        ("$session = New-Object Microsoft.PowerShell.Commands.WebRequestSession canary", "a PowerShell command"),
        ("Invoke-WebRequest -Uri canary", "a PowerShell command"),
        (TOKEN, "a token alone; store it for an origin with `bequest auth add NAME --bearer ORIGIN`"),
        (gzip.compress(b"canary", mtime=0), "a file that gzip has packed; unpack it first"),
        (b"PK\x03\x04canary", "a file that zip has packed"),
        ("canary".encode("utf-16"), "no text in UTF-8 but UTF-16, as PowerShell writes it; save it as UTF-8"),
        (b"\x80\x81canary", "no text; export the cookies as cookies.txt or JSON"),
        ("wiki.example\tTRUE\t/\tFALSE\t0", "f, line 1: expected 7 fields.*found 5"),
        ("wiki.example\tTRUE\t/\tFALSE\tcanary\tcanary", "f, line 1: expected 7 fields.*value.*found 6"),
        ("wiki.example TRUE / FALSE canary canary", "f, line 1: expected 7 fields.*value.*found 6"),
        ("wiki.example\tTRUE\t/\t0\tsid\tcanary", "f, line 1: expected 7 fields.*found 6"),
    ],
)
def test_wrong_file_is_told_apart(content: str | bytes, said: str) -> None:
    """Each says what was found and what to do, and nothing of what is in it (I16)."""
    assert re.search(said, refusal(content))


@pytest.mark.parametrize(
    ("columns", "table", "said"),
    [
        ("host_key, name, encrypted_value", "cookies", "Chrome's own database of cookies, whose values it has sealed"),
        ("host, name, value", "moz_cookies", "Firefox's own database of cookies"),
        ("a", "b", "an SQLite database"),
    ],
)
def test_browsers_own_database_is_told_apart(columns: str, table: str, said: str, tmp_path: Path) -> None:
    """The file that browsers keep cookies in is the first that people find."""
    path = tmp_path / "Cookies"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE {table} ({columns})")
    connection.close()

    with pytest.raises(CredentialFormatError, match=said):
        read_session_file(path)


def test_line_of_six_fields_may_have_an_empty_value() -> None:
    """Where an editor took the last tab away, the value is empty."""
    (cookie,) = read_session("wiki.example\tTRUE\t/\tFALSE\t0\tsid", source="f").cookies

    assert (cookie.name, cookie.value.reveal()) == ("sid", "")
