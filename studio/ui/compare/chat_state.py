"""What a page holds of a chat: the models of its panes, how they answer, and the conversation that is open."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from studio.compare.conversations import Conversation
from studio.ui.compare.bin_panel import InBin
from studio.ui.compare.model_choices import FEWEST_PANES, MOST_PANES
from studio.ui.compare.sampling import Sampling

PLACES = range(1, MOST_PANES + 1)


@dataclass(frozen=True)
class Chat(Sampling, InBin):
    """What a page holds. Each field has a component, so that an answer that comes in changes only what it is about.

    `pending` is the message that is being answered, and `ticket` says for which page. `suggested` are questions to
    try, each with the system prompt that its row had. `is_opened` says that a conversation was shown already.
    """

    model_1: str | None = None
    model_2: str | None = None
    model_3: str | None = None
    model_4: str | None = None
    strength_1: float = 1.0
    strength_2: float = 1.0
    strength_3: float = 1.0
    strength_4: float = 1.0
    panes: int = FEWEST_PANES
    said: Conversation = field(default_factory=Conversation)
    prompt: str = ""
    marks: bool = False
    editing: bool = False
    ticket: str = ""
    pending: str = ""
    suggested: tuple[tuple[str, str], ...] = ()
    is_opened: bool = False

    @property
    def keys(self) -> tuple[str | None, ...]:
        """The keys of the models of the panes that are shown."""
        return (self.model_1, self.model_2, self.model_3, self.model_4)[: self.panes]

    @property
    def strengths(self) -> tuple[float, ...]:
        """How strongly the models of the panes that are shown speak."""
        return (self.strength_1, self.strength_2, self.strength_3, self.strength_4)[: self.panes]

    def with_panes(self, keys: Sequence[str | None], strengths: Sequence[float] = ()) -> "Chat":
        """Return it with a pane for each of these models; a strength that is not named is 1."""
        fields: dict[str, Any] = {"panes": min(max(len(keys), FEWEST_PANES), MOST_PANES)}
        for place in PLACES:
            fields[f"model_{place}"] = keys[place - 1] if place <= len(keys) else None
            fields[f"strength_{place}"] = strengths[place - 1] if place <= len(strengths) else 1.0
        return replace(self, **fields)
