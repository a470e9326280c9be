"""What the blind vote on the Compare tab does: begin, take each vote, reveal, count, and save what was preferred."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from studio.compare import sheet_prompts, vote_counts, votes
from studio.compare.pane_models import find_model, first_pair, keys_still_offered, pane_model
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheet_asking import columns_of
from studio.compare.sheets import Column, Sheet
from studio.compare.votes import Ballot, Vote, Votes
from studio.errors import RunError
from studio.runs.names import slug
from studio.studio import Studio
from studio.ui.compare import model_choices, sheet_actions, sheet_view, vote_view
from studio.ui.compare.sampling import Sampling
from studio.ui.kit import actions, fragments, run_choices
from studio.ui.kit.actions import Action
from studio.ui.kit.downloads import text_file
from studio.ui.kit.drawn import Section
from studio.ui.kit.exchange import Result
from studio.ui.kit.run_choices import Choices

SHEET, TYPED = "sheet", "typed"

_NO_SHEET = "No sheet with two models yet: make one under “Prompt sheet”"

Pair = tuple[Column, Column]


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

    @property
    def is_open(self) -> bool:
        """Whether a vote is in progress, its end with the names included."""
        return self.ballot is not None or bool(self.waits_for)


@dataclass(frozen=True)
class Selection(Sampling):
    """Which answers a person wants to vote on, the vote that is open, and the pair whose votes are counted.

    `first` and `second` are two columns of the sheet, `typed_first` and `typed_second` two models for typed prompts.
    """

    source: str = TYPED
    sheet: str | None = None
    first: str | None = None
    second: str | None = None
    typed: str = ""
    typed_first: str | None = None
    typed_second: str | None = None
    strength_first: float = 1.0
    strength_second: float = 1.0
    voting: Voting = Voting()
    pair: str | None = None


class VoteDesk:
    """Takes the votes of one page after the other. `seed` makes the order of a ballot."""

    def __init__(
        self, studio: Studio, work: SheetWork, kept: Votes, *, seed: Callable[[], int] = lambda: random.getrandbits(31)
    ) -> None:
        self._studio = studio
        self._work = work
        self._kept = kept
        self._seed = seed

    def settle(self, before: Selection, now: Selection) -> Selection:
        """Choose the first two models of another sheet."""
        if now.sheet == before.sheet:
            return now
        first, second = [*(_named(column) for column in _columns(self._work, now.sheet)), None, None][:2]
        return replace(now, first=first, second=second)

    def draw(self, now: Selection) -> Sequence[Section]:
        """Show the fields of what is voted on, the vote as it stands, and how the chosen pair stands."""
        waiting = sheet_actions.look(self._work, now.voting.waits_for)
        models = (now.typed_first, now.typed_second)
        return [
            Section((now.source, now.sheet, models), partial(self._fields, now)),
            Section((now.voting, waiting), lambda: {"ballot": self.ballot(now.voting)}),
            Section((now.voting.is_open, now.voting.is_revealed), lambda: _shown(now.voting)),
            Section(bool(now.voting.waits_for), lambda: {"timer": gr.update(active=bool(now.voting.waits_for))}),
            Section((now.pair, now.voting.is_revealed), lambda: {"standing": standing(self._kept, now.pair)}),
        ]

    def _fields(self, now: Selection) -> dict[str, Any]:
        columns = [(column.label, _named(column)) for column in _columns(self._work, now.sheet)]
        return {
            "sheet_part": gr.update(visible=now.source == SHEET),
            "typed_part": gr.update(visible=now.source == TYPED),
            "how": gr.update(visible=now.source == TYPED),
            "first": gr.update(choices=columns, visible=bool(columns)),
            "second": gr.update(choices=columns, visible=bool(columns)),
            "strength_first": gr.update(visible=has_strength(self._studio, now.typed_first)),
            "strength_second": gr.update(visible=has_strength(self._studio, now.typed_second)),
        }

    def begin(self, now: Selection) -> Selection:
        """Open a vote. Raises RunError when there is nothing to vote on, and DataError for typed prompts."""
        return replace(now, voting=self._with_sheet(now) if now.source == SHEET else self._with_prompts(now))

    def _with_sheet(self, now: Selection) -> Voting:
        if not now.sheet:
            raise RunError("There is no prompt sheet with two models yet.", "Make one, or type prompts here.")
        sheet = self._work.sheets.get(now.sheet)
        names = [_named(column) for column in sheet.columns]
        first, second = now.first, now.second
        if not first and not second:  # the page has not shown its models yet
            first, second = (*names[:2], None)[:2]
        if first not in names or second not in names or first == second:
            raise RunError("Choose two models of this sheet.", "A vote is between two.")
        return self._open(sheet, (names.index(first), names.index(second)))

    def _with_prompts(self, now: Selection) -> Voting:
        """Have typed prompts answered by two models; the vote opens once they are."""
        if not now.typed_first or not now.typed_second:
            raise RunError("Choose two models.", "A vote is between two.")
        columns = [
            self._column(now.typed_first, now.strength_first),
            self._column(now.typed_second, now.strength_second),
        ]
        if columns[0] == columns[1]:
            at = " at the same strength" if pane_model(self._studio, columns[0].key).is_adapter else ""
            raise RunError(f"Both are the same model{at}.", "Choose another model, or for an adapter another strength.")
        sheet = self._work.start(columns, sheet_prompts.typed(now.typed), generation=now.generation)
        return Voting(waits_for=sheet.id)

    def look(self, now: Selection) -> Selection:
        """Open the vote that waits for its answers, once they are there. Raises RunError when they never will be."""
        if not now.voting.waits_for:
            return now
        state = self._work.state(now.voting.waits_for)
        if state.working:
            return now
        if state.trouble and not state.sheet.answered:
            raise RunError(state.trouble, "Begin again.")
        return replace(now, voting=self._open(state.sheet, (0, 1)))

    def give_up(self, now: Selection) -> Selection:
        """Wait no longer for answers that do not come."""
        return replace(now, voting=Voting())

    def press(self, now: Selection, pressed: Action) -> Selection | Result[Selection]:
        """Take what was pressed on the ballot. Once the names are revealed, the votes on their pair are counted."""
        voting = self.vote(now.voting, pressed)
        then = replace(now, voting=voting)
        if not voting.is_revealed or now.voting.is_revealed:
            return then
        return list_pairs(self._kept, then, name_of(self._kept, (voting.cast[0].first, voting.cast[0].second)))

    def vote(self, now: Voting, pressed: Action) -> Voting:
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
            at = self._studio.clock()
            vote = votes.vote_on(now.ballot, now.place, self._sheet(now), side=pressed.verb, at=at)
            self._kept.add(vote)
            now = replace(now, cast=(*now.cast, vote))
        return replace(now, place=now.place + 1)

    def ballot(self, now: Voting) -> str:
        """Show the vote as it stands."""
        if now.waits_for:
            waiting = sheet_view.progress(sheet_actions.look(self._work, now.waits_for))
            return str(fragments.stack([waiting, actions.button("Stop", "end")]))
        if now.ballot is None:
            return ""
        if now.is_revealed:
            return str(vote_view.revealed(now.cast))
        if now.place >= len(now.ballot.questions):
            return str(vote_view.all_voted(len(now.cast)))
        return str(vote_view.question(now.ballot, self._sheet(now), now.place, len(now.cast)))

    def _column(self, key: str, strength: float) -> Column:
        model = pane_model(self._studio, key)
        return columns_of([model], [strength if model.is_adapter else 1.0])[0]

    def _sheet(self, now: Voting) -> Sheet:
        assert now.ballot is not None
        return self._work.sheets.get(now.ballot.sheet)

    def _open(self, sheet: Sheet, columns: tuple[int, int]) -> Voting:
        voted = self._kept.of(sheet.columns[columns[0]], sheet.columns[columns[1]])
        return Voting(ballot=votes.draw_ballot(sheet, columns, seed=self._seed(), voted=voted))


def _shown(voting: Voting) -> dict[str, Any]:
    """Show the ballot alone while a vote is in progress: its buttons stay in sight, and no result names the models."""
    return {
        "setup": gr.update(visible=not voting.is_open),
        "vote": gr.update(visible=voting.is_open),
        "results": gr.update(visible=not voting.is_open or voting.is_revealed),
    }


def refresh(studio: Studio, work: SheetWork, kept: Votes, now: Selection) -> Result[Selection]:
    """List the sheets with two models, the models, and the pairs that were voted on; keep what is chosen."""
    keys = keys_still_offered(studio, (now.typed_first, now.typed_second))
    if not any(keys):
        keys = first_pair(studio)
    offered = model_choices.offered(studio, keys)
    with_models = replace(now, typed_first=keys[0], typed_second=keys[1])
    with_sheets = list_sheets(work, with_models)
    with_pairs = list_pairs(kept, with_sheets.state, now.pair)
    models = {
        f"typed_{name}": run_choices.offer(offered, key, otherwise=run_choices.NO_RESULT)
        for name, key in zip(("first", "second"), keys, strict=True)
    }
    return Result(with_pairs.state, {**models, **with_sheets.updates, **with_pairs.updates})


def sheet_choices(work: SheetWork) -> Choices:
    """List the kept sheets that two models or more answered."""
    several = {sheet.id for sheet in work.sheets.all() if len(sheet.columns) > 1}
    return [(label, id) for label, id in sheet_actions.kept_choices(work) if id in several]


def list_sheets(work: SheetWork, now: Selection) -> Result[Selection]:
    """List the sheets that can be voted on; keep the one that is chosen, else take the newest."""
    choices = sheet_choices(work)
    chosen = run_choices.keep_or_first(now.sheet, choices)
    return Result(replace(now, sheet=chosen), {"sheet": run_choices.offer(choices, chosen, otherwise=_NO_SHEET)})


def _columns(work: SheetWork, id: str | None) -> tuple[Column, ...]:
    state = sheet_actions.look(work, id)
    return state.sheet.columns if state is not None else ()


def _named(column: Column) -> str:
    """Return what a column of a sheet is chosen by."""
    return column.key if column.strength == 1 else f"{column.key} at {column.strength:g}"


def has_strength(studio: Studio, key: str | None) -> bool:
    """Whether a model is an adapter, which has a strength."""
    model = find_model(studio, key)
    return model is not None and model.is_adapter


def list_pairs(kept: Votes, now: Selection, chosen: str | None) -> Result[Selection]:
    """List the pairs that were voted on, with this one chosen, else the newest."""
    choices = [(f"{second.label} and {first.label}", name_of(kept, (first, second))) for first, second in kept.pairs()]
    pair = run_choices.keep_or_first(chosen, choices)
    there = bool(choices)
    updates = {"pair": gr.update(choices=choices, value=pair, visible=there), "save": gr.update(visible=there)}
    return Result(replace(now, pair=pair), updates)


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
        return str(fragments.empty("No votes yet", "Your votes are counted here, for each pair of models."))
    return str(vote_view.standing(vote_counts.tally(kept.of(*pair), pair[1]), *pair))


def save(kept: Votes, now: Selection) -> str:
    """Prepare the preferences of the chosen pair as a file. Raises gr.Error when nothing was preferred."""
    pair = find_pair(kept, now.pair)
    text = vote_counts.as_preferences(kept.of(*pair)) if pair is not None else ""
    if pair is None or not text:
        raise gr.Error("No vote prefers one of two answers yet.", title="Nothing to download", print_exception=False)
    return text_file(f"preferences-{slug(pair[0].label)}-{slug(pair[1].label)}.jsonl", text)
