"""Owns how a pasted command line is split into words: as a POSIX shell with ``$'...'``, or as Windows' cmd.exe.

Nothing is expanded: a variable or a substitution stays the text that it is.
"""

from __future__ import annotations

import re

_ANSI_C = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_POSIX = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | \\\r?\n                                       # a line that goes on
    | \$'(?P<ansi>(?:[^'\\]|\\.)*)'
    | '(?P<single>[^']*)'
    | \$?"(?P<double>(?:[^"\\]|\\.)*)"
    | \\(?P<escaped>.)
    | (?P<end>[;&|<>](?:.*))                        # another command, or a redirection: not ours
    | (?P<plain>(?:[^\s\\'";&|<>$]|\$(?!['"]))+|\\\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_CARETS = re.compile(r'(?P<quoted>"[^"\n]*"?)|\^\r?\n(?P<blank>\r?\n)?|\^(?P<escaped>.?)')
_RUNTIME = re.compile(r'(?P<slashes>\\*)"|(?P<space>[ \t\r\n]+)|\\+|[^\\" \t\r\n]+')
_WINDOWS_LINE = re.compile(r'\^\r?\n|\^"')
_MAX_CODE_POINT = 0x10FFFF


class _Words:
    """Words that are put together from parts; an empty part, as of ``''``, begins a word too."""

    def __init__(self) -> None:
        self._ended: list[str] = []
        self._parts: list[str] = []  # of the word that has not ended

    def add(self, part: str) -> None:
        self._parts.append(part)

    def end(self) -> list[str]:
        """End the word, if one has begun, and return all words so far."""
        if self._parts:
            self._ended.append("".join(self._parts))
            self._parts = []
        return self._ended


def command_words(text: str) -> list[str] | None:
    """Return the words of the first command of *text*, or None where a quote is not closed."""
    return _windows_words(text) if _WINDOWS_LINE.search(text) else _posix_words(text)


def _posix_words(text: str) -> list[str] | None:
    words = _Words()
    at = 0
    while at < len(text):
        found = _POSIX.match(text, at)
        if found is None:
            return None
        at = found.end()
        if found["end"] is not None:
            break
        if found["space"] is not None:
            words.end()
        elif found.lastgroup is not None:
            words.add(_posix_part(found))
    return words.end()


def _posix_part(found: re.Match[str]) -> str:
    if found["ansi"] is not None:
        return _ANSI_C.sub(_ansi_c, found["ansi"])
    if found["double"] is not None:
        return re.sub(r'\\(?:\r?\n|([$`"\\]))', lambda escape: escape[1] or "", found["double"])
    return found[found.lastgroup or 0]


def _ansi_c(found: re.Match[str]) -> str:
    short, four, eight, octal, other = found.groups()
    if other is not None:
        return _ESCAPES.get(other, other if other in "\\'\"?" else found[0])
    code = int(octal, 8) & 0xFF if octal else int(short or four or eight, 16)
    return chr(code) if code <= _MAX_CODE_POINT else found[0]


def _windows_words(text: str) -> list[str] | None:
    """Take the carets away as cmd.exe does, then split as the C runtime of Windows does."""
    line = _CARETS.sub(_without_caret, text)
    words = _Words()
    is_quoted = False
    at = 0
    while found := _RUNTIME.match(line, at):
        at = found.end()
        if found["slashes"] is not None:
            count = len(found["slashes"])
            is_double = is_quoted and count % 2 == 0 and line.startswith('"', at)
            words.add("\\" * (count // 2) + ('"' if count % 2 or is_double else ""))
            at += is_double
            is_quoted ^= count % 2 == 0 and not is_double
        elif found["space"] is not None and not is_quoted:
            words.end()
        else:
            words.add(found[0])
    return None if is_quoted else words.end()


def _without_caret(found: re.Match[str]) -> str:
    if found["quoted"] is not None:
        return found["quoted"]
    return "\n" if found["blank"] else found["escaped"] or ""
