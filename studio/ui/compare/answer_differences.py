"""What one answer says that another does not, word by word, as markup.

Every text is escaped.
"""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from markupsafe import Markup

from studio.ui.kit import fragments

NOTHING = Markup("(nothing)")
SAME = "The same answer."
ALL_DIFFERENT = "All different: hardly a word is in both answers."

_MARKED = Markup("<mark>{}</mark>{}")
_WORD = re.compile(r"\S+\s*")
_FEWEST_SHARED = 0.3
"""Where less than this share of the words is in both, all of it is marked: the few are there by chance."""


@dataclass(frozen=True)
class Compared:
    """An answer with its new words marked; `note` says why nothing is marked, or all of it, where that is so."""

    text: Markup
    note: str = ""


def compared(before: str, now: str) -> Compared:
    """Mark the words of an answer that the one before did not have."""
    old, new = _WORD.findall(before), _WORD.findall(now)
    if not new:
        return Compared(NOTHING, "" if old else SAME)
    matcher = SequenceMatcher(None, [word.strip() for word in old], [word.strip() for word in new], autojunk=False)
    if matcher.ratio() < _FEWEST_SHARED:
        return Compared(_MARKED.format(now, ""), ALL_DIFFERENT if before.strip() else "")
    parts, is_marked = [], False
    for kind, _, _, start, end in matcher.get_opcodes():
        words = "".join(new[start:end])
        text = words.rstrip()
        if text:
            is_marked |= kind != "equal"
            parts.append((Markup("{}{}") if kind == "equal" else _MARKED).format(text, words[len(text) :]))
    return Compared(fragments.join(parts), _why_unmarked(len(old), len(new), is_marked=is_marked))


def _why_unmarked(old: int, new: int, *, is_marked: bool) -> str:
    if is_marked:
        return ""
    return SAME if old == new else "Nothing new: the other answer says more."


def marked(before: str, now: str) -> Markup:
    """Write an answer with the words marked that the one before did not have, as `compared` does."""
    return compared(before, now).text
