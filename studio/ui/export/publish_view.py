"""What the card for publishing shows at a moment, by the names of its parts."""

from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.jobs.exports import ADAPTER, F16, GGUF_ADAPTER, MERGED, Q4_K_M, Q5_K_M, Q8_0, export_state, gguf_kind
from studio.jobs.publishing import Publication, PublicationState, is_of, publication_state
from studio.studio import Studio
from studio.ui.export.state import Selection
from studio.ui.kit import fragments

TITLE = "Publish on the Hugging Face Hub"
_UPLOADING = "Publish on the Hugging Face Hub: uploading"

KINDS: dict[str, str] = {
    ADAPTER: "Adapter",
    MERGED: "Merged model",
    **{gguf_kind(each): f"GGUF file, {each.upper()}" for each in (F16, Q8_0, Q5_K_M, Q4_K_M)},
    GGUF_ADAPTER: "GGUF file, adapter alone",
}
"""Of each kind of export its name in the list."""


def draw(studio: Studio, selection: Selection) -> dict[str, Any]:
    """Show how far a publication is, and what can be done. Raises RunError."""
    if not selection.run_id:
        return _parts(Markup(""))
    run, kind = studio.runs.get(selection.run_id), selection.publish_kind
    if kind not in KINDS:
        return _parts(Markup(""))
    exported = export_state(studio.jobs, run, kind)
    state = publication_state(studio.jobs, run, kind)
    if state.working:
        return _parts(_at_work(state), working=True, cancelled=state.cancelled)
    said: list[Markup] = []
    if state.status == "failed" and state.failed is not None:
        said.append(fragments.notice("bad", state.failed.message, state.failed.hint))
    if state.status == "stopped":
        said.append(fragments.line("quiet", "It was stopped. Publish again, and it goes on from there."))
    if state.result is not None and state.result.address:
        said.append(_published(state.result))
        if exported.result is not None and not is_of(state.result, exported.result):
            said.append(
                fragments.line("warning", "The export was prepared again since. Publish it again to replace it.")
            )
    if exported.status == "absent":
        said.append(fragments.line("quiet", exported.sentence))
    elif exported.result is None:
        said.append(fragments.line("quiet", "Prepare this export above first: only what was checked is published."))
    if studio.settings.is_public:
        said.append(
            fragments.line("quiet", "Others can reach this address, so the login of this machine is not used here.")
        )
    return _parts(fragments.stack(said), ready=exported.result is not None, card=selection.card)


def _parts(
    status: Markup, *, working: bool = False, cancelled: bool = False, ready: bool = False, card: str = ""
) -> dict[str, Any]:
    return {
        "publish": gr.update(label=_UPLOADING if working else TITLE),
        "publish_status": str(status),
        "publish_show": gr.update(interactive=ready),
        "publish_send": gr.update(interactive=ready and bool(card)),
        "publish_cancel": gr.update(visible=working, interactive=not cancelled),
        "publish_card": gr.update(visible=bool(card), value=card),
    }


def _at_work(state: PublicationState) -> Markup:
    share = state.done / state.total if state.total else None
    return fragments.stack([fragments.line("busy", state.sentence), fragments.bar(share, name="Upload to the Hub")])


def _published(found: Publication) -> Markup:
    seen = "Everybody sees it." if found.public else "It is private: you and your organisation there see it."
    link = Markup('<a href="{}" target="_blank" rel="noopener noreferrer" translate="no">{}</a>').format(
        found.address, found.address
    )
    return fragments.stack(
        [
            fragments.notice("good", "Published, and looked at again: all of it arrived.", seen),
            Markup('<p class="ls-note">{}</p>').format(link),
        ]
    )
