"""What the page shows when something goes wrong: the one decorator that every listener wears.

Knows nothing of what the listeners do.
"""

import functools
import html
import inspect
import logging
import secrets
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar, cast

import gradio as gr
from markupsafe import Markup

from studio.errors import StudioError

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

log = logging.getLogger("studio.ui")


def shown(listener: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Show a StudioError as its two sentences; give anything else a number, and write its trace to the log.

    Works for plain functions and for generators.
    """
    if inspect.isgeneratorfunction(listener):
        return cast(Callable[Arguments, Answer], _shown_generator(listener))

    @functools.wraps(listener)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        try:
            return listener(*args, **kwargs)
        except Exception as error:
            raise for_page(error) from error

    return call


def _shown_generator(listener: Callable[Arguments, Iterator[object]]) -> Callable[Arguments, Iterator[object]]:
    @functools.wraps(listener)
    def iterate(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Iterator[object]:
        try:
            yield from listener(*args, **kwargs)
        except Exception as error:
            raise for_page(error) from error

    return iterate


def for_page(error: Exception) -> gr.Error:
    """Translate any error into what the page may show. The trace of a bug goes to the log under the number shown.

    The page's toast takes its text for HTML, so every text is escaped here, once.
    """
    if isinstance(error, gr.Error):
        error.message = _plain(error.message)
        return error
    if isinstance(error, StudioError):
        return gr.Error(_plain(str(error)), title="That did not work", print_exception=False, duration=15)
    number = secrets.token_hex(3)
    log.error("Trouble %s", number, exc_info=error)
    return gr.Error(
        f"Something went wrong inside the studio. Nothing of yours is lost. The log has the details under {number}.",
        title="Our mistake",
        print_exception=False,
        duration=None,
    )


def _plain(text: str) -> Markup:
    """Escape what the page's toast would take for HTML, unless that was done."""
    return text if isinstance(text, Markup) else Markup(html.escape(text, quote=False))
