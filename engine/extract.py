"""Owns what is kept of a page: its title, its links and its text as Markdown.

Links are taken from the whole document before anything is stripped, for many sites keep theirs in the navigation and
the footer. The Markdown is what a reader sees of the content; better some navigation in it than none of the content.
The document is parsed as the browser did that wrote it, so what stands in ``noscript`` is no part of it.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from urllib.parse import urldefrag, urljoin

from html_to_markdown import ConversionError, ConversionOptions, PreprocessingOptions, convert
from selectolax.lexbor import LexborHTMLParser, LexborNode

from .errors import UrlError
from .nesting import flattened
from .parser_costs import eased
from .records import Record
from .urls import C0_CONTROL_OR_SPACE, canonical_url

INVISIBLE = (
    "head, script, style, noscript, template, svg, datalist, dialog:not([open]), [hidden]:not([hidden=until-found]), "
    '[style*="display:none" i], [style*="display: none" i], [style*="visibility:hidden" i], '
    '[style*="visibility: hidden" i]'
)
# A header, footer or aside of the content itself says who wrote it, what it is called or what to mind.
SURROUNDINGS = (
    "nav, [role=navigation i], [role=contentinfo i], footer:not(article footer, blockquote footer), "
    "aside:not(main aside, article aside), header:not(main header, article header, section header, :has(h1))"
)
MIN_SHARE_KEPT = 0.5  # of the visible letters; the converter leaves out what is nested 1,024 deep and more

_BEFORE_QUERY = re.compile(r"[^?#]*")
_MARKS = (string.punctuation + string.whitespace).encode()
_IGNORED_IN_URLS = str.maketrans("", "", "\t\n\r")  # WHATWG URL, basic URL parser
_FOLLOWED_IN_MARKDOWN = ("http:", "https:", "mailto:", "tel:", "data:")


class PageContent(Record, frozen=True, kw_only=True):
    """What is kept of a page."""

    title: str  # of the document, else its first heading
    links: tuple[str, ...]  # absolute http and https URLs without fragment, each page once, in document order
    markdown: str  # empty only when nothing is visible


def extract(html: str, url: str) -> PageContent:
    """Return what is kept of the page that was found at *url*; broken HTML and broken links are no errors."""
    tree = LexborHTMLParser(eased(flattened(html)), scripting=True)
    base = _base_of(tree, url)
    title = _title_of(tree)
    links = _links_of(tree, base)
    return PageContent(title=title, links=links, markdown=_markdown_of(tree, base))


def _base_of(tree: LexborHTMLParser, url: str) -> str:
    """Return what relative links start from: the first ``<base href>`` where that is usable (HTML, 2.4.3)."""
    node = tree.css_first("base[href]")
    base = None if node is None else _joined(url, node.attrs.sget("href"))
    return base if base is not None and base.startswith(("http:", "https:")) else url


def _title_of(tree: LexborHTMLParser) -> str:
    nodes = (tree.css_first("title:not(svg title)"), tree.css_first("h1"))
    titles = (" ".join(node.text().split()) for node in nodes if node is not None)
    return next(filter(None, titles), "")


def _links_of(tree: LexborHTMLParser, base: str) -> tuple[str, ...]:
    found: dict[str, str] = {}  # by canonical form
    for node in tree.css("a[href], area[href]"):
        link = _joined(base, node.attrs.sget("href"))
        if link is None:
            continue
        link = urldefrag(link).url.replace(" ", "%20")
        try:
            found.setdefault(canonical_url(link), link)
        except UrlError:  # another scheme, a host that is none
            continue
    return tuple(found.values())


def _markdown_of(tree: LexborHTMLParser, base: str) -> str:
    """Return the content as Markdown; changes *tree*."""
    _remove(tree, INVISIBLE)
    _make_absolute(tree, base)
    whole = tree.html or ""
    text = _text_of(tree)
    _remove(tree, SURROUNDINGS)
    content = _text_of(tree)
    if not content:  # all that the page has is navigation
        return _converted(whole, text)
    return _converted(tree.html or "", content)


def _remove(tree: LexborHTMLParser, selector: str) -> None:
    for node in tree.css(selector):
        if node.tag not in ("html", "body"):  # pages hide these against flicker while they load
            node.decompose(recursive=False)  # takes the whole branch off; the other way visits every node again


def _make_absolute(tree: LexborHTMLParser, base: str) -> None:
    for node in tree.css("[href], [src]"):
        for name in ("href", "src"):
            value = node.attrs.get(name)
            if value is None:
                continue
            target = _joined(base, value)
            if target is not None and target.startswith(_FOLLOWED_IN_MARKDOWN):
                node.attrs[name] = target
            else:  # javascript: and the like mean nothing outside the page
                del node.attrs[name]


def _text_of(tree: LexborHTMLParser) -> str:
    root: LexborNode | None = tree.root
    return "" if root is None else root.text(separator="\n", strip=True)


def _converted(html: str, text: str) -> str:
    """Return *html* as Markdown, or *text*, its visible text, where the converter loses most of that."""
    try:
        markdown = (convert(html, _options()).content or "").strip()
    except ConversionError:
        markdown = ""
    return text if _letters(markdown) < _letters(text) * MIN_SHARE_KEPT else markdown


def _letters(text: str) -> int:
    """Return the bytes of *text* that neither Markdown's marks nor white space explain."""
    return len(text.encode().translate(None, _MARKS))


@lru_cache(1)
def _options() -> ConversionOptions:
    return ConversionOptions(
        preprocessing=PreprocessingOptions(enabled=False),  # what is stripped is decided here
        hidden_content="all",
        inline_data_media="alt_text_only",
        extract_metadata=False,
    )


def _joined(base: str, reference: str) -> str | None:
    """Return *reference* as an absolute URL, or None when it cannot be read."""
    text = reference.strip(C0_CONTROL_OR_SPACE).translate(_IGNORED_IN_URLS)
    text = _BEFORE_QUERY.sub(lambda match: match[0].replace("\\", "/"), text, count=1)  # as browsers do
    try:
        scheme, colon, rest = urljoin(base, text).partition(":")
    except ValueError:  # a bracket left open
        return None
    return scheme.lower() + colon + rest
