"""Owns the bound on how deep a document nests: a parser's time and memory grow with the square of it.

A browser's own parser stops at ``MAX_DEPTH``; but the scripts of a page can nest deeper, and can hand out any text for
the document's. Such a text is flattened: what lies deeper stands beside what it was in. Its texts and links stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_DEPTH = 512  # Chromium's, third_party/blink, kMaximumHTMLParserDOMTreeDepth
MIN_TAGS = 2_000  # with fewer no document takes much
MAX_FORMATTING = 4  # elements in each other; a parser makes those that are not closed anew in all that follows
MAX_REMADE = 1_000_000

FORMATTING = frozenset(  # HTML, 13.2.4.3
    {
        *("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong"),
        *("tt", "u"),
    }
)
NEVER_OPEN = frozenset(  # without content, or ended by the next of their kind
    {
        *("area", "base", "basefont", "bgsound", "body", "br", "col", "colgroup", "dd", "dt", "embed", "frame"),
        *("head", "hr", "html", "img", "input", "keygen", "li", "link", "meta", "optgroup", "option", "p"),
        *("param", "rp", "rt", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr"),
    }
)
WALLS = frozenset(  # no end tag reaches beyond
    {
        *("applet", "button", "caption", "marquee", "object", "svg", "math", "table", "template"),
    }
)

SPECIAL = frozenset(  # HTML, 13.2.4.2, as far as it can be open here: no end tag of another kind reaches beyond
    {
        *("address", "article", "aside", "blockquote", "center", "details", "dialog", "dir", "div", "dl", "fieldset"),
        *("figcaption", "figure", "footer", "form", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
        *("hgroup", "listing", "main", "menu", "nav", "ol", "pre", "search", "section", "select", "summary", "ul"),
        *WALLS,
    }
)

TAG = re.compile(  # and comments, in all their forms
    r"""
      <!--(?:-?>|.*?(?:--!?>|\Z))
    | <[!?][^>]*(?:>|\Z)
    | </[^a-z>][^>]*(?:>|\Z)
    | <(?P<raw>script|style|textarea|title|xmp|iframe|noembed|noframes|noscript)(?=[\s/>]).*?
      (?:</(?P=raw)(?=[\s/>])|\Z)
    | <(?P<end>/?)(?P<name>[a-z][^\s/>]*) (?P<rest>(?:[^>=]|=\s*"[^"]*"|=\s*'[^']*'|=)*+) (?:>|\Z)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def flattened(html: str) -> str:
    """Return *html* as it is, or, where it nests too deep for a parser, with tags that nest less."""
    if html.count("<") <= MIN_TAGS or not _is_too_deep(html):
        return html
    return "".join(_flat(html))


class _Depth:
    """The elements that are open at a place of a document, as far as its tags tell."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.formatting = 0
        self._counts: list[dict[str, int]] = [{}]  # of what is open behind each wall, with it

    def begin(self, name: str) -> None:
        self.open.append(name)
        self.formatting += name in FORMATTING
        if name in WALLS:
            self._counts.append({})
        self._counts[-1][name] = self._counts[-1].get(name, 0) + 1

    def end(self, name: str) -> bool:
        """End the element, and those in it that end with it; return whether there was one that this ends."""
        if not self._counts[-1].get(name):
            return False
        at = len(self.open) - 1
        block = len(self.open)  # the outermost in it that its end tag does not end
        while self.open[at] != name:
            block = at if self.open[at] in SPECIAL else block
            at -= 1
        if name in SPECIAL and name != "form":
            block = len(self.open)
        elif name not in FORMATTING and name != "form" and block < len(self.open):
            return False
        for ended in self.open[at:block]:
            self._counts[-1][ended] -= 1
        del self.open[at:block]
        if name in WALLS:
            self._counts.pop()
        self.formatting -= name in FORMATTING  # those in it are made anew behind it, for nothing has ended them
        return True


def _is_too_deep(html: str) -> bool:
    depth = _Depth()
    remade = 0
    for found in TAG.finditer(html):
        end, name = found.group("end", "name")
        name = name.lower() if name else ""
        if not name or name in NEVER_OPEN:
            pass
        elif end:
            depth.end(name)
        else:
            depth.begin(name)
        remade += max(0, depth.formatting - MAX_FORMATTING)
        if len(depth.open) > MAX_DEPTH or remade > MAX_REMADE:
            return True
    return False


def _flat(html: str) -> Iterator[str]:
    """Yield *html* in pieces; what would nest too deep, and all formatting, ends where it begins."""
    depth = _Depth()
    at = 0
    for found in TAG.finditer(html):
        yield html[at : found.start()]
        at = found.end()
        name = (found["name"] or "").lower()
        if not name or name in NEVER_OPEN:
            yield found[0]
        elif found["end"]:
            yield found[0] if depth.end(name) else ""
        elif name in FORMATTING or len(depth.open) >= MAX_DEPTH:
            yield f"{found[0]}</{name}>" if name == "a" else ""
        else:
            depth.begin(name)
            yield found[0]
    yield html[at:]
