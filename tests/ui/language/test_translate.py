"""What leaves for the page in another language: no element, no value and no person's word is another then."""

import html
import json
import random
from html.parser import HTMLParser

import gradio as gr
import pytest

from studio.ui.language import translate
from studio.ui.language.catalog import Catalog, catalog


@pytest.fixture
def german() -> Catalog:
    return Catalog({"Rows": "Zeilen", "Less < more": "Weniger < mehr", 'Say "it"': 'Sag „es“ & "so"', "Run": "Lauf"})


@pytest.mark.parametrize(
    ("markup", "said"),
    [
        ("<p>Rows</p>", "<p>Zeilen</p>"),
        ("Rows", "Zeilen"),
        ("<b>Less &lt; more</b>", "<b>Weniger &lt; mehr</b>"),
        ("<p>&lt;script&gt;Rows</p>", "<p>&lt;script&gt;Rows</p>"),
        (
            '<i title="Rows" class="Rows" data-label="Rows"></i>',
            '<i title="Zeilen" class="Rows" data-label="Zeilen"></i>',
        ),
        ('<i aria-label="Say &#34;it&#34;"></i>', '<i aria-label="Sag „es“ &amp; &quot;so&quot;"></i>'),
        ('<p translate="no">Rows <b>Rows</b> Rows</p>Rows', '<p translate="no">Rows <b>Rows</b> Rows</p>Zeilen'),
        (
            '<p translate="no" title="Rows"><i title="Rows">Rows</i></p>',
            '<p translate="no" title="Zeilen"><i title="Rows">Rows</i></p>',
        ),
        (
            '<p translate="no">a<br>b<img src="x">c</p><p>Rows</p>',
            '<p translate="no">a<br>b<img src="x">c</p><p>Zeilen</p>',
        ),
        (
            "<pre>Rows</pre><code>Rows</code><style>Rows{}</style>",
            "<pre>Rows</pre><code>Rows</code><style>Rows{}</style>",
        ),
        (
            '<button data-key="Rows" data-verb="Run">Run</button>',
            '<button data-key="Rows" data-verb="Run">Lauf</button>',
        ),
        ('<option value="Rows">Rows</option>', '<option value="Rows">Zeilen</option>'),
        (
            '<div translate="no">Rows <b translate="yes" title="Rows">Rows<br></b> Rows</div>Rows',
            '<div translate="no">Rows <b translate="yes" title="Zeilen">Zeilen<br></b> Rows</div>Zeilen',
        ),
        ("</p>Rows</p></p>Rows", "</p>Zeilen</p></p>Zeilen"),
        ("<p>1 < 2 and Rows</p>", "<p>1 &lt; 2 and Rows</p>"),
        ("<!-- Rows --><p>Rows</p>", "<!-- Rows --><p>Zeilen</p>"),
        ("<p>${value}</p>", "<p>${value}</p>"),
    ],
)
def test_markup_keeps_its_elements(german: Catalog, markup: str, said: str) -> None:
    assert translate.markup(markup, german) == said


def test_a_translation_brings_no_markup() -> None:
    hostile = Catalog({"Rows": '<script>"x"</script>'})
    assert translate.markup("<p>Rows</p>", hostile) == '<p>&lt;script&gt;"x"&lt;/script&gt;</p>'
    assert translate.markup('<i title="Rows">', hostile) == '<i title="&lt;script&gt;&quot;x&quot;&lt;/script&gt;">'


class Elements(HTMLParser):
    """The elements of markup with the names of their attributes, in order."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}",))


@pytest.mark.parametrize("language", ["de", "es"])
def test_no_text_of_a_visitor_becomes_markup(language: str) -> None:
    """Texts made of markup, of pieces of ours and of what is written as an entity, wherever a fragment holds one."""
    known, rng = catalog(language), random.Random(5)
    assert known is not None
    pieces = [
        *("<img src=x onerror=alert(1)>", "&lt;b&gt;", "&amp;lt;i&amp;gt;", '"', "'", 'aria-label="<b>"', "title='"),
        *('translate="no"', "</span>", "<!--", "-->", "&#60;i&#62;", "{0}", "{1~}", "3", "1,024.5", " · ", ": ", ". "),
        *("Run", "Finished", "of", "Held-out loss", "Save", "Nothing to send", "The run started."),
    ]
    for _ in range(500):
        text = html.escape("".join(rng.choices(pieces, k=rng.randint(1, 9))))
        fragment = (
            f'<p title="{text}" data-key="{text}">{text}</p><span translate="no">{text}</span>'
            f"<button aria-label=\"{text}\" data-key='{text}'>{text}</button>"
        )
        assert Elements(translate.markup(fragment, known)).found == Elements(fragment).found, text


def test_a_choice_keeps_its_value(german: Catalog) -> None:
    update = gr.update(choices=[("Rows", "Rows"), "Run"], label="Rows", value="Rows")
    assert translate.output("dropdown", update, german) == {
        "__type__": "update",
        "choices": [("Zeilen", "Rows"), ("Lauf", "Run")],
        "label": "Zeilen",
        "value": "Rows",
    }


def test_what_a_field_holds_stays(german: Catalog) -> None:
    assert translate.output("textbox", "Rows", german) == "Rows"
    assert translate.output("textbox", gr.update(value="Rows", placeholder="Rows"), german)["value"] == "Rows"
    assert translate.output("dropdown", ["Rows"], german) == ["Rows"]
    assert translate.output("", "Rows", german) == "Rows"
    assert translate.output("number", None, german) is None


def test_what_a_button_says_is_translated(german: Catalog) -> None:
    assert translate.output("button", gr.update(value="Run"), german)["value"] == "Lauf"
    assert translate.output("html", "<p>Run</p>", german) == "<p>Lauf</p>"


def test_a_document_for_a_script_is_translated_where_it_is_said(german: Catalog) -> None:
    document = {"run": "Run", "names": ["Run"], "titles": {"a": "Rows"}, "pages": ["<p>Rows</p>"], "steps": [1.5]}
    expected = {"run": "Run", "names": ["Lauf"], "titles": {"a": "Zeilen"}, "pages": ["<p>Zeilen</p>"], "steps": [1.5]}
    assert translate.output("html", document, german) == expected
    assert json.loads(translate.output("html", json.dumps(document, separators=(",", ":")), german)) == expected


def test_a_verdict_on_a_field_is_translated(german: Catalog) -> None:
    assert translate.output("", gr.validate(False, "Rows"), german)["message"] == "Zeilen"
