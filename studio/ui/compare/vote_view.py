"""A blind vote as markup: the question with both answers, and after the reveal what was preferred.

Names stand in nothing that is drawn before the reveal. Every text is escaped.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.compare import vote_counts
from studio.compare.sheets import Column, Sheet
from studio.compare.vote_counts import Tally
from studio.compare.votes import BOTH, FIRST, NEITHER, Ballot, Vote
from studio.ui.compare.answer_differences import NOTHING
from studio.ui.compare.markdown import markdown
from studio.ui.kit import actions, fragments
from studio.ui.kit.fragments import Row, Tile
from studio.wording import counted

SIDES = {"left": "Left is better", "right": "Right is better", "both": "Both are good", "neither": "Both are bad"}
"""What can be voted, in the order of the keys 1 to 4."""


def question(ballot: Ballot, sheet: Sheet, place: int, cast: int) -> Markup:
    """Show a question of a ballot with both answers, names hidden, and what can be voted."""
    asked = ballot.questions[place]
    row = sheet.rows[asked.row]
    first, second = (row.cells[column].text for column in ballot.columns)
    left, right = (second, first) if asked.swapped else (first, second)
    end = actions.button("Reveal names and finish", "reveal", kind="stop") if cast else ""
    return fragments.render(
        "compare/vote_view.html",
        progress=f"Question {place + 1:,} of {len(ballot.questions):,}, {counted(cast, 'vote')} so far",
        prompt=row.prompt.text,
        answers=[(side, markdown(text) if text else NOTHING) for side, text in (("Left", left), ("Right", right))],
        sides=SIDES,
        place=place,
        others=fragments.buttons(actions.button("Skip", "skip", key=place), end),
        hint=fragments.line("quiet", "You can also vote with the keys 1 to 4."),
    )


def all_voted(cast: int) -> Markup:
    """Say that every question has been shown."""
    reveal = actions.button("Reveal names", "reveal", kind="primary") if cast else actions.button("Finish", "end")
    said = "That was the last question." if cast else "That was the last question, and you voted on none."
    return fragments.stack(
        [
            fragments.notice("good", said, f"{counted(cast, 'vote')} kept." if cast else ""),
            fragments.buttons(reveal),
        ]
    )


def revealed(cast: Sequence[Vote]) -> Markup:
    """Show which model stood where in every question that was voted on, and what came of it."""
    first, second = cast[0].first, cast[0].second
    counts = vote_counts.tally(cast, second)
    rows = [_revealed_row(vote) for vote in cast]
    table = fragments.table("ls-sheet", ("Prompt", "Left", "Right", "Your vote"), rows, name="Your votes", scrolls=True)
    sentence = fragments.notice("good", f"This time: {vote_counts.verdict(counts, first, second)}")
    return fragments.stack([sentence, table, fragments.buttons(actions.button("New vote", "end", kind="primary"))])


def _revealed_row(vote: Vote) -> Row:
    sides = [(vote.first, vote.first_answer), (vote.second, vote.second_answer)]
    left, right = sides[::-1] if vote.swapped else sides
    cells = [
        Markup('<b>{}</b><span translate="no">{}</span>').format(column.label, text) for column, text in (left, right)
    ]
    return Row(Markup('<div translate="no">{}</div>').format(vote.prompt), [*cells, choice_words(vote)])


def choice_words(vote: Vote) -> str:
    """Say what a vote prefers, by name."""
    if vote.choice in (BOTH, NEITHER):
        return "Both are good" if vote.choice == BOTH else "Both are bad"
    return f"{(vote.first if vote.choice == FIRST else vote.second).label} is better"


def standing(counts: Tally, first: Column, second: Column) -> Markup:
    """Say how a pair stands over all votes that were ever cast on it."""
    if not counts.total:
        return fragments.line("quiet", "No votes on this pair yet.")
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
                f"of {second.label}; with 95 % confidence {100 * low:.0f} to {100 * high:.0f} %",
            ),
        )
    return fragments.stack(
        [fragments.notice("quiet", vote_counts.verdict(counts, first, second)), fragments.tiles(tiles)]
    )
