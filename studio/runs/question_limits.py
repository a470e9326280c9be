"""How much may be asked of the chat worker at once: the length of messages and answers, of conversations and sheets."""

from collections.abc import Sequence

from studio.errors import TooMany
from studio.limits import Limits, raised_by
from studio.runs.answering import Wish

_LONGEST = "tokens for the longest answer"


def check_asked(limits: Limits, wish: Wish, texts: Sequence[str], *, turns: int = 1) -> None:
    """Raise TooMany where a question is too long, its answer may become so, or the conversation has too many turns."""
    longest = max((len(text) for text in (wish.system, *texts)), default=0)
    for name, found, noun in (
        ("prompt_characters", longest, "characters for a message"),
        ("answer_tokens", wish.longest, _LONGEST),
        ("conversation_turns", turns, "questions for a conversation"),
    ):
        _require(limits, name, found, noun)


def check_longest(limits: Limits, longest: int) -> None:
    """Raise TooMany where an answer may become too long, in tokens."""
    _require(limits, "answer_tokens", longest, _LONGEST)


def check_sheet(limits: Limits, wish: Wish, texts: Sequence[str]) -> None:
    """Raise TooMany where a prompt sheet has too many prompts, or one that is too long."""
    _require(limits, "sheet_prompts", len(texts), "prompts for a sheet")
    check_asked(limits, wish, texts)


def _require(limits: Limits, name: str, found: object, noun: str) -> None:
    most = getattr(limits, name)
    # What is no number is refused in its own words, where the question is asked.
    if isinstance(found, int | float) and found > most:
        raise TooMany(f"{found:,} {noun} are too many; {most:,} are taken.", f"Take fewer. {raised_by(name)}")
