"""What the blind vote on the Compare tab does: begin, take each vote, reveal, count, and save what was preferred."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from studio.compare import sheet_prompts, vote_counts, votes
from studio.compare.answering import GenerationSettings
from studio.compare.pane_models import find_model, first_pair, keys_still_offered, pane_model
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheet_asking import columns_of
from studio.compare.sheets import Column, Sheet
from studio.compare.votes import Ballot, Vote, Votes
from studio.errors import RunError
from studio.runs.names import slug
from studio.studio import Studio
from studio.ui.compare import model_choices, sheet_actions, sheet_view, vote_view
from studio.ui.kit import actions, fragments, run_choices
from studio.ui.kit.actions import Action
from studio.ui.kit.downloads import text_file
from studio.ui.kit.run_choices import Choices

SHEET, TYPED = "sheet", "typed"

Pair = tuple[Column, Column]

Wanted = tuple[str | None, float | None]
"""The key of a model, and how strongly it shall speak."""


@dataclass(frozen=True)
class Voting:
    """A vote that is open on a page. `waits_for` is the id of a sheet that must be answered first.

    `cast` are the votes of this time; `place` is the question that is shown.
    """

    ballot: Ballot | None = None
    place: int = 0
    cast: tuple[Vote, ...] = ()
    is_revealed: bool = False
    waits_for: str = ""


class VoteDesk:
    """Takes the votes of one page after the other. `seed` makes the order of a ballot."""

    def __init__(
        self, studio: Studio, work: SheetWork, kept: Votes, *, seed: Callable[[], int] = lambda: random.getrandbits(31)
    ) -> None:
        self._studio = studio
        self._work = work
        self._kept = kept
        self._seed = seed

    def begin_with_sheet(self, id: str | None, first: str | None, second: str | None) -> Voting:
        """Open a vote on two models of a kept sheet. Raises RunError when there is nothing to vote on."""
        if not id:
            raise RunError("There is no prompt sheet with two models yet.", "Make one, or type prompts here.")
        sheet = self._work.sheets.get(id)
        names = [_named(column) for column in sheet.columns]
        if not first and not second:  # the page has not shown its models yet
            first, second = (*names[:2], None)[:2]
        if first not in names or second not in names or first == second:
            raise RunError("Choose two models of this sheet.", "A vote is between two.")
        return self._open(sheet, (names.index(first), names.index(second)))

    def begin_with_prompts(self, text: str, first: Wanted, second: Wanted, generation: GenerationSettings) -> Voting:
        """Have typed prompts answered by two models; the vote opens once they are. Raises RunError or DataError.

        Each is a model's key with how strongly it speaks, which counts only where it is an adapter.
        """
        if not first[0] or not second[0]:
            raise RunError("Choose two models.", "A vote is between two.")
        columns = [self._column(key or "", strength) for key, strength in (first, second)]
        if columns[0] == columns[1]:
            at = " at the same strength" if pane_model(self._studio, columns[0].key).is_adapter else ""
            raise RunError(f"Both are the same model{at}.", "Choose another model, or for an adapter another strength.")
        sheet = self._work.start(columns, sheet_prompts.typed(text), generation=generation)
        return Voting(waits_for=sheet.id)

    def look(self, now: Voting) -> Voting:
        """Open the vote that waits for its answers, once they are there. Raises RunError when they never will be."""
        if not now.waits_for:
            return now
        state = self._work.state(now.waits_for)
        if state.working:
            return now
        if state.trouble and not state.sheet.answered:
            raise RunError(state.trouble, "Begin again.")
        return self._open(state.sheet, (0, 1))

    def press(self, now: Voting, pressed: Action, *, at: float) -> Voting:
        """Take a vote, or what else was pressed on the ballot. What belongs to another question is no vote."""
        if pressed.verb == "end" and now.waits_for:
            self._work.stop(now.waits_for)
        if pressed.verb == "end" or now.ballot is None:
            return Voting()
        if pressed.verb == "reveal":
            return replace(now, is_revealed=True) if now.cast else now
        if now.is_revealed or pressed.number != now.place or now.place >= len(now.ballot.questions):
            return now
        if pressed.verb in vote_view.SIDES:
            vote = votes.vote_on(now.ballot, now.place, self._sheet(now), side=pressed.verb, at=at)
            self._kept.add(vote)
            now = replace(now, cast=(*now.cast, vote))
        return replace(now, place=now.place + 1)

    def draw(self, now: Voting) -> str:
        """Show the vote as it stands."""
        if now.waits_for:
            waiting = sheet_view.progress(sheet_actions.look(self._work, now.waits_for))
            return str(fragments.stack([waiting, actions.button("Stop", "end")]))
        if now.ballot is None:
            return str(vote_view.nothing_open())
        if now.is_revealed:
            return str(vote_view.revealed(now.cast))
        if now.place >= len(now.ballot.questions):
            return str(vote_view.all_voted(len(now.cast)))
        return str(vote_view.question(now.ballot, self._sheet(now), now.place, len(now.cast)))

    def _column(self, key: str, strength: float | None) -> Column:
        model = pane_model(self._studio, key)
        return columns_of([model], [1.0 if strength is None or not model.is_adapter else float(strength)])[0]

    def _sheet(self, now: Voting) -> Sheet:
        assert now.ballot is not None
        return self._work.sheets.get(now.ballot.sheet)

    def _open(self, sheet: Sheet, columns: tuple[int, int]) -> Voting:
        voted = self._kept.of(sheet.columns[columns[0]], sheet.columns[columns[1]])
        return Voting(ballot=votes.draw_ballot(sheet, columns, seed=self._seed(), voted=voted))


def refresh(
    studio: Studio, work: SheetWork, kept: Votes, *, sheet: str | None, typed: Sequence[str | None], pair: str | None
) -> list[Any]:
    """List the sheets with two models, the models, and the pairs that were voted on; keep what is chosen."""
    keys = keys_still_offered(studio, typed)
    if not any(keys):
        keys = first_pair(studio)
    offered = model_choices.offered(studio, keys)
    return [
        list_sheets(work, sheet),
        *(gr.update(choices=offered, value=key) for key in keys),
        list_pairs(kept, pair),
    ]


def sheet_choices(work: SheetWork) -> Choices:
    """List the kept sheets that two models or more answered."""
    several = {sheet.id for sheet in work.sheets.all() if len(sheet.columns) > 1}
    return [(label, id) for label, id in sheet_actions.kept_choices(work) if id in several]


def list_sheets(work: SheetWork, chosen: str | None) -> Any:
    """List the sheets that can be voted on; keep the one that is chosen, else take the newest."""
    choices = sheet_choices(work)
    return gr.update(choices=choices, value=run_choices.keep_or_first(chosen, choices))


def offer_columns(work: SheetWork, id: str | None) -> list[Any]:
    """Offer the models of a sheet, the first two chosen."""
    state = sheet_actions.look(work, id)
    columns = state.sheet.columns if state is not None else ()
    choices = [(column.label, _named(column)) for column in columns]
    names = [*(name for _, name in choices[:2]), None, None][:2]
    return [gr.update(choices=choices, value=name) for name in names]


def _named(column: Column) -> str:
    """Return what a column of a sheet is chosen by."""
    return column.key if column.strength == 1 else f"{column.key} at {column.strength:g}"


def show_strength(studio: Studio, key: str | None) -> Any:
    """Show the strength of a model where it is an adapter."""
    model = find_model(studio, key)
    return gr.update(visible=model is not None and model.is_adapter)


def list_pairs(kept: Votes, chosen: str | None) -> Any:
    """List the pairs that were voted on; keep the one that is chosen, else take the newest."""
    choices = [(f"{second.label} and {first.label}", name_of(kept, (first, second))) for first, second in kept.pairs()]
    return gr.update(choices=choices, value=run_choices.keep_or_first(chosen, choices))


def name_of(kept: Votes, pair: Pair) -> str:
    """Return what a pair is chosen by."""
    return kept.path(*pair).stem


def find_pair(kept: Votes, name: str | None) -> Pair | None:
    """Return the pair that is chosen by this name; None when there is none."""
    return next((pair for pair in kept.pairs() if name_of(kept, pair) == name), None)


def standing(kept: Votes, name: str | None) -> str:
    """Show how a pair stands."""
    pair = find_pair(kept, name)
    if pair is None:
        return str(
            fragments.empty("No votes yet", "Once you have voted, how each pair of models stands is counted here.")
        )
    return str(vote_view.standing(vote_counts.tally(kept.of(*pair), pair[1]), *pair))


def save(kept: Votes, name: str | None) -> str:
    """Prepare the preferences of a pair as a file. Raises gr.Error when nothing was preferred."""
    pair = find_pair(kept, name)
    text = vote_counts.as_preferences(kept.of(*pair)) if pair is not None else ""
    if pair is None or not text:
        raise gr.Error("No vote prefers one of two answers yet.", title="Nothing to save", print_exception=False)
    return text_file(f"preferences-{slug(pair[0].label)}-{slug(pair[1].label)}.jsonl", text)
