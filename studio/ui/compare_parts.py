"""The pieces of the Compare tab: a pane for a conversation, and the controls of how answers are made.

Knows nothing of who answers.
"""

from dataclasses import dataclass

import gradio as gr
from markupsafe import Markup

from studio.ui import fragments
from studio.ui.components import html


@dataclass(frozen=True)
class ChatPane:
    """One conversation and the line below it."""

    chat: gr.Chatbot
    caption: gr.HTML


@dataclass(frozen=True)
class Sampling:
    """How the answers are made."""

    system: gr.Textbox
    temperature: gr.Slider
    longest: gr.Slider
    seed: gr.Number


def build_sampling() -> Sampling:
    """Lay out how the answers are made."""
    system = gr.Textbox(
        label="System prompt",
        info="An instruction that stands before the conversation. May stay empty.",
        elem_id="compare-system",
    )
    with gr.Row():
        temperature = gr.Slider(
            0,
            1.5,
            value=0,
            step=0.05,
            label="Temperature",
            info="0 always takes the likeliest word; higher varies more.",
            elem_id="compare-temperature",
        )
        longest = gr.Slider(
            8,
            1024,
            value=160,
            step=8,
            label="Longest answer",
            info="In tokens; a token is about three quarters of a word.",
            elem_id="compare-longest",
        )
        seed = gr.Number(
            42,
            precision=0,
            label="Sampling seed",
            info="The same seed gives the same answer again.",
            elem_id="compare-seed",
        )
    return Sampling(system=system, temperature=temperature, longest=longest, seed=seed)


def build_pane(title: str, name: str, purpose: str) -> ChatPane:
    """Lay out one conversation with the line that says what produced it."""
    with gr.Column(elem_classes=["ls-card", "ls-pane", f"ls-{name}"], min_width=300):
        html(fragments.heading(title))
        chat = gr.Chatbot(
            label=f"{title} conversation",
            show_label=False,
            height=320,
            placeholder=purpose,
            render_markdown=False,
            feedback_options=None,
            buttons=[],
            elem_id=f"compare-{name}",
        )
        return ChatPane(chat=chat, caption=html(caption_line(""), elem_id=f"compare-{name}-caption"))


def caption_line(text: str) -> str:
    """Show what produced an answer, or that this is where it will stand."""
    return str(Markup('<p class="ls-caption">{}</p>').format(text or "What produced the answer will stand here."))
