"""The card of the Export tab that puts an export on the Hugging Face Hub: laid out, connected, and what happens."""

import functools
from dataclasses import dataclass, replace

import gradio as gr

from studio.studio import Studio
from studio.ui.export import publish_view
from studio.ui.export.state import PRIVATE, PUBLIC, Selection
from studio.ui.kit import fragments
from studio.ui.kit.components import html, token_field
from studio.ui.kit.exchange import Result
from studio.ui.kit.panel import Panel

_TEXT = (
    "To share the result, or to have it on another machine: it goes to a repository of yours, with a model card that "
    "you see before."
)
_TECHNICAL = "Adapter, merged model or GGUF in one commit; what was uploaded is not sent twice"


@dataclass(frozen=True)
class Parts:
    """The buttons of the card, and the field of the access token, which no state holds."""

    show: gr.Button
    send: gr.Button
    cancel: gr.Button
    token: gr.Textbox


def build(panel: Panel[Selection]) -> Parts:
    """Lay the card out."""
    accordion = gr.Accordion(publish_view.TITLE, open=False, elem_classes="ls-more", elem_id="export-publish")
    with panel.part("publish", accordion):
        html(fragments.note(_TEXT))
        html(fragments.note(_TECHNICAL))
        token = _build_fields(panel)
        panel.html("publish_status")
        with gr.Row():
            show = gr.Button("Show the model card", interactive=False, elem_id="export-publish-show")
            send = gr.Button("Publish", variant="primary", interactive=False, elem_id="export-publish-send")
        cancel = gr.Button("Cancel the upload", visible=False, elem_id="export-publish-cancel")
        card = gr.Code(
            "",
            language="markdown",
            label="The model card",
            max_lines=24,
            interactive=False,
            visible=False,
            show_line_numbers=False,
            elem_id="export-publish-card",
        )
    for name, component in {"show": show, "send": send, "cancel": cancel, "card": card}.items():
        panel.part(f"publish_{name}", component)
    return Parts(show, send, cancel, token)


def _build_fields(panel: Panel[Selection]) -> gr.Textbox:
    """Lay out what is published, where, and for whom; return the field of the token, which no state keeps."""
    panel.input(
        "publish_kind",
        gr.Dropdown(
            [(name, kind) for kind, name in publish_view.KINDS.items()],
            value=Selection().publish_kind,
            label="What to publish",
            elem_id="export-publish-kind",
        ),
    )
    panel.input(
        "repository",
        gr.Textbox(
            label="Repository",
            placeholder="your-name/my-model",
            info="Your name on the Hub, a slash, and what it shall be called there.",
            elem_id="export-publish-repository",
        ),
        redraws_on="blur",
    )
    panel.input(
        "visibility",
        gr.Radio(
            [("Private: you, and your organisation there", PRIVATE), ("Public: everybody sees it", PUBLIC)],
            value=PRIVATE,
            label="Who sees it",
            elem_id="export-publish-visibility",
        ),
    )
    panel.input(
        "licence",
        gr.Textbox(
            label="Licence of the base model",
            placeholder="apache-2.0",
            info="Only where nothing tells it: its id on the Hub. The base's own terms go along.",
            elem_id="export-publish-licence",
        ),
        redraws_on="blur",
    )
    return token_field(
        label="Access token",
        info="For this once, and kept nowhere. Leave it empty to publish as whoever is logged in on this machine.",
        elem_id="export-publish-token",
    )


def connect(panel: Panel[Selection], studio: Studio, parts: Parts) -> None:
    """Connect the buttons of the card."""
    panel.on([parts.show.click], functools.partial(show_card, studio))
    panel.on([parts.cancel.click], functools.partial(cancel, studio))
    panel.on(
        [parts.send.click],
        functools.partial(publish, studio),
        given={"token": parts.token},
        also={"emptied_token": parts.token},
    )


def settle(before: Selection, now: Selection) -> Selection:
    """Forget the card that was shown when something that stands in it changes."""
    return now if _shown_of(before) == _shown_of(now) else replace(now, card="")


def _shown_of(selection: Selection) -> tuple[str, ...]:
    return selection.run_id, selection.publish_kind, selection.repository.strip(), selection.licence.strip()


def show_card(studio: Studio, selection: Selection) -> Selection:
    """Write the card and show it. Raises RunError or ExportError."""
    if not selection.run_id:
        return selection
    card = studio.model_card(
        selection.run_id, selection.publish_kind, selection.repository.strip(), licence=selection.licence
    )
    return replace(selection, card=card)


def publish(studio: Studio, selection: Selection, *, token: str | None) -> Result[Selection]:
    """Start to publish what was shown; the access token leaves the page. Raises RunError or ExportError."""
    if selection.run_id:
        studio.start_publication(
            selection.run_id,
            selection.publish_kind,
            selection.repository.strip(),
            card=selection.card,
            public=selection.visibility == PUBLIC,
            token=token or "",
        )
    return Result(selection, {"emptied_token": ""})


def cancel(studio: Studio, selection: Selection) -> Selection:
    """Ask an upload to end. Raises RunError or ExportError."""
    if selection.run_id:
        studio.cancel_publication(selection.run_id, selection.publish_kind)
    return selection
