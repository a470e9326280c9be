"""How long the examples are, as bars, with the longest that a run takes drawn as a line.

Says how that is drawn; `studio.ui.kit.plot` draws. Knows nothing of tokens.
"""

from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr

from studio.ui.kit.plot import Drawing, plot

DRAWING = Drawing(
    name="How many examples have how many tokens",
    empty_title="No lengths yet",
    empty_text="They are counted with the base model's own tokenizer, as soon as it is on this machine.",
    script="histogram",
)


@dataclass(frozen=True)
class Lengths:
    """What is drawn: `counts` examples from each of `lows` to below `highs` tokens, and the longest that is taken."""

    lows: tuple[int, ...] = ()
    highs: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    limit: int = 0

    def payload(self) -> dict[str, Any]:
        """Return what the browser reads."""
        return asdict(self)


def histogram(elem_id: str) -> gr.HTML:
    """Make the chart; its value is `Lengths.payload()`."""
    return plot(DRAWING, value=Lengths().payload(), elem_id=elem_id)
