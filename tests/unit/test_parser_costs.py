"""A document costs what its size says, whatever a parser would do over and over in it, and loses no text or link."""

from __future__ import annotations

import pytest
from selectolax.lexbor import LexborHTMLParser

from bequest.engine.extract import extract
from bequest.engine.parser_costs import MAX_ATTRIBUTES, MAX_NAMES, MAX_OPTIONS, MAX_TEXT, eased

URL = "https://wiki.example/"
MANY = 60_000
UNSEEN = [  # a start, and what leaves two texts beside each other
    ("<p>", "x</pe a=1>"),
    ("<p>", "x<tr a=1>"),
    ("", "x<body a=1>"),
    ("", "x<html a=1>"),
    ("", "x<!doctype html SYSTEM 'a'>"),
    ("", "x</body><!--c-->"),
    ("<!-->", "x</pe a=1>"),
    ("<table>", "x<!--c-->"),
    ("<table>", "x<?c?>"),
    ("<table>", "x<input type=hidden>"),
    ("<table>", "x<tr><td>y</td></tr>"),
    ("<p>", "&lt;</pe a='<'>"),
    ("<math><mi>", "x</z a=1>"),
    ("<select>", "x<tr a=1>"),
    ("<head>", " </z a=1>"),
    ("<frameset>", " <p a=1>"),
]


def longest_text(html: str) -> int:
    """Return the length of the longest text that a parser makes one of."""
    root = LexborHTMLParser(html, scripting=True).root
    assert root is not None
    return max(len(node.text_content or "") for node in root.traverse(include_text=True) if node.tag == "-text")


@pytest.mark.parametrize(("start", "piece"), UNSEEN)
def test_texts_that_a_parser_would_join_stand_apart(start: str, piece: str) -> None:
    """Whatever makes nothing between two texts, no text grows with the document."""
    html = f"<!doctype html>{start}{piece * MANY}"

    assert longest_text(eased(html)) <= 2 * MAX_TEXT


def test_texts_and_links_are_kept_where_texts_are_put_apart() -> None:
    """What a reader sees of such a page is what it was."""
    html = "<title>Top</title><main><p>" + "some </pe a='1'>words\n" * MANY + "<a title='<' href=/last>last</a></main>"

    content = extract(html, URL)

    assert eased(html) != html
    assert content.title == "Top"
    assert content.links == ("https://wiki.example/last",)
    assert content.markdown.split() == ["some", "words"] * MANY + ["[last](https://wiki.example/last", '"<")']


@pytest.mark.parametrize("raw", ["script", "style", "textarea", "title", "xmp"])
@pytest.mark.parametrize("end", ["", "</{}>"])
def test_tags_in_what_holds_none_are_taken_out_where_they_are_many(raw: str, end: str) -> None:
    """A parser that reads it otherwise, as in a picture, finds no tags there."""
    html = f"<svg><{raw}>{'x</z a=1>' * MANY}{end.format(raw)}<a href=/last>last</a>"

    text = eased(html)

    assert "</z" not in text
    assert ("<a href=/last>" in text) is bool(end)


def test_options_are_not_gone_through_for_each_option() -> None:
    """A list of many is one of which several may be chosen, for there a parser looks for no chosen one."""
    html = "<select id=a>" + "<option>a</option>" * (MAX_OPTIONS * 4) + "</select>"

    assert eased(html) == html.replace("<select", "<select multiple")
    assert extract(html, URL).markdown.split() == ["a"] * (MAX_OPTIONS * 4)


def test_attributes_of_one_element_are_bounded() -> None:
    """Of an element with more the first are kept, and where it leads."""
    many = " ".join(f"a{number}=1" for number in range(MANY))
    html = f"<a {many} href='/a'>one</a><br/><p>"

    text = eased(html)

    node = LexborHTMLParser(text).css_first("a")
    assert node is not None
    assert len(node.attributes) == MAX_ATTRIBUTES + 1
    assert node.attributes["href"] == "/a"
    assert text.endswith("one</a><br /><p>")


@pytest.mark.parametrize("root", ["html", "body"])
def test_attributes_of_the_root_do_not_add_up(root: str) -> None:
    """Each further tag of the whole document would add its own."""
    html = "".join(f"<{root} a{number}=1>" for number in range(MANY))

    assert eased(html) == f"<{root}>" * MANY


def test_names_are_bounded() -> None:
    """Elements of ever new names go, their texts and links stay; so it is with attributes."""
    elements = "".join(f"<x{number}>w</x{number}>" for number in range(MAX_NAMES * 2))
    attributes = "".join(f"<p x{number}=1>w" for number in range(MAX_NAMES * 2))

    for html in (elements, attributes):
        text = eased(html)
        assert "x1>" in text or "x1=" in text
        assert f"x{MAX_NAMES + 1}" not in text
        assert text.count("w") == html.count("w") + text.count("<wbr/>")


def test_an_ordinary_document_is_left_as_it_is() -> None:
    """Tables, lists, scripts, comments and forms of any length are the same text."""
    row = "<tr>\n<td class=a>one <b>two</b></td>\n<td>three</td></tr>\n"
    html = (
        f"<html lang=en><body class=a><table>{row * 5_000}</table>{'<p>text <a href=b>c</a></p>' * 5_000}"
        f"<select>{'<option>a</option>' * 500}</select><script>{'if (a < b) c()' * 500}</script>"
    )

    assert eased(html) is html
    assert eased("<p>short") == "<p>short"
