"""The page's own JavaScript. Each `.js` file lies beside the module that uses it, and adds functions to one object.

The page loads all of them once, before any component. What Python knows is passed to a function as JSON.
"""

import functools
import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[1]
FIRST = Path(__file__).with_name("frames.js")
"""What must be there before Gradio's own scripts are; Gradio adds what is given as the head of its page after them."""

_WORDS = re.compile(r"studio\.t\(\s*'((?:[^'\\]|\\.)*)'")


def head() -> str:
    """Write all files as one script for the head of the page; what a file does not add to `studio` stays its own."""
    files = "\n".join(map(_apart, sorted(set(FOLDER.rglob("*.js")) - {FIRST})))
    return f'<script>\n"use strict";\nwindow.studio = {{}};\n{files}\n</script>'


@functools.cache
def first() -> str:
    """Return the script that the page runs before all others."""
    return _apart(FIRST)


def _apart(file: Path) -> str:
    return f"{{\n{file.read_text(encoding='utf-8')}}}"


@functools.cache
def words() -> tuple[str, ...]:
    """Return the texts that our scripts say, each a first argument of `studio.t`."""
    found = (_WORDS.findall(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.rglob("*.js")))
    return tuple(dict.fromkeys(text.replace("\\'", "'") for texts in found for text in texts))


def on_load(function: str, *arguments: object) -> str:
    """Return what an HTML component runs once it is there: a function that gets the component, then the arguments."""
    return f"studio.{function}({', '.join(['{element, props, trigger, watch}', *map(json.dumps, arguments)])})"


def call(function: str, *arguments: object) -> str:
    """Return what a listener runs in the browser: a function that gets the arguments, then the listener's values."""
    return f"(...values) => studio.{function}({', '.join([*map(json.dumps, arguments), '...values'])})"


def written(document: object) -> str:
    """Write the value of an HTML component that a script of ours draws, as JSON in which no text is markup.

    Such a value is markup to whatever draws it without our script.
    """
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
