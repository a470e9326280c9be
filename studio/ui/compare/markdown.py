"""An answer's Markdown as markup that loads nothing and leads nowhere.

HTML in it is text, a link and a picture are their words with the address behind them, and what markdown-it-py makes is
held against a list of tags. What cannot be written so is written as it came.
"""

import functools
from collections.abc import MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

LONGEST = 10_000
"""An answer of more characters is written as it came: hostile ones take seconds."""

_TAGS = frozenset(
    "p em strong s ul ol li blockquote code br hr a img table thead tbody tr th td h1 h2 h3 h4 h5 h6".split()
)
_ATTRIBUTES = frozenset({"start", "style"})
"""What is kept besides a link's address: where a list begins, and how the cells of a table are aligned."""

_DEEPEST = 20


@functools.lru_cache(maxsize=512)
def markdown(text: str) -> Markup:
    """Write an answer's Markdown as markup; one that is too long, or nested too deeply, as escaped text."""
    if len(text) > LONGEST:
        return plain(text)
    reader = _reader()
    env: dict[str, Any] = {}
    tokens = reader.parse(text, env)
    if any(token.level >= _DEEPEST - 1 for token in tokens) or not _is_known(tokens):
        return plain(text)
    return Markup(reader.renderer.render(tokens, reader.options, env))


def plain(text: Markup | str) -> Markup:
    """Write an answer as it came; what is no markup yet is escaped."""
    return Markup('<p class="ls-said-plain">{}</p>').format(text)


@functools.cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _DEEPEST})
    reader.enable(["table", "strikethrough"]).disable("reference")  # a definition of a link would vanish
    rules = {
        "link_open": _open_link,
        "link_close": _close_link,
        "image": _image,
        "fence": _code,
        "code_block": _code,
        "heading_open": lambda *_: '<p class="ls-said-heading">',
        "heading_close": lambda *_: "</p>\n",
    }
    for name, rule in rules.items():
        reader.add_render_rule(name, lambda renderer, *told, rule=rule: rule(*told))
    return reader


def _is_known(tokens: Sequence[Token]) -> bool:
    """Tell whether all tags are on the list, and take every other attribute away."""
    for token in tokens:
        if token.tag and token.tag not in _TAGS:
            return False
        if token.type not in ("link_open", "image"):
            token.attrs = {name: value for name, value in token.attrs.items() if name in _ATTRIBUTES}
        if token.children and not _is_known(token.children):
            return False
    return True


def _open_link(tokens: Sequence[Token], at: int, options: object, env: MutableMapping[str, Any]) -> str:
    env.setdefault("links", []).append((at, str(tokens[at].attrs["href"])))
    return '<span class="ls-said-link">'


def _close_link(tokens: Sequence[Token], at: int, options: object, env: MutableMapping[str, Any]) -> str:
    opened, address = env["links"].pop()
    said = "".join(token.content for token in tokens[opened:at])
    return "</span>" if said == address else f"{_address(address)}</span>"


def _image(tokens: Sequence[Token], at: int, options: object, env: object) -> str:
    token = tokens[at]
    return str(Markup('<span class="ls-said-link">{}{}</span>').format(token.content, _address(token.attrs["src"])))


def _address(address: object) -> Markup:
    return Markup(" <small>({})</small>").format(str(address))


def _code(tokens: Sequence[Token], at: int, options: object, env: object) -> str:
    return (
        f'<div class="ls-said-code"><pre tabindex="0"><code>{escape(tokens[at].content)}</code></pre>'
        '<button type="button" class="ls-copy" translate="yes" data-copy="code" aria-label="Copy this code">'
        "Copy</button></div>\n"
    )
