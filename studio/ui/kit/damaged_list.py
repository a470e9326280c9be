"""What lies in the data folder and cannot be read: named, each with a way to the bin.

Knows nothing of what it is.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.ui.kit import actions, fragments

DISCARD = "discard"
"""The verb of the buttons; the key is a name."""

MOST_LISTED = 200


def damaged_list(names: Sequence[str], said: str) -> list[Markup]:
    """Show a warning and the names with their buttons; nothing where there are none."""
    if not names:
        return []
    items = fragments.join(
        Markup("<li><span>{}</span>{}</li>").format(
            name, actions.button("Put into the bin", DISCARD, key=name, name=f"Put {name} into the bin", once=True)
        )
        for name in names[:MOST_LISTED]
    )
    return [fragments.notice("warning", said), Markup('<ul class="ls-list ls-rows">{}</ul>').format(items)]


def bin_label(title: str, binned: int, damaged: int) -> str:
    """Return the title of a bin, with how much lies in it and how much cannot be read."""
    return f"{title} ({binned:,})" + (f" · {damaged:,} damaged" if damaged else "")
