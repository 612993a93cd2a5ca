"""Owns what else than nesting makes a parser's time grow with the square of a document, and takes it out.

lexbor copies all of a text each time when it finds more of it behind a tag that makes nothing there; it goes through
all options for each option, through all attributes of an element for each, and through all names of a bucket for each
name that is new. A document where that is much is written anew: its texts are kept apart, and what is left out of it
nobody sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .nesting import NEVER_OPEN, TAG

MIN_CHARACTERS = 50_000  # a shorter document takes no time whatever is in it
MAX_COPIED = 1_000_000_000  # characters; a tenth of a second
MAX_TEXT = 4_096  # between two of what keeps texts apart
MAX_SHORT_TEXT = 64
MAX_RAW_TAGS = 100
MAX_OPTIONS = 1_000
MAX_ATTRIBUTES = 256  # of one element
MAX_NAMES = 8_192  # of elements, and of attributes

APART = "<!----><wbr/>"  # the comment where the text stands; the element where a parser puts a text out of a table
KEPT = frozenset({"href", "src"})
CELLS = frozenset({"td", "th", "caption"})
MAKING_NOTHING = (NEVER_OPEN - {"br", "dd", "dt", "hr", "img", "li", "option", "p", "wbr"}) | {
    *("form", "frameset", "image", "select"),
}

_ATTRIBUTE = re.compile(r"""([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"'][^\s>]*)?)?""")
_SELECT = re.compile(r"<select(?=[\s/>])", re.IGNORECASE)
_OPTION = re.compile(r"<option(?=[\s/>])", re.IGNORECASE)


def eased(html: str) -> str:
    """Return *html* as it is, or, where a parser would take long for what is in it, with the same text and links."""
    if len(html) < MIN_CHARACTERS:
        return html
    if _is_costly(html):
        html = "".join(_Easing().pieces(html))
    if sum(1 for _ in _OPTION.finditer(html)) > MAX_OPTIONS:
        html = _SELECT.sub("<select multiple", html)  # no option is looked for that is to be the selected one
    return html


class _Texts:
    """How much a parser copies of texts that it takes for one, as far as the tags tell."""

    def __init__(self) -> None:
        self.copied = 0
        self._run = 0  # characters of the text that the next may belong to
        self._fostered = 0  # the same, of what stands in a table and in no cell
        self._tables = 0
        self._is_in_cell = False
        self._is_of_frames = False

    def add(self, text: str) -> None:
        self._run += len(text)
        if self._tables and not self._is_in_cell and not text.isspace():
            self._fostered += len(text)

    def meet(self, token: str, name: str, is_end: bool) -> None:
        self.copied += self._run + self._fostered
        inner = token.count("<") - 1
        if inner > 0:  # whoever reads this otherwise finds tags in it
            self.copied += (self._run + len(token)) * inner
        if name in CELLS or name in ("table", "tr", "tbody", "thead", "tfoot"):
            self._structure(name, is_end)
        elif name == "frameset":
            self._is_of_frames = True
        elif name and not is_end and name not in MAKING_NOTHING and not self._is_of_frames:
            self._run = 0

    def _structure(self, name: str, is_end: bool) -> None:
        if name == "table":
            self._tables = max(0, self._tables - 1) if is_end else self._tables + 1
        if not self._tables:
            self._fostered = 0
        if self._tables or name == "table":
            self._run = 0
        self._is_in_cell = (name in CELLS and not is_end) or (name == "table" and is_end)


def _is_costly(html: str) -> bool:
    texts = _Texts()
    names: set[str] = set()
    attributes: set[str] = set()
    roots = at = 0
    for found in TAG.finditer(html):
        name = (found["name"] or "").lower()
        texts.add(html[at : found.start()])
        texts.meet(found[0], name, bool(found["end"]))
        at = found.end()
        names.add(name)
        of_tag = _ATTRIBUTE.findall(found["rest"] or "")
        attributes.update(of_tag)
        roots += len(of_tag) if name in ("html", "body") else 0
        if max(len(of_tag), roots) > MAX_ATTRIBUTES or max(len(names), len(attributes)) > MAX_NAMES:
            return True
        if texts.copied > MAX_COPIED:
            return True
    return False


class _Easing:
    """Writes a document anew."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._attributes: set[str] = set()
        self._run = 0

    def pieces(self, html: str) -> Iterator[str]:
        """Yield the document in pieces."""
        at = 0
        for found in TAG.finditer(html):
            yield self._text(html[at : found.start()])
            at = found.end()
            if found["raw"]:
                yield _raw(found[0], found["raw"].lower())
            elif found["name"]:
                yield self._tag(found["end"], found["name"], found["rest"])
            else:
                yield "<!---->" if self._names else found[0]  # a doctype says how the document is to be read
        yield html[at:]

    def _text(self, text: str) -> str:
        self._run += len(text)
        if len(text) <= MAX_SHORT_TEXT and self._run <= MAX_TEXT:
            return text
        self._run = 0
        seen = text.rstrip()
        return f"{seen}{APART}{text[len(seen) :]}" if seen else f"{text}<!---->"

    def _tag(self, end: str, name: str, rest: str) -> str:
        if not _is_one_of(self._names, name.lower()):
            return ""
        kept = "" if end or name.lower() in ("html", "body") else "".join(self._kept(rest))
        return f"<{end}{name}{kept}{' /' if rest.endswith('/') else ''}>"

    def _kept(self, rest: str) -> Iterator[str]:
        found: dict[str, str] = {}
        for one in _ATTRIBUTE.finditer(rest):
            found.setdefault(one[1].lower(), one[0])
        for number, (name, attribute) in enumerate(found.items()):
            if name in KEPT or (number < MAX_ATTRIBUTES and _is_one_of(self._attributes, name)):
                yield " " + attribute.replace("<", "&lt;")


def _raw(element: str, name: str) -> str:
    """Return an element whose text holds no tags: without those, or, where nobody sees it, without its text."""
    inner = element[1:]
    if inner.count("<") <= MAX_RAW_TAGS:
        return element
    end = f"</{name}" if inner[-len(name) - 2 :].lower() == f"</{name}" else ""
    start = f"<{name}>"
    if name not in ("title", "textarea", "xmp"):
        return start + end
    text = inner[len(name) : len(inner) - len(end)]
    return start + text.partition(">")[2].replace("<", "&lt;") + end


def _is_one_of(names: set[str], name: str) -> bool:
    """Return whether there is room for the name among those that are known, and know it then."""
    if len(names) < MAX_NAMES:
        names.add(name)
    return name in names
