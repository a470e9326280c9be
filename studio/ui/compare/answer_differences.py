"""What one answer says that another does not, word by word, as markup.

Every text is escaped.
"""

import re
from difflib import SequenceMatcher

from markupsafe import Markup

from studio.ui.kit import fragments

NOTHING = Markup("(nothing)")

_WORD = re.compile(r"\S+\s*")
_FEWEST_SHARED = 0.3
"""Where less than this share of the words is in both, nothing is marked: all of it is new."""


def marked(before: str, now: str, *, tag: str = "mark") -> Markup:
    """Write an answer with the words marked that the one before did not have; `tag` is "mark" or "ins"."""
    old, new = _WORD.findall(before), _WORD.findall(now)
    if not new:
        return NOTHING
    matcher = SequenceMatcher(None, [word.strip() for word in old], [word.strip() for word in new], autojunk=False)
    if matcher.ratio() < _FEWEST_SHARED:
        return Markup("{}").format(now)
    mark = Markup("<{0}>{{}}</{0}>{{}}").format(Markup(tag))
    parts = []
    for kind, _, _, start, end in matcher.get_opcodes():
        words = "".join(new[start:end])
        text = words.rstrip()
        if text:
            parts.append((Markup("{}{}") if kind == "equal" else mark).format(text, words[len(text) :]))
    return fragments.join(parts)
