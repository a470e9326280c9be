"""The one place where the page is put into another language: what listeners return, and their errors, as it leaves."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.state_holder import SessionState
from markupsafe import Markup

from studio.ui.kit import fragments
from studio.ui.kit.sent_values import CheckedPage
from studio.ui.language import translate
from studio.ui.language.catalog import Catalog
from studio.ui.language.choice import language_of, speaking, spoken


class SpokenPage(CheckedPage):
    """A page that answers each request in its language. English costs nothing."""

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Answer in the language of the request, which whatever is drawn for it can ask for. Raises gr.Error.

        Of Gradio's many arguments it needs that one.
        """
        request = kwargs.get("request")
        language = language_of(request.headers, request.cookies) if isinstance(request, gr.Request) else "en"
        with speaking(language):
            try:
                answer: dict[str, Any] = await super().process_api(*args, **kwargs)
            except gr.Error as error:
                known = spoken()
                raise error if known is None else in_words_of(known, error) from error
        return answer

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """Translate what leaves for the page."""
        answers = await super().postprocess_data(block_fn, predictions, state)
        known = spoken()
        if known is None:
            return answers
        kinds = [_kind(block.get_block_name(), block.elem_classes) for block in block_fn.outputs]
        return [translate.output(kind, each, known) for kind, each in zip(kinds, answers, strict=False)]


def _kind(name: str, classes: Sequence[str] | None) -> str:
    """Return the kind of a component; nothing for one that shows a person's own words, as `fragments.OWN` says."""
    return "" if fragments.OWN in (classes or ()) else name


def in_words_of(known: Catalog, error: gr.Error) -> gr.Error:
    """Say an error in another language. Its text is escaped already."""
    text = error.message
    error.message = Markup(translate.markup(text, known)) if isinstance(text, Markup) else known.translate(str(text))
    error.title = known.translate(error.title)
    return error


def config(page: Mapping[str, Any], known: Catalog) -> dict[str, Any]:
    """Translate the description of the page that a browser starts with."""
    components = [
        {
            **each,
            "props": translate.properties(_kind(each["type"], each["props"].get("elem_classes")), each["props"], known),
        }
        for each in page["components"]
    ]
    return {**page, "components": components}
