"""Counts the examples whose text is no prose: the marks of a chat template, or data as a program prints it.

Such text is mostly left from a conversion that went wrong: the model would learn to write the marks and brackets.
"""

import re
from collections import Counter
from collections.abc import Iterator

from studio.data.checking.findings import WARNING, Finding, Tally
from studio.data.examples import Example

_MARK = re.compile(
    r"<[|\uff5c][^<>|\uff5c\s]{1,40}[|\uff5c]>|<\|[a-z_]{1,20}>|<[a-z_]{1,20}\|>|<(?:start|end)_of_turn>|<extra_id_\d+>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<</?SYS>>|\[\|\w{1,20}\|\]"
)
_FEWEST_MARKS = 2
_TAG = re.compile(r"</?[A-Za-z][\w-]{0,30}>|\[/?[A-Z][A-Z_]{1,30}\]")
_HTML = frozenset(
    "a b body br code div em h1 h2 h3 h4 head html i img li ol p pre span strong table td th tr u ul".split()
)
_MOST_TAGS = 1_000
_NEARLY_ALL = 0.9
_A_FEW = 5
_PRINTED = re.compile(r"array\(|dtype=|<[\w.]+ object at 0x|Timestamp\('|[{,]\s*'\w+': ")
_NAME = re.compile(r"""["']?\b\w{1,40}["']?\s*:""")
_FEWEST_NAMES = 3
_LETTERS_A_NAME = 100


class TextStructure:
    """Looks through one example after another."""

    def __init__(self) -> None:
        self._count = 0
        self._texts = 0
        self._tags: Counter[str] = Counter()
        self._tagged, self._marked, self._holding, self._printed = Tally(), Tally(), Tally(), Tally()

    def add(self, place: int, example: Example) -> None:
        """Take the example at this place."""
        self._count += 1
        self._texts += example.is_text
        said = "\n".join(message.content for message in example.messages)
        if "<" in said or "[" in said:
            self._add_marks(place, said, is_text=example.is_text)
        if any(_is_printed(message.content) for message in example.messages) or (example.is_text and _is_data(said)):
            self._printed.add(place)

    def _add_marks(self, place: int, said: str, *, is_text: bool) -> None:
        found = len(_MARK.findall(said))
        if found:
            self._holding.add(place)
        if found >= _FEWEST_MARKS:
            self._marked.add(place)
        tags = {tag for tag in _TAG.findall(said) if tag.strip("</>").lower() not in _HTML} if is_text else ()
        if tags:
            self._tagged.add(place)
            self._tags.update(tag for tag in tags if tag in self._tags or len(self._tags) < _MOST_TAGS)

    def findings(self) -> Iterator[Finding]:
        """Say what was found."""
        marked = self._holding if 2 * self._holding.count > self._count else self._marked
        if (
            not marked.count
            and self._texts >= _A_FEW
            and max(self._tags.values(), default=0) >= _NEARLY_ALL * self._texts
        ):
            marked = self._tagged
        yield from marked.finding(
            "control-marks",
            WARNING,
            "{} {} the marks of a chat template",
            'A program puts marks such as "<|im_start|>", "[INST]" or "<user>" between turns. The studio adds those of '
            "your model itself. Learned as text, they teach the model to write them. Bring the conversations as they "
            "were before the template, or leave these out.",
            verbs=("holds", "hold"),
        )
        yield from self._printed.finding(
            "printed-data",
            WARNING,
            "{} {} data with brackets and names, and no prose",
            "The text looks like lists or objects that a program has printed. The model would learn to write the "
            "brackets. Save the data again as JSON Lines or Parquet, so that what is in it can be read.",
            verbs=("is", "are"),
        )


def _is_printed(text: str) -> bool:
    """Say whether a whole text is a list or an object as Python prints it, which no person writes."""
    return text[:1] in "[{" and text.rstrip()[-1:] in ("]", "}") and _PRINTED.search(text) is not None


def _is_data(text: str) -> bool:
    """Say whether a text is full of names in quotation marks with a colon, as JSON is."""
    if text.lstrip()[:1] not in ("[", "{", "'", '"', "]", "}"):
        return False
    return len(_NAME.findall(text)) >= max(_FEWEST_NAMES, len(text) // _LETTERS_A_NAME)
