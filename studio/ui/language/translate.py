"""What leaves for the page, in another language: markup, components and what changes of them.

Only what the studio says is translated: text and names of markup outside of `translate="no"`, and what a component
says of itself. What it holds, and the value of a choice, stay as they are.
"""

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from studio.ui.kit import scripts
from studio.ui.language.catalog import Catalog

ATTRIBUTES = frozenset({"aria-label", "aria-valuetext", "title", "placeholder", "alt", "label", "data-label"})
"""The attributes of markup that a person reads or hears."""

SAYINGS = ("label", "info", "placeholder", "submit_btn", "stop_btn")
"""What a component says of itself."""

SAYS_ITS_VALUE = frozenset({"button", "html", "markdown", "downloadbutton", "uploadbutton"})
"""The components whose value is said, not held."""

SAID = frozenset({"names", "phase", "headline", "titles", "units", "gain_unit", "pages", "empty"})
"""What the studio says in a document that a script of the page reads. All else in it is data."""

_TOKEN = re.compile(r"<!--.*?-->|<[a-zA-Z/!](?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL)
_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)")
_ATTRIBUTE = re.compile(r"([\w-]+)=\"([^\"]*)\"")
_VOID = frozenset("br hr img input path rect circle line polyline polygon ellipse use stop wbr meta link".split())
_SILENT = frozenset({"style", "script", "textarea", "code", "pre"})


def markup(text: str, known: Catalog) -> str:
    """Translate the texts of markup; its elements stay as they are."""
    return "".join(_pieces(text, known.translate))


def _pieces(text: str, say: Callable[[str], str]) -> Iterator[str]:
    at = 0
    left = [False]  # whether what is in each open element is left as it is, from the outermost on
    for token in _TOKEN.finditer(text):
        yield from _text(text[at : token.start()], say, as_it_is=left[-1])
        at, tag = token.end(), token[0]
        kind = _TAG.match(tag)
        if kind is None:
            yield tag
        elif kind[1]:
            left[1:] = left[1:-1]
            yield tag
        else:
            name, outside = kind[2].lower(), left[-1]
            inside = 'translate="yes"' not in tag if outside else name in _SILENT or 'translate="no"' in tag
            if name not in _VOID and not tag.endswith("/>"):
                left.append(inside)
            # How an element is named is ours, also where what is in it is not.
            yield tag if outside and inside else _ATTRIBUTE.sub(lambda each: _attribute(each, say), tag)
    yield from _text(text[at:], say, as_it_is=left[-1])


def _text(text: str, say: Callable[[str], str], *, as_it_is: bool) -> Iterator[str]:
    if text:
        yield (
            text
            if as_it_is or text.isspace() or text == "${value}"
            else html.escape(say(html.unescape(text)), quote=False)
        )


def _attribute(found: re.Match[str], say: Callable[[str], str]) -> str:
    name, value = found[1], found[2]
    return f'{name}="{html.escape(say(html.unescape(value)))}"' if name in ATTRIBUTES and value else found[0]


def properties(kind: str, props: Mapping[str, Any], known: Catalog) -> dict[str, Any]:
    """Translate what a component says, by its kind: all that it has, or what changes of it."""
    told = dict(props)
    for name in SAYINGS:
        if isinstance(told.get(name), str):
            told[name] = known.translate(told[name])
    if isinstance(told.get("choices"), Sequence):
        told["choices"] = [_choice(each, known) for each in told["choices"]]
    if isinstance(told.get("html_template"), str):
        told["html_template"] = markup(told["html_template"], known)
    if "value" in told and kind in SAYS_ITS_VALUE:
        told["value"] = value(kind, told["value"], known)
    return told


def value(kind: str, said: Any, known: Catalog) -> Any:
    """Translate the value of a component where that is what it says."""
    if kind == "html" and isinstance(said, dict):
        return _document(said, known)
    if not isinstance(said, str) or kind not in SAYS_ITS_VALUE:
        return said
    if kind == "html" and said.startswith("{"):
        has = any(f'"{name}":' in said for name in SAID)
        return scripts.written(_document(json.loads(said), known)) if has else said
    return markup(said, known) if kind == "html" else known.translate(said)


def _document(document: Mapping[str, Any], known: Catalog) -> dict[str, Any]:
    return {name: _all_said(each, known) if name in SAID else each for name, each in document.items()}


def _all_said(each: Any, known: Catalog) -> Any:
    if isinstance(each, str):
        return markup(each, known) if each.startswith("<") else known.translate(each)
    if isinstance(each, dict):
        return {name: _all_said(held, known) for name, held in each.items()}
    return [_all_said(held, known) for held in each] if isinstance(each, list) else each


def _choice(choice: Any, known: Catalog) -> Any:
    """Translate the name of a choice; its value stays, also where it has no other name."""
    if isinstance(choice, str):
        return (known.translate(choice), choice)
    name, held = choice
    return (known.translate(name) if isinstance(name, str) else name, held)


def output(kind: str, sent: Any, known: Catalog) -> Any:
    """Translate what a listener sends to a component: a value, or some of its properties."""
    if isinstance(sent, dict) and sent.get("__type__") == "update":
        return properties(kind, sent, known)
    if isinstance(sent, dict) and sent.get("__type__") == "validate":
        return {**sent, "message": known.translate(str(sent.get("message") or ""))}
    return value(kind, sent, known)
