"""What is kept of a page."""

from __future__ import annotations

import pytest
from html_to_markdown import ConversionError

from bequest.engine import extract as extract_module
from bequest.engine.extract import extract

URL = "https://docs.example/guide/start?x=1"

PAGE = """<!doctype html><html><head><title> Tides &amp;
  harbours </title><style>.secret-style{}</style></head><body>
<header><nav><a href="/">Home</a> <a href="/guide/">Guide</a></nav></header>
<main><article>
<header><h1>Tides</h1><p>By the watch</p></header>
<p>High water comes <em>twice</em> a day; see <a href="tables.html#spring">the tables</a> &copy; 2024.</p>
<aside>Mind the gap.</aside>
<ul><li>spring<ol><li>new moon</li><li>full moon</li></ol></li><li>neap</li></ul>
<table><thead><tr><th>Port</th><th>Height</th></tr></thead>
<tbody><tr><td>Cuxhaven</td><td>3.6 m</td></tr></tbody></table>
<pre><code class="language-python">def tide(hour):
    return hour &lt; 12
</code></pre>
<footer>Written on watch.</footer>
</article></main>
<aside>Advertisement</aside>
<svg><title>icon</title><a href="/icon"><text>drawn</text></a></svg>
<script>secretScript()</script><noscript>Turn scripts on</noscript><template><p>unused</p></template>
<footer><a href="/imprint">Imprint</a></footer>
</body></html>"""


def body(inner: str) -> str:
    """Return a document with *inner* as its body."""
    return f"<!doctype html><html><head><title>t</title></head><body>{inner}</body></html>"


def test_extract_takes_links_from_the_whole_document() -> None:
    """Links of the navigation, the content and the footer are found, absolute and in document order."""
    content = extract(PAGE, URL)

    assert content.links == (
        "https://docs.example/",
        "https://docs.example/guide/",
        "https://docs.example/guide/tables.html",
        "https://docs.example/icon",
        "https://docs.example/imprint",
    )


def test_extract_keeps_the_content() -> None:
    """Headings, nested lists, tables, code with its language, entities and absolute links are kept as Markdown."""
    markdown = extract(PAGE, URL).markdown

    assert "# Tides\n\nBy the watch" in markdown
    assert "*twice* a day; see [the tables](https://docs.example/guide/tables.html#spring) © 2024." in markdown
    assert "Mind the gap." in markdown
    assert "Written on watch." in markdown
    assert "- spring\n  1. new moon\n  2. full moon\n- neap" in markdown
    assert [cell.strip() for cell in markdown.partition("| Cux")[2].split("|")][:2] == ["haven", "3.6 m"]
    assert "```python\ndef tide(hour):\n    return hour < 12\n```" in markdown


@pytest.mark.parametrize(
    "text",
    ["Home", "Guide", "Imprint", "Advertisement", "secret", "Turn scripts on", "unused", "drawn", "icon", "harbours"],
)
def test_extract_strips_what_is_not_content(text: str) -> None:
    """Navigation, footers, scripts, styles and what nobody sees leave no text."""
    assert text not in extract(PAGE, URL).markdown


@pytest.mark.parametrize(
    ("html", "title"),
    [
        (PAGE, "Tides & harbours"),
        ("<body><svg><title>icon</title></svg><h1>The <b>one</b>\nheading</h1></body>", "The one heading"),
        ("<title> </title><h1>Heading</h1>", "Heading"),
        ("<p>nothing</p>", ""),
        ('<head><noscript><img src="pixel.gif"></noscript><title>After</title></head>', "After"),
    ],
)
def test_extract_finds_the_title(html: str, title: str) -> None:
    """The title is the document's, else the first heading, on one line."""
    assert extract(html, URL).title == title


@pytest.mark.parametrize(
    ("href", "link"),
    [
        ("page", "https://docs.example/guide/page"),
        ("../up", "https://docs.example/up"),
        ("?y=2", "https://docs.example/guide/start?y=2"),
        ("", "https://docs.example/guide/start?x=1"),
        ("//other.example/a", "https://other.example/a"),
        (" \n/spaced out\t", "https://docs.example/spaced%20out"),
        ("/bro\nken", "https://docs.example/broken"),
        ("\\back\\slash?q=\\", "https://docs.example/back/slash?q=\\"),
        ("HTTP://Other.example", "http://Other.example"),
        ("/a#part", "https://docs.example/a"),
        ("/a?b=1&amp;c=2", "https://docs.example/a?b=1&c=2"),
        ("/é", "https://docs.example/é"),
    ],
)
def test_extract_reads_links_as_browsers_do(href: str, link: str) -> None:
    """A link is resolved against the page, without white space and fragment."""
    assert extract(body(f'<a href="{href}">a</a>'), URL).links == (link,)


@pytest.mark.parametrize(
    "href",
    [
        "javascript:go()",
        " JavaScript:go()",
        "mailto:me@docs.example",
        "tel:112",
        "data:text/html,x",
        "ftp://docs.example/",
        "http://[broken",
        "http://a..b/",
        "http://me:pass@docs.example/",
        "http://:x/",
    ],
)
def test_extract_skips_what_is_no_link_to_a_page(href: str) -> None:
    """Other schemes and broken links are passed over, and the links beside them are found."""
    html = body(f'<a href="{href}">a</a><a name="anchor">b</a><a href="/good" rel="nofollow">c</a>')

    assert extract(html, URL).links == ("https://docs.example/good",)


def test_extract_names_each_page_once() -> None:
    """Links with one canonical form are one, spelled as at first; areas of an image map count."""
    html = body(
        '<a href="/a?x=1&y=2">1</a><map><area href="/b"></map><a href="/a?y=2&x=1#more">2</a><a href="/c">3</a>'
        '<a href="https://DOCS.example:443/b">4</a>'
    )

    links = extract(html, URL).links

    assert links == ("https://docs.example/a?x=1&y=2", "https://docs.example/b", "https://docs.example/c")


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("/wiki/", "https://docs.example/wiki/page"),
        ("https://cdn.example/v1/", "https://cdn.example/v1/page"),
        ("javascript:x", "https://docs.example/guide/page"),
        ("http://[broken", "https://docs.example/guide/page"),
    ],
)
def test_extract_honours_the_base(base: str, link: str) -> None:
    """Links and the Markdown start from the first base that can be used."""
    html = f'<head><base target="_top"><base href="{base}"></head><body><p><a href="page">text</a></p></body>'

    content = extract(html, URL)

    assert content.links == (link,)
    assert content.markdown == f"[text]({link})"


def test_extract_leaves_no_dead_targets_in_the_markdown() -> None:
    """Scripted and broken targets go, their text stays; images are absolute, and inlined data is not kept."""
    html = body(
        '<p><a href="javascript:go()">press</a> <a href="http://[x">broken</a> <a href="mailto:a@b.c">write</a>'
        ' <img src="map.png" alt="map"> <img src="data:image/png;base64,AAAA" alt="dot"></p>'
    )

    markdown = extract(html, URL).markdown

    assert "press" in markdown
    assert "broken" in markdown
    assert "javascript" not in markdown
    assert "[x" not in markdown
    assert "(mailto:a@b.c)" in markdown
    assert "![map](https://docs.example/guide/map.png)" in markdown
    assert "AAAA" not in markdown


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>gone</p>",
        '<p style="color:red; display:none">gone</p>',
        '<p style="DISPLAY: none">gone</p>',
        '<p style="visibility: hidden">gone</p>',
        "<dialog>gone</dialog>",
        "<datalist><option>gone</option></datalist>",
    ],
)
def test_extract_leaves_out_what_is_hidden(hidden: str) -> None:
    """What a reader cannot see is not kept."""
    assert extract(body(f"<p>seen</p>{hidden}"), URL).markdown == "seen"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (body("<nav>Only <a href='/a'>navigation</a></nav>"), "navigation"),
        (body("<footer><p>All in the footer</p></footer>"), "All in the footer"),
        (body("<header><h1>Heading</h1></header><p>text</p>"), "Heading"),
        ('<html style="visibility:hidden"><body style="display:none"><p>shown by a script</p>', "shown by a script"),
        ("bare text", "bare text"),
        (body("<p hidden='until-found'>folded</p><dialog open>asked</dialog>"), "folded"),
        (body("<details><summary>more</summary>inner</details>"), "inner"),
        (body("<p>half a pair: \ud800.</p>"), "half a pair"),
        (body("<table><tr><td>broken<div><table></td>cells"), "broken"),
    ],
)
def test_extract_is_never_empty_where_text_is_visible(html: str, text: str) -> None:
    """A page that shows text leaves some, however it is built."""
    assert text in extract(html, URL).markdown


@pytest.mark.parametrize("html", ["", "   ", "<html>", "<script>x()</script>", "<frameset><frame src='a'></frameset>"])
def test_extract_of_a_page_without_text_is_empty(html: str) -> None:
    """Where nothing is visible nothing is kept, and nothing fails."""
    content = extract(html, URL)

    assert (content.title, content.links, content.markdown) == ("", (), "")


@pytest.mark.parametrize(
    "tag", ["div", "span", "b", "ul><li", "table><tr><td", "blockquote", "nav", "footer", "article><header"]
)
def test_extract_survives_deep_nesting(tag: str) -> None:
    """Ten thousand open elements neither crash nor hide the text and the link in them."""
    content = extract(f"<{tag}>" * 10_000 + '<a href="/deep">deep text</a>', URL)

    assert "deep text" in content.markdown
    assert content.links == ("https://docs.example/deep",)


def test_extract_falls_back_to_the_text_when_the_converter_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that cannot be converted is kept as plain text."""

    def fail(*_: object) -> None:
        raise ConversionError("planted")

    monkeypatch.setattr(extract_module, "convert", fail)

    assert extract(body("<h1>Tides</h1><p>High water</p>"), URL).markdown == "Tides\nHigh water"
