"""How much may be asked of the chat worker at once: the length of messages and answers, of conversations and sheets."""

from collections.abc import Sequence

from studio.compare.answering import GenerationSettings
from studio.limits import LONGEST_ANSWER_NOUN, Limits, require_within


def check_asked(limits: Limits, generation: GenerationSettings, texts: Sequence[str], *, turns: int = 1) -> None:
    """Raise TooMany where a question is too long, its answer may become so, or the conversation has too many turns."""
    longest = max((len(text) for text in (generation.system, *texts)), default=0)
    for name, found, noun in (
        ("prompt_characters", longest, "characters for a message"),
        ("answer_tokens", generation.longest, LONGEST_ANSWER_NOUN),
        ("conversation_turns", turns, "questions for a conversation"),
    ):
        require_within(limits, name, found, noun)


def check_sheet(limits: Limits, generation: GenerationSettings, texts: Sequence[str]) -> None:
    """Raise TooMany where a prompt sheet has too many prompts, or one that is too long."""
    require_within(limits, "sheet_prompts", len(texts), "prompts for a sheet")
    check_asked(limits, generation, texts)
