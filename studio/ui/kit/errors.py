"""What the page shows when something goes wrong: the one decorator that every listener wears."""

import contextlib
import functools
import html
import inspect
import logging
import secrets
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar, cast

import gradio as gr
from gradio.context import LocalContext
from markupsafe import Markup

from studio.errors import StudioError
from studio.visitors import NOBODY, visiting, visitor_at

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

log = logging.getLogger("studio.ui")


def report_errors(listener: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Show a StudioError as its two sentences; give anything else a number, and write its trace to the log.

    Works for plain functions and for generators. Both know who is asking, for the bounds of one visitor.
    """
    if inspect.isgeneratorfunction(listener):
        return cast(Callable[Arguments, Answer], _shown_generator(listener))

    @functools.wraps(listener)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        try:
            with visiting(_asking()):
                return listener(*args, **kwargs)
        except Exception as error:
            raise for_page(error) from error

    return call


def _shown_generator(listener: Callable[Arguments, Iterator[object]]) -> Callable[Arguments, Iterator[object]]:
    @functools.wraps(listener)
    def iterate(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Iterator[object]:
        who = _asking()
        try:
            with contextlib.closing(listener(*args, **kwargs)) as steps:  # type: ignore[type-var]
                yield from _visited(who, steps)
        except Exception as error:
            raise for_page(error) from error

    return iterate


def _visited(who: str, steps: Iterator[object]) -> Iterator[object]:
    """Take every step of a generator for its visitor: Gradio may take each in another context."""
    while True:
        with visiting(who):
            try:
                step = next(steps)
            except StopIteration:
                return
        yield step


def _asking() -> str:
    """Name the visitor whose request is being answered; nobody outside of a request."""
    request = LocalContext.request.get(None)
    client = getattr(request, "client", None)
    return NOBODY if request is None else visitor_at(getattr(client, "host", None))


def for_page(error: Exception) -> gr.Error:
    """Translate any error into what the page may show. The trace of a bug goes to the log under the number shown.

    The page's toast takes its text for HTML, so every text is escaped here, once.
    """
    if isinstance(error, gr.Error):
        error.message = _plain(error.message)
        return error
    if isinstance(error, StudioError):
        log.info("The page shows an error", exc_info=error)
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
    """Escape what the page's toast would take for HTML, unless that was done; leave out what cannot be encoded."""
    if isinstance(text, Markup):
        return text
    whole = str(text).encode("utf-8", "replace").decode("utf-8")
    return Markup(html.escape(whole, quote=False))
