"""Owns how a cookie's date is read: in any order and with any punctuation (RFC 6265bis, 5.1.1)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_DELIMITERS = re.compile("[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D.*)?", re.ASCII | re.DOTALL)
_DAY = re.compile(r"(\d{1,2})(?:\D.*)?", re.ASCII | re.DOTALL)
_MONTH = re.compile(rf"({'|'.join(MONTHS)}).*", re.ASCII | re.IGNORECASE | re.DOTALL)
_YEAR = re.compile(r"(\d{2,4})(?:\D.*)?", re.ASCII | re.DOTALL)
_PARTS: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], tuple[int, ...]]], ...] = (
    ("time", _TIME, lambda found: tuple(map(int, found.groups()))),
    ("day", _DAY, lambda found: (int(found[1]),)),
    ("month", _MONTH, lambda found: (MONTHS.index(found[1].lower()) + 1,)),
    ("year", _YEAR, lambda found: (_year(int(found[1])),)),
)


def read_cookie_date(text: str) -> float | None:
    """Return the seconds since the epoch, or None for what is no date."""
    found: dict[str, tuple[int, ...]] = {}
    for token in _DELIMITERS.split(text):
        for part, pattern, read in _PARTS:
            matched = pattern.fullmatch(token)
            if part not in found and matched:
                found[part] = read(matched)
                break
    if len(found) < len(_PARTS) or found["year"][0] < 1601:
        return None
    (year,), (month,), (day,), (hour, minute, second) = (found[part] for part in ("year", "month", "day", "time"))
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError:  # the 30th of February, or hour 24
        return None
    return moment.timestamp()


def _year(number: int) -> int:
    if number < 70:
        return number + 2000
    return number + 1900 if number < 100 else number
