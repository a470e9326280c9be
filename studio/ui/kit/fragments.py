"""Small pieces of HTML that several tabs show: tiles, notices, bars, tables, empty states.

Pieces are built with `markupsafe` and larger ones by Jinja, so text that comes from a file or a model is escaped
wherever it lands. A template lies beside the module that uses it.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from studio.wording import Tone


@dataclass(frozen=True)
class Tile:
    """One figure with its name, and a few words below it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table: what it is about, its cells, and its class."""

    head: Markup | str
    cells: Sequence[Markup | str]
    kind: str = ""


@functools.cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parents[1]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def render(template: str, **values: object) -> Markup:
    """Fill in a template, named by its path from the folder of the page: "train/notices.html"."""
    return Markup(_templates().get_template(template).render(values))


def join(parts: Iterable[Markup | str]) -> Markup:
    """Concatenate, escaping every part that is not markup already."""
    return Markup("").join(parts)


OWN = "notranslate"
"""The class of a component whose value is a person's own words, though it is a button."""


def own(text: Markup | str) -> Markup:
    """Write what a person or a model wrote: the page's language does not change it."""
    return Markup('<span translate="no">{}</span>').format(text)


def stack(parts: Iterable[Markup | str]) -> Markup:
    """Set parts below each other with space between; empty ones take none."""
    return Markup('<div class="ls-stack">{}</div>').format(join(part for part in parts if part))


def tiles(items: Iterable[Tile]) -> Markup:
    """Lay figures out in a row that wraps."""
    cells = join(
        Markup('<div class="ls-tile"><dt>{}</dt><dd>{}</dd>{}</div>').format(
            item.label, item.value, Markup('<dd class="ls-note">{}</dd>').format(item.note) if item.note else ""
        )
        for item in items
    )
    return Markup('<dl class="ls-tiles">{}</dl>').format(cells)


def notice(kind: Tone, text: str, hint: str = "") -> Markup:
    """Say one thing plainly. `kind` gives its colour."""
    more = Markup('<span class="ls-note">{}</span>').format(hint) if hint else ""
    inner = Markup("<div><strong>{}</strong>{}</div>").format(text, more)
    return Markup('<div class="ls-notice ls-{}"><i aria-hidden="true"></i>{}</div>').format(kind, inner)


def line(kind: Tone, text: str) -> Markup:
    """Say one thing in a line of small text with a coloured dot."""
    return Markup('<p class="ls-line ls-{}"><i aria-hidden="true"></i><span>{}</span></p>').format(kind, text)


def note(text: str) -> Markup:
    """Write a remark in small quiet text."""
    return Markup('<p class="ls-note">{}</p>').format(text)


def empty(title: str, text: str) -> Markup:
    """Say what will fill a place that has nothing yet."""
    return Markup('<div class="ls-empty"><strong>{}</strong><span>{}</span></div>').format(title, text)


def heading(title: str, text: str = "") -> Markup:
    """Head a card with its title and one sentence."""
    return Markup('<header class="ls-heading"><h2>{}</h2>{}</header>').format(
        title, Markup("<p>{}</p>").format(text) if text else ""
    )


def subheading(title: str) -> Markup:
    """Head a group inside a card."""
    return Markup('<h3 class="ls-subhead">{}</h3>').format(title)


def bar(share: float | None, *, name: str) -> Markup:
    """Draw progress from 0 to 1; None where the end is not known. `name` is what a screen reader says."""
    if share is None:
        return Markup('<div class="ls-bar ls-bar-open" role="progressbar" aria-label="{}"><b></b></div>').format(name)
    percent = round(100 * min(max(share, 0.0), 1.0), 1)
    return Markup(
        '<div class="ls-bar" role="progressbar" aria-label="{}" aria-valuemin="0" aria-valuemax="100"'
        ' aria-valuenow="{}">'
        '<b style="width:{}%"></b></div>'
    ).format(name, round(percent), percent)


def table(kind: str, columns: Sequence[str], rows: Iterable[Row], *, name: str, scrolls: bool = False) -> Markup:
    """Draw a table whose first column says what each row is about.

    `kind` is its class, `name` what a screen reader says. Each cell carries the name of its column, for narrow screens.
    `scrolls` is for a table that a person moves sideways with the keyboard.
    """
    return render("kit/table.html", kind=kind, columns=columns, rows=rows, name=name, scrolls=scrolls)


def buttons(*parts: Markup | str) -> Markup:
    """Set buttons beside each other."""
    return Markup('<div class="ls-buttons">{}</div>').format(join(parts))


def act(button: Markup, sentence: str) -> Markup:
    """Set a button, or several, beside the sentence that says what it does."""
    return Markup('<div class="ls-act">{}<p>{}</p></div>').format(buttons(button), sentence)


def badge(kind: str, text: str) -> Markup:
    """Name a state in its colour; kinds as in `notice`."""
    return Markup('<span class="ls-badge ls-{}"><i aria-hidden="true"></i>{}</span>').format(kind, text)


def top(badge: Markup, headline: str) -> Markup:
    """Head a card with a badge and a sentence."""
    return Markup('<div class="ls-top">{}<p class="ls-headline">{}</p></div>').format(badge, headline)


def pairs(items: Iterable[tuple[str, str]]) -> Markup:
    """List names with their values."""
    rows = join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, value) for name, value in items)
    return Markup('<dl class="ls-pairs">{}</dl>').format(rows)


def sample(title: str, text: str) -> Markup:
    """Name something that can be taken, with one sentence."""
    return Markup('<div><strong>{}</strong><span class="ls-note">{}</span></div>').format(title, text)
