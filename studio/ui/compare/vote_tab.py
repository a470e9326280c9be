"""The blind vote on the Compare tab: two answers at a time, names hidden, by button or key.

Lays out and connects; what it does stands in `vote_actions`.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.compare.answering import GenerationSettings
from studio.compare.sheet_answers import SheetWork
from studio.compare.votes import Votes
from studio.studio import Studio
from studio.ui.compare import chat_parts, vote_actions, vote_view
from studio.ui.compare.chat_parts import Sampling
from studio.ui.compare.vote_actions import SHEET, TYPED, VoteDesk, Voting
from studio.ui.kit import fragments, scripts
from studio.ui.kit.actions import Action, action_html, on_action
from studio.ui.kit.components import ACTING, QUIET, html, picker
from studio.ui.kit.downloads import prepared_file
from studio.ui.kit.errors import shown

_LOOK_SECONDS = 1.0
_TWO = ("first", "second")


@dataclass(frozen=True)
class VoteTab:
    """The components of the part, by name."""

    parts: Mapping[str, Block]
    sampling: Sampling

    def __getitem__(self, name: str) -> Any:
        return self.parts[name]


def build() -> VoteTab:
    """Lay the part out."""
    parts: dict[str, Block] = {}
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("Which is better?", "You judge two answers at a time without knowing who wrote them."))
        parts |= _build_source()
        with gr.Accordion("How they answer", open=False, elem_classes="ls-inner") as parts["how"]:
            sampling = chat_parts.build_sampling("vote", longest=128)
        with gr.Row(elem_classes="ls-actions"):
            parts["begin"] = gr.Button("Begin the vote", variant="primary", elem_id="vote-begin")
    with gr.Column(elem_classes="ls-card"):
        parts["ballot"] = action_html(vote_view.nothing_open(), elem_id="vote-ballot")
        html(elem_id="vote-keys", on_load=scripts.on_load("voteByKey"))
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("All votes on a pair"))
        parts["pair"] = picker(label="Pair of models", info="", elem_id="vote-pair")
        parts["standing"] = html("", elem_id="vote-standing")
        with gr.Row(elem_classes="ls-actions"):
            parts["save"] = gr.Button("Download as preference data", size="sm", elem_id="vote-save")
        parts["saved"] = prepared_file()
    parts["now"] = gr.State(Voting())
    parts["timer"] = gr.Timer(_LOOK_SECONDS, active=False)
    return VoteTab(parts=parts, sampling=sampling)


def _build_source() -> dict[str, Block]:
    parts: dict[str, Block] = {}
    parts["source"] = gr.Radio(
        [("A prompt sheet", SHEET), ("Type prompts", TYPED)], value=TYPED, label="The questions", elem_id="vote-source"
    )
    with gr.Column(visible=False) as parts["sheet_part"]:
        parts["sheet"] = picker(
            label="Prompt sheet", info="Those that two models or more answered.", elem_id="vote-sheet"
        )
        with gr.Row():
            parts["first"] = picker(label="One model of the sheet", info="", elem_id="vote-first")
            parts["second"] = picker(label="The other model of the sheet", info="", elem_id="vote-second")
    with gr.Column() as parts["typed_part"]:
        parts["typed"] = gr.Textbox(label="Prompts", info="One a line.", lines=4, max_lines=12, elem_id="vote-typed")
        with gr.Row(elem_classes="ls-vote-models"):
            for name, label in (("first", "One model"), ("second", "The other model")):
                with gr.Column(min_width=280):
                    parts[f"typed_{name}"] = picker(label=label, info="", elem_id=f"vote-typed-{name}")
                    parts[f"strength_{name}"] = chat_parts.strength(
                        f"Adapter strength of {label[0].lower()}{label[1:]}", elem_id=f"vote-strength-{name}"
                    )
    return parts


def wire(
    tab: VoteTab,
    *,
    studio: Studio,
    work: SheetWork,
    votes: Votes,
    opened: Callable[..., Any],
    loaded: Callable[..., Any],
    turned_to: Callable[..., Any],
) -> None:
    """Connect the part. The events are of the Compare tab being opened, the page, and this part of the tab."""
    desk = VoteDesk(studio, work, votes)

    def refresh(sheet: str | None, first: str | None, second: str | None, pair: str | None) -> list[Any]:
        return vote_actions.refresh(studio, work, votes, sheet=sheet, typed=(first, second), pair=pair)

    listed = [tab[name] for name in ("sheet", "typed_first", "typed_second", "pair")]
    gr.on([opened, loaded, turned_to], shown(refresh), inputs=listed, outputs=listed, **QUIET)
    tab["source"].change(
        lambda source: [gr.update(visible=source == SHEET), *[gr.update(visible=source == TYPED)] * 2],
        inputs=[tab["source"]],
        outputs=[tab["sheet_part"], tab["typed_part"], tab["how"]],
        **QUIET,
    )
    tab["source"].change(
        shown(functools.partial(vote_actions.list_sheets, work)),
        inputs=[tab["sheet"]],
        outputs=[tab["sheet"]],
        **QUIET,
    )
    tab["sheet"].change(
        shown(functools.partial(vote_actions.offer_columns, work)),
        inputs=[tab["sheet"]],
        outputs=[tab["first"], tab["second"]],
        **QUIET,
    )
    for name in _TWO:
        tab[f"typed_{name}"].change(
            shown(functools.partial(vote_actions.show_strength, studio)),
            inputs=[tab[f"typed_{name}"]],
            outputs=[tab[f"strength_{name}"]],
            **QUIET,
        )
    tab["pair"].change(
        shown(functools.partial(vote_actions.standing, votes)),
        inputs=[tab["pair"]],
        outputs=[tab["standing"]],
        **QUIET,
    )
    tab["save"].click(
        shown(functools.partial(vote_actions.save, votes)), inputs=[tab["pair"]], outputs=[tab["saved"]], **ACTING
    ).success(None, inputs=[tab["saved"]], js=scripts.call("saveText"), show_progress="hidden")
    _wire_voting(tab, studio, desk, votes)


def _wire_voting(tab: VoteTab, studio: Studio, desk: VoteDesk, votes: Votes) -> None:
    shows = [tab["now"], tab["ballot"], tab["timer"]]

    def show(now: Voting) -> list[Any]:
        return [now, desk.draw(now), gr.update(active=bool(now.waits_for))]

    def begin(source: str, sheet: Any, first: Any, second: Any, typed: str | None, **values: Any) -> Any:
        if source == SHEET:
            return show(desk.begin_with_sheet(sheet, first, second))
        asked = GenerationSettings(
            values["system"] or "", values["temperature"], int(values["longest"]), int(values["seed"] or 0)
        )
        pair = [(values[f"typed_{name}"], values[f"strength_{name}"]) for name in _TWO]
        return show(desk.begin_with_prompts(typed or "", pair[0], pair[1], asked))

    def look(now: Voting) -> list[Any]:
        return show(desk.look(now))

    def press(pressed: Action, now: Voting, pair: str | None) -> list[Any]:
        then = desk.press(now, pressed, at=studio.clock())
        if not then.is_revealed or now.is_revealed:
            return [*show(then), gr.skip(), gr.skip()]
        ended = then.cast[0]
        name = vote_actions.name_of(votes, (ended.first, ended.second))
        return [*show(then), vote_actions.list_pairs(votes, name), vote_actions.standing(votes, name)]

    names = ("source", "sheet", "first", "second", "typed")
    tab["begin"].click(
        shown(begin),
        inputs_kwargs={
            **{name: tab[name] for name in names},
            **{f"{stem}_{name}": tab[f"{stem}_{name}"] for stem in ("typed", "strength") for name in _TWO},
            **tab.sampling.inputs(),
        },
        outputs=shows,
        **ACTING,
    )
    tab["timer"].tick(shown(look), inputs=[tab["now"]], outputs=shows, **QUIET).failure(
        lambda: show(Voting()), outputs=shows, **QUIET
    )
    on_action(
        tab["ballot"],
        press,
        inputs_kwargs={"now": tab["now"], "pair": tab["pair"]},
        outputs=[*shows, tab["pair"], tab["standing"]],
        **ACTING,
    )
