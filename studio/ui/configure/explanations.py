"""Short explanations with a picture, beside the settings that they are about. A button opens each.

Sources: Hu et al. 2021 (LoRA, arXiv 2106.09685) for the matrices and alpha / rank; Dettmers et al. 2023 (QLoRA, arXiv
2305.14314) for the 16 values of NF4; Schulman et al. 2025 ("LoRA Without Regret") for the methods and the layers.
"""

from dataclasses import dataclass

from markupsafe import Markup

from studio.ui.kit import fragments


@dataclass(frozen=True)
class _Explanation:
    """The id of a picture and text in the template, and the question that opens them."""

    id: str
    title: str


METHODS = (_Explanation("methods", "What are these methods?"), _Explanation("bits", "What is 4-bit?"))
ADAPTER = (
    _Explanation("rank", "What is rank?"),
    _Explanation("alpha", "What is alpha?"),
    _Explanation("targets", "What are target modules?"),
)


def row(wanted: tuple[_Explanation, ...]) -> Markup:
    """Set the buttons of some explanations beside each other; one that is opened takes the whole width."""
    return fragments.render("configure/explanations.html", wanted=wanted)
