"""What the counting of tokens found doubtful, as findings beside those of the checks: it depends on the model."""

from collections.abc import Sequence

from studio.data.checking.findings import INFO, WARNING, Finding
from studio.data.tokenizing import doubts
from studio.data.tokenizing.doubts import DoubtCount
from studio.wording import counted

_WORDS = {
    doubts.SPELLED: (
        WARNING,
        "{} the model's special tokens",
        ("spells one of", "spell some of"),
        "Such a text ends a turn or begins another for the model. Write it in another way, or remove these examples.",
    ),
    doubts.LAST_ONLY: (
        WARNING,
        "Of {} only the last answer is learned",
        ("", ""),
        "Earlier answers are read and not learned. Make an example of each answer, with all turns before it, if they "
        "are to be learned too, or choose another base model.",
    ),
    doubts.NO_END: (
        WARNING,
        "Where to stop is not learned from {}",
        ("", ""),
        "The tuned model would go on after its answers until they reach the longest length. Choose a base model whose "
        "chat template ends an answer.",
    ),
    doubts.CHANGED: (WARNING, "The text of {} by the chat template", ("is changed", "is changed"), ""),
    doubts.BEGUN: (INFO, "The answer of {} for the model", ("is begun", "is begun"), ""),
    doubts.NO_SYSTEM: (WARNING, "The system message of {} not read", ("is", "is"), ""),
    doubts.NO_REASONING: (WARNING, "Reasoning in {} not learned", ("is", "is"), ""),
}
"""For each kind: the level, the title, the verb for one and for several, and what follows the words of the first."""


def mask_findings(found: Sequence[DoubtCount]) -> tuple[Finding, ...]:
    """Say in findings what is learned otherwise than the data looks."""
    return tuple(_finding(each) for each in found)


def _finding(found: DoubtCount) -> Finding:
    level, title, verbs, more = _WORDS.get(found.kind, (INFO, "{}", ("", ""), ""))
    verb = verbs[0] if found.count == 1 else verbs[1]
    about = f"{counted(found.count, 'example')} {verb}".rstrip()
    text = f"{found.text} {more}".rstrip()
    return Finding(found.kind, level, title.format(about), text, found.count, places=found.places)
