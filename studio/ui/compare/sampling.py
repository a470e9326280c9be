"""The fields of how answers are made: every part of the Compare tab has them."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.compare.answering import GenerationSettings
from studio.models.adapter_settings import STRONGEST
from studio.ui.kit.panel import Panel

_STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.25, STRONGEST)


@dataclass(frozen=True)
class Sampling:
    """How a person wants the answers made; the state of each part inherits it."""

    system: str = ""
    temperature: float = 0.0
    longest: float = 128
    seed: float = 0

    @property
    def generation(self) -> GenerationSettings:
        """How the answers are made."""
        return GenerationSettings(self.system, self.temperature, int(self.longest), int(self.seed))


def build(panel: Panel[Any], *, longest: int) -> None:
    """Lay the fields out."""
    system = gr.Textbox(
        label="System prompt",
        info="Optional. An instruction that the models read before the conversation.",
        elem_id=f"{panel.name}-system",
    )
    panel.input("system", system, redraws_on="")
    with gr.Row():
        temperature = gr.Slider(
            0,
            1.5,
            value=0,
            step=0.05,
            label="Temperature",
            info="0 always picks the most likely word; higher values vary more.",
            elem_id=f"{panel.name}-temperature",
        )
        tokens = gr.Slider(
            8,
            1024,
            value=longest,
            step=8,
            label="Longest answer",
            info="In tokens. A token is about three quarters of a word.",
            elem_id=f"{panel.name}-longest",
        )
        seed = gr.Number(
            42,
            precision=0,
            label="Seed",
            info="The same seed gives the same answers again.",
            elem_id=f"{panel.name}-seed",
        )
    for name, field in (("temperature", temperature), ("longest", tokens), ("seed", seed)):
        panel.input(name, field, redraws_on="")


def strength(label: str, *, elem_id: str, explained: bool = True) -> gr.Slider:
    """Make the slider of how strongly an adapter speaks, hidden until there is one."""
    return gr.Slider(
        0,
        STRONGEST,
        value=1,
        step=0.05,
        label=label,
        info="0 is the base model, 1 the adapter as it was trained." if explained else None,
        visible=False,
        elem_id=elem_id,
        elem_classes="" if explained else "ls-slim",
    )


def strengths(*, elem_id: str) -> gr.CheckboxGroup:
    """Make the choice of several strengths for all adapters at once."""
    return gr.CheckboxGroup(
        [(f"{each:g}", each) for each in _STRENGTHS],
        value=[1.0],
        label="Adapter strength",
        info="Every adapter answers once at each strength, in a column of its own. 1 is as it was trained, 0 the "
        "base model. Other models answer once.",
        elem_id=elem_id,
    )
