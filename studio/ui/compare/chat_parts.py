"""The pieces of the Chat part of the Compare tab: its panes, the message, and the controls of how answers are made.

Lays out and names; knows nothing of who answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block
from markupsafe import Markup

from studio.models.adapter_settings import STRONGEST
from studio.ui.compare import chat_html, suggested_prompts
from studio.ui.compare.model_choices import FEWEST_PANES, MOST_PANES
from studio.ui.kit.components import html, picker
from studio.ui.kit.downloads import prepared_file

PURPOSES = (
    "The model as it was before your training answers here.",
    "The same model with what it learned answers here.",
    "A third model answers the same here.",
    "A fourth model answers the same here.",
)
_STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.25, STRONGEST)
NEW = ""
"""The choice of a conversation that is not kept yet."""

PLACES = range(1, MOST_PANES + 1)


@dataclass(frozen=True)
class Sampling:
    """How the answers are made."""

    system: gr.Textbox
    temperature: gr.Slider
    longest: gr.Slider
    seed: gr.Number

    def inputs(self) -> dict[str, Block]:
        """Return them by the names that listeners know them by."""
        return {
            "system": self.system,
            "temperature": self.temperature,
            "longest": self.longest,
            "seed": self.seed,
        }


def build_sampling(name: str, *, longest: int = 160) -> Sampling:
    """Lay out how the answers are made. `name` begins the names of the fields in the browser."""
    system = gr.Textbox(
        label="System prompt",
        info="An instruction that stands before the conversation. May stay empty.",
        elem_id=f"{name}-system",
    )
    with gr.Row():
        temperature = gr.Slider(
            0,
            1.5,
            value=0,
            step=0.05,
            label="Temperature",
            info="0 always takes the likeliest word; higher varies more.",
            elem_id=f"{name}-temperature",
        )
        tokens = gr.Slider(
            8,
            1024,
            value=longest,
            step=8,
            label="Longest answer",
            info="In tokens; a token is about three quarters of a word.",
            elem_id=f"{name}-longest",
        )
        seed = gr.Number(
            42,
            precision=0,
            label="Sampling seed",
            info="The same seed gives the same answer again.",
            elem_id=f"{name}-seed",
        )
    return Sampling(system=system, temperature=temperature, longest=tokens, seed=seed)


def strength(label: str, *, elem_id: str) -> gr.Slider:
    """Make the slider of how strongly an adapter speaks, hidden until there is one."""
    return gr.Slider(
        0,
        STRONGEST,
        value=1,
        step=0.05,
        label=label,
        info="0 is the base model, 1 the adapter as it was trained.",
        visible=False,
        elem_id=elem_id,
    )


def strengths(*, elem_id: str) -> gr.CheckboxGroup:
    """Make the choice of several strengths for all adapters at once."""
    return gr.CheckboxGroup(
        [(f"{each:g}", each) for each in _STRENGTHS],
        value=[1.0],
        label="Adapter strength",
        info="Every adapter answers once at each strength, in a column of its own. 1 is as it was trained, less is "
        "nearer to the base. Other models answer once.",
        elem_id=elem_id,
    )


def build_panes() -> dict[str, Block]:
    """Lay out the panes side by side, those beyond the first two hidden; return their parts by name."""
    parts: dict[str, Block] = {}
    with gr.Row(elem_classes="ls-panes"):
        for place in PLACES:
            with gr.Column(
                elem_classes=["ls-card", "ls-pane"],
                min_width=280,
                visible=place <= FEWEST_PANES,
                elem_id=f"compare-pane-{place}",
            ) as parts[f"pane_{place}"]:
                parts[f"model_{place}"] = picker(
                    label=f"Model of pane {place}",
                    info="",
                    elem_id=f"compare-model-{place}",
                )
                parts[f"strength_{place}"] = strength(
                    f"Adapter strength in pane {place}", elem_id=f"compare-strength-{place}"
                )
                parts[f"talk_{place}"] = chat_html.bubbles(f"compare-talk-{place}", PURPOSES[place - 1])
                parts[f"caption_{place}"] = html(caption_line(""), elem_id=f"compare-caption-{place}")
    return parts


def build_message() -> dict[str, Block]:
    """Lay out the message, what can be asked, and what can be done with the conversation; return the parts by name."""
    parts: dict[str, Block] = {}
    parts["prompt"] = gr.Textbox(
        label="Your message",
        info="All panes get the same words. Shift+Enter starts a new line.",
        placeholder="Ask all of them the same thing. Enter sends.",
        lines=1,
        max_lines=6,
        elem_id="compare-prompt",
    )
    parts["changing"] = html("", elem_id="compare-changing")
    parts["ideas_title"] = html("", visible=False)
    with gr.Row(elem_classes="ls-ideas"):
        for number in range(suggested_prompts.COUNT):
            parts[f"idea_{number}"] = gr.Button("", size="sm", visible=False, elem_id=f"compare-idea-{number}")
    with gr.Row(elem_classes="ls-actions"):
        parts["send"] = gr.Button("Ask both", variant="primary", elem_id="compare-send")
        parts["stop"] = gr.Button("Stop answering", variant="stop", visible=False, elem_id="compare-stop")
        parts["edit"] = gr.Button("Change the last message", interactive=False, elem_id="compare-edit")
        parts["again"] = gr.Button("Answer again", interactive=False, elem_id="compare-again")
    with gr.Row(elem_classes="ls-actions ls-panes-actions"):
        parts["add"] = gr.Button("Add a pane", size="sm", elem_id="compare-add")
        parts["away"] = gr.Button("Take away the last pane", size="sm", visible=False, elem_id="compare-away")
        parts["marks"] = gr.Checkbox(label="Highlight what differs", elem_id="compare-marks")
    return parts


def build_kept() -> dict[str, Block]:
    """Lay out the list of kept conversations and what can be done with the one that is open."""
    parts: dict[str, Block] = {}
    with gr.Row(elem_classes="ls-kept"):
        parts["kept"] = picker(
            label="Conversation", info="Every conversation is kept on this machine.", elem_id="compare-kept"
        )
        parts["clear"] = gr.Button("New conversation", size="sm", elem_id="compare-clear")
    parts["said_of"] = html("", elem_id="compare-said")
    with gr.Accordion("This conversation", open=False, elem_classes="ls-inner", elem_id="compare-this"):
        with gr.Row(elem_classes="ls-kept"):
            parts["name"] = gr.Textbox(label="Name", max_lines=1, elem_id="compare-name")
            parts["rename"] = gr.Button("Keep the name", size="sm", elem_id="compare-rename")
        with gr.Row(elem_classes="ls-actions"):
            parts["replay"] = gr.Button("Ask all of it again", size="sm", interactive=False, elem_id="compare-replay")
            parts["markdown"] = gr.Button("Download as Markdown", size="sm", elem_id="compare-markdown")
            parts["jsonl"] = gr.Button("Download as JSONL", size="sm", elem_id="compare-jsonl")
            parts["delete"] = gr.Button("Move to the bin", size="sm", variant="stop", elem_id="compare-delete")
            parts["restore"] = gr.Button("Put it back", size="sm", visible=False, elem_id="compare-restore")
        html(
            Markup('<p class="ls-caption">{}</p>').format(
                "Asking all of it again puts every message, in order, to the models that are chosen now, as a new "
                "conversation."
            )
        )
        parts["file"] = prepared_file()
    return parts


def caption_line(text: str) -> str:
    """Show what produced an answer, or that this is where it will stand."""
    return str(Markup('<p class="ls-caption">{}</p>').format(text or "What produced the answer will stand here."))


def send_label(panes: int) -> str:
    """Say what the button does that asks."""
    return {2: "Ask both", 3: "Ask all three"}.get(panes, "Ask all four")


def named(parts: Mapping[str, Block], stem: str) -> list[Block]:
    """Return the parts of all panes with this stem, in order."""
    return [parts[f"{stem}_{place}"] for place in PLACES]
