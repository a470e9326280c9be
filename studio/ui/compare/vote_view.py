"""A blind vote as markup: the question with both answers, and after the reveal what was preferred.

Names stand in nothing that is drawn before the reveal. Every text is escaped.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.compare import vote_counts
from studio.compare.sheets import Column, Sheet
from studio.compare.vote_counts import Tally
from studio.compare.votes import BOTH, FIRST, NEITHER, Ballot, Vote
from studio.ui.kit import actions, fragments
from studio.ui.kit.fragments import Row, Tile
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
    end = actions.button("Reveal the names and end", "reveal", kind="stop") if cast else ""
    return fragments.render(
        "compare/vote_view.html",
        progress=f"Question {place + 1:,} of {len(ballot.questions):,}, {counted(cast, 'vote')} so far",
        prompt=row.prompt.text,
        answers=(("Left", left), ("Right", right)),
        sides=SIDES,
        place=place,
        others=fragments.buttons(actions.button("Skip this one", "skip", key=place), end),
        hint=fragments.line("quiet", "The keys 1 to 4 vote too, as long as you are not writing in a field."),
    )


def all_voted(cast: int) -> Markup:
    """Say that every question has been shown."""
    reveal = actions.button("Reveal the names", "reveal", kind="primary") if cast else actions.button("End", "end")
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
    return fragments.stack([sentence, table])


def _revealed_row(vote: Vote) -> Row:
    sides = [(vote.first, vote.first_answer), (vote.second, vote.second_answer)]
    left, right = sides[::-1] if vote.swapped else sides
    cells = [Markup("<b>{}</b>{}").format(column.label, text) for column, text in (left, right)]
    return Row(Markup("<div>{}</div>").format(vote.prompt), [*cells, choice_words(vote)])


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
