"""A blind vote as markup: the question with both answers, and after the reveal what was preferred.

Names stand in nothing that is drawn before the reveal. Every text is escaped. Knows nothing of components.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.compare import vote_counts
from studio.compare.sheets import Column, Sheet
from studio.compare.vote_counts import Tally
from studio.compare.votes import BOTH, FIRST, NEITHER, Ballot, Vote
from studio.ui.kit import actions, fragments
from studio.ui.kit.fragments import Tile
from studio.wording import counted

SIDES = {"left": "Left is better", "right": "Right is better", "both": "Both are good", "neither": "Both are bad"}
"""What can be voted, in the order of the keys 1 to 4."""


def nothing_open() -> Markup:
    """Say what fills the ballot."""
    return fragments.empty(
        "No vote is open",
        "Choose a prompt sheet, or type prompts, and begin. You then see two answers at a time without knowing which "
        "model wrote which, and say which is better.",
    )


def question(ballot: Ballot, sheet: Sheet, place: int, cast: int) -> Markup:
    """Show a question of a ballot with both answers, names hidden, and what can be voted."""
    asked = ballot.questions[place]
    row = sheet.rows[asked.row]
    first, second = (row.cells[column].text for column in ballot.columns)
    left, right = (second, first) if asked.swapped else (first, second)
    return fragments.stack(
        [
            Markup('<p class="ls-note">{}</p>').format(
                f"Question {place + 1:,} of {len(ballot.questions):,}, {counted(cast, 'vote')} so far"
            ),
            Markup('<h3 class="ls-ballot-asked">{}</h3>').format(row.prompt.text),
            Markup('<div class="ls-ballot">{}{}</div>').format(_side("Left", left), _side("Right", right)),
            _buttons(place),
            Markup('<div class="ls-buttons">{}{}</div>').format(
                actions.button("Skip this one", "skip", key=place),
                actions.button("Reveal the names and end", "reveal", kind="stop") if cast else "",
            ),
            fragments.line("quiet", "The keys 1 to 4 vote too, as long as you are not writing in a field."),
        ]
    )


def _side(name: str, text: str) -> Markup:
    return Markup('<section class="ls-ballot-side"><h4>{}</h4><p>{}</p></section>').format(name, text or "(nothing)")


def _buttons(place: int) -> Markup:
    buttons = fragments.join(
        Markup(
            '<button type="button" class="ls-button" data-verb="{}" data-key="{}" data-shortcut="{}"'
            ' aria-keyshortcuts="{}"><kbd>{}</kbd> {}</button>'
        ).format(side, place, number, number, number, label)
        for number, (side, label) in enumerate(SIDES.items(), start=1)
    )
    return Markup('<div class="ls-buttons ls-ballot-votes" role="group" aria-label="Your vote">{}</div>').format(
        buttons
    )


def all_voted(cast: int) -> Markup:
    """Say that every question has been shown."""
    reveal = actions.button("Reveal the names", "reveal", kind="primary") if cast else actions.button("End", "end")
    said = "That was the last question." if cast else "That was the last question, and you voted on none."
    return fragments.stack(
        [
            fragments.notice("good", said, f"{counted(cast, 'vote')} kept." if cast else ""),
            Markup('<div class="ls-buttons">{}</div>').format(reveal),
        ]
    )


def revealed(cast: Sequence[Vote]) -> Markup:
    """Show which model stood where in every question that was voted on, and what came of it."""
    first, second = cast[0].first, cast[0].second
    counts = vote_counts.tally(cast, second)
    rows = fragments.join(_revealed_row(vote) for vote in cast)
    table = Markup(
        '<div class="ls-sheet" tabindex="0" role="region" aria-label="Your votes"><table><thead><tr>'
        '<th scope="col">Prompt</th><th scope="col">Left</th><th scope="col">Right</th><th scope="col">Your vote</th>'
        "</tr></thead><tbody>{}</tbody></table></div>"
    ).format(rows)
    sentence = fragments.notice("good", f"This time: {vote_counts.verdict(counts, first, second)}")
    return fragments.stack([sentence, table])


def _revealed_row(vote: Vote) -> Markup:
    sides = [(vote.first, vote.first_answer), (vote.second, vote.second_answer)]
    left, right = sides[::-1] if vote.swapped else sides
    cells = fragments.join(
        Markup('<td data-label="{}"><div><b>{}</b>{}</div></td>').format(name, column.label, text)
        for name, (column, text) in (("Left", left), ("Right", right))
    )
    return Markup('<tr><th scope="row"><div>{}</div></th>{}<td data-label="Your vote"><div>{}</div></td></tr>').format(
        vote.prompt, cells, choice_words(vote)
    )


def choice_words(vote: Vote) -> str:
    """Say what a vote prefers, by name."""
    if vote.choice in (BOTH, NEITHER):
        return "Both are good" if vote.choice == BOTH else "Both are bad"
    return f"{(vote.first if vote.choice == FIRST else vote.second).label} is better"


def standing(counts: Tally, first: Column, second: Column) -> Markup:
    """Say how a pair stands over all votes that were ever cast on it."""
    if not counts.total:
        return fragments.line("quiet", "Nobody has voted on this pair yet.")
    tiles = [
        Tile(f"{second.label} better", f"{counts.second:,}"),
        Tile(f"{first.label} better", f"{counts.first:,}"),
        Tile("Both good", f"{counts.both:,}"),
        Tile("Both bad", f"{counts.neither:,}"),
    ]
    if counts.decided:
        rate, low, high = counts.share()
        tiles.insert(
            0,
            Tile(
                "Win rate",
                f"{100 * rate:.0f} %",
                f"of {second.label}; 95 % sure it lies between {100 * low:.0f} and {100 * high:.0f} %",
            ),
        )
    return fragments.stack(
        [fragments.notice("quiet", vote_counts.verdict(counts, first, second)), fragments.tiles(tiles)]
    )
