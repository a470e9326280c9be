"""The page's own JavaScript. Each `.js` file lies beside the module that uses it, and adds functions to one object.

The page loads all of them once, before any component. What Python knows is passed to a function as JSON.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[1]


def head() -> str:
    """Write all files as one script for the head of the page; what a file does not add to `studio` stays its own."""
    files = "\n".join(f"{{\n{file.read_text(encoding='utf-8')}}}" for file in sorted(FOLDER.rglob("*.js")))
    return f'<script>\n"use strict";\nwindow.studio = {{}};\n{files}\n</script>'


def on_load(function: str, *arguments: object) -> str:
    """Return what an HTML component runs once it is there: a function that gets the component, then the arguments."""
    return f"studio.{function}({', '.join(['{element, props, trigger, watch}', *map(json.dumps, arguments)])})"


def call(function: str, *arguments: object) -> str:
    """Return what a listener runs in the browser: a function that gets the arguments, then the listener's values."""
    return f"(...values) => studio.{function}({', '.join([*map(json.dumps, arguments), '...values'])})"
