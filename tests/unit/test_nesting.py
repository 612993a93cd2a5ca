"""A document costs what its size says, however its elements stand in each other, and loses no text and no link."""

from __future__ import annotations

import pytest
from selectolax.lexbor import LexborHTMLParser

from bequest.engine.extract import extract
from bequest.engine.nesting import MAX_DEPTH, MIN_TAGS, flattened

URL = "https://wiki.example/"
MANY = 5_000
NESTED = [
    "<div>",
    "<header>",
    "<dl><dt>",
    "<table><tr><td>",
    "<DIV>",
    '<div title="</div>">',
    "<div a='</div>' b = \"></div>\">",
    "<div><!-- </div> -->",
    "<div><style></div></style>",
    "<div><script>'</div>'</script>",
    "<div></span>",
    "<div></p>",
    "<div><object></div></object>",
    "<section><svg></section></svg>",
    "<b id=1>",
    "<b><div>x</b>",
    "<a><div>x</a>",
    "<span><div>x</span>",
    "<form><div>x</form>",
]


def depth_of_last_link(html: str) -> int:
    """Return how many elements the last link is in, as a parser has it."""
    node = LexborHTMLParser(html).css("a[href]")[-1].parent
    depth = 0
    while node is not None:
        depth, node = depth + 1, node.parent
    return depth


def test_nesting_of_a_plain_document_is_left_as_it_is() -> None:
    """What a browser's parser would nest no deeper is the same text, however many elements are not closed."""
    html = "<div><ul><li>a<li><b>b</b><br></ul><p>c</div><!-- <div> -->" * MIN_TAGS

    assert flattened(html) is html


def test_nesting_of_few_tags_is_left_as_it_is() -> None:
    """A short document is not looked at, for whatever is in it, it takes no time."""
    html = "<div>" * MIN_TAGS

    assert flattened(html) is html


@pytest.mark.parametrize("nested", NESTED)
def test_nesting_without_end_is_read_to_its_end(nested: str) -> None:
    """However a page hides that its elements nest, its last link stands no deeper, and its text is there."""
    html = f"<main><h1>Top</h1>{nested * MANY}<a href='/last'>last</a> words"

    content = extract(html, URL)

    assert (
        depth_of_last_link(flattened(html)) < 4 * MAX_DEPTH + 10
    )  # a table has three more in each, which are not counted
    assert content.title == "Top"
    assert content.links == ("https://wiki.example/last",)
    assert "words" in content.markdown


def test_nesting_is_cut_where_a_browser_would() -> None:
    """Down to that depth everything is as it was, and below it the texts stand beside each other."""
    html = flattened(
        "<div>" * (2 * MAX_DEPTH) + "<a href='/a'><i>a</i></a><br>" * MIN_TAGS + "</div>" * (2 * MAX_DEPTH)
    )

    assert html.startswith("<div>" * MAX_DEPTH + "<a href='/a'></a>a<br>")
    assert html.count("<div>") == html.count("</div>") == MAX_DEPTH


@pytest.mark.parametrize("between", ["</p>", "<div>", "<table>", "</b></object>", "<object></b></object>"])
def test_formatting_that_is_not_closed_is_not_made_anew_for_each_paragraph(between: str) -> None:
    """Four hundred open elements and ten thousand paragraphs are not four million elements."""
    html = "<p>" + "".join(f"<b id={number}>" for number in range(400)) + between + "<p>x" * 10_000

    text = flattened(html)

    assert "<b" not in text
    assert text.count("<p>") == html.count("<p>")
