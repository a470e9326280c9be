"""The Chat part of the Compare tab: lays its pieces out and connects them. What they do stands in other modules."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.compare.conversations import Conversation
from studio.keeping import KeptFiles
from studio.studio import Studio
from studio.ui.compare import bin_panel, blend, chat_actions, chat_parts, history, self_test, suggested_prompts
from studio.ui.compare.bin_panel import Bin
from studio.ui.compare.chat_actions import AGAIN, ASK, REPLAY, Asking, Given
from studio.ui.compare.chat_parts import PLACES, Sampling, named
from studio.ui.compare.chat_view import PARTS
from studio.ui.compare.model_choices import FEWEST_PANES
from studio.ui.compare.self_test import Proof
from studio.ui.kit import scripts
from studio.ui.kit.components import ACTING, QUIET
from studio.ui.kit.errors import shown

_FREE = ("panes", "said", "ticket", "editing", "pending")


@dataclass(frozen=True)
class ChatPart:
    """The components. `parts` by the names in `chat_view.PARTS` and beyond; `deleted` is what can be put back."""

    parts: Mapping[str, Block]
    sampling: Sampling
    suggestions: gr.State
    deleted: gr.State
    bin: Bin
    proof: Proof

    def __getitem__(self, name: str) -> Any:
        return self.parts[name]

    def inputs(self) -> dict[str, Block]:
        """Return what every listener is given, by name; `chat_actions.read` reads it."""
        names = [f"{stem}_{place}" for stem in ("model", "strength") for place in PLACES]
        chosen = {name: self.parts[name] for name in (*names, *_FREE, "prompt", "marks")}
        return {**chosen, **self.sampling.inputs()}

    def outputs(self) -> list[Block]:
        """Return what every listener updates."""
        return [self.parts[name] for name in PARTS]


def build(studio: Studio, *, timer: gr.Timer, opened: Callable[..., Any]) -> ChatPart:
    """Lay the part out."""
    parts: dict[str, Block] = {}
    with gr.Column(elem_classes="ls-card"):
        parts |= chat_parts.build_kept()
        bin = bin_panel.build("conversation", name="compare")
    with gr.Column(elem_classes="ls-card"):
        parts |= chat_parts.build_message()
        with gr.Accordion("How they answer", open=False, elem_classes="ls-inner"):
            sampling = chat_parts.build_sampling("compare")
    parts |= chat_parts.build_panes()
    with gr.Accordion("Prove it", open=False, elem_classes="ls-more", elem_id="compare-proof"):
        proof = self_test.build()
    with gr.Accordion("Blend adapters", open=False, elem_classes="ls-more", elem_id="compare-blend"):
        blend.build(
            studio, timer=timer, opened=opened, models={f"model_{place}": parts[f"model_{place}"] for place in PLACES}
        )
    states = {"panes": FEWEST_PANES, "said": Conversation(), "ticket": "", "editing": False, "pending": ""}
    parts |= {name: gr.State(value) for name, value in states.items()} | {"seed": sampling.seed}
    return ChatPart(
        parts=parts,
        sampling=sampling,
        suggestions=gr.State([]),
        deleted=gr.State(""),
        bin=bin,
        proof=proof,
    )


def wire(
    tab: ChatPart,
    *,
    studio: Studio,
    kept: KeptFiles[Conversation],
    asking: Asking,
    opened: Callable[..., Any],
    loaded: Callable[..., Any],
    wanted: gr.State,
) -> None:
    """Connect the part. `wanted` takes the id of a run that another tab wants compared."""
    asked = _wire_asking(tab, studio, asking)
    _wire_panes(tab, studio, asked)
    deleting = _wire_kept(tab, studio, kept, asked)
    bin_panel.wire(tab.bin, kept, events=[opened, loaded], after=deleting, undo=tab["restore"])
    _wire_ideas(tab, studio)
    self_test.wire(tab.proof, studio=studio, inputs=tab.inputs())
    on = functools.partial(_on, tab)
    on([opened], functools.partial(history.refresh, studio, kept))
    on([loaded], lambda given: history.at_first(studio, kept, marks=given.marks))
    wanted.change(
        shown(functools.partial(history.compare_run, studio, kept)),
        inputs=[wanted],
        outputs=tab.outputs(),
        cancels=[asked],
        **QUIET,
    ).then(lambda: "", outputs=[wanted], **QUIET)


def _on(tab: ChatPart, events: list[Any], listener: Callable[[Given], list[Any]], **options: Any) -> Any:
    """Call a listener with what the page holds, and show what it returns."""
    return gr.on(
        events,
        shown(lambda **values: listener(chat_actions.read(**values))),
        inputs_kwargs=tab.inputs(),
        outputs=tab.outputs(),
        **{**QUIET, **options},
    )


def _wire_asking(tab: ChatPart, studio: Studio, asking: Asking) -> Any:
    ways = {tab["again"].elem_id: AGAIN, tab["replay"].elem_id: REPLAY}

    def put_question(event: gr.EventData, **values: Any) -> Iterator[list[Any]]:
        # A button that was updated is another object with another number; it keeps its name in the browser.
        how = ways.get(getattr(event.target, "elem_id", None), ASK)
        yield from shown(asking.stream)(how, chat_actions.read(**values))

    asked = gr.on(
        [tab["send"].click, tab["prompt"].submit, tab["again"].click, tab["replay"].click],
        put_question,
        inputs_kwargs=tab.inputs(),
        outputs=tab.outputs(),
        show_progress="hidden",
        show_progress_on=[],
        concurrency_limit=8,
        api_visibility="private",
    )
    asked.failure(
        shown(lambda **values: chat_actions.take_back(studio, chat_actions.read(**values))),
        inputs_kwargs=tab.inputs(),
        outputs=tab.outputs(),
        **QUIET,
    )
    tab["stop"].click(shown(functools.partial(chat_actions.halt, studio)), inputs=[tab["ticket"]], **QUIET)
    _on(tab, [tab["edit"].click], chat_actions.edit)
    return asked


def _wire_panes(tab: ChatPart, studio: Studio, asked: Any) -> None:
    models: list[Any] = named(tab.parts, "model")
    _on(tab, [model.input for model in models], functools.partial(chat_actions.choose, studio), cancels=[asked])
    _on(tab, [tab["add"].click], functools.partial(chat_actions.resize, studio, 1), cancels=[asked])
    _on(tab, [tab["away"].click], functools.partial(chat_actions.resize, studio, -1), cancels=[asked])
    _on(tab, [tab["marks"].input], functools.partial(chat_actions.mark, studio))


def _wire_kept(tab: ChatPart, studio: Studio, kept: KeptFiles[Conversation], asked: Any) -> list[Any]:
    """Connect the kept conversations; return the listeners that put one into the bin or take it out."""
    given, outputs = tab.inputs(), tab.outputs()

    def reopen(kept_id: str | None, **values: Any) -> list[Any]:
        return history.reopen(studio, kept, chat_actions.read(**values), kept_id)

    def rename(name: str | None, **values: Any) -> list[Any]:
        return history.rename(kept, chat_actions.read(**values), name)

    def delete(**values: Any) -> list[Any]:
        updates, id = history.delete(studio, kept, chat_actions.read(**values))
        return [*updates, id]

    def restore(deleted: str | None, **values: Any) -> list[Any]:
        return history.restore(studio, kept, chat_actions.read(**values), deleted)

    def save(kind: str, **values: Any) -> str:
        return history.save(chat_actions.read(**values), kind)

    tab["kept"].input(
        shown(reopen), inputs_kwargs={**given, "kept_id": tab["kept"]}, outputs=outputs, cancels=[asked], **ACTING
    )
    _on(tab, [tab["clear"].click], functools.partial(history.begin, studio, kept), cancels=[asked])
    gr.on(
        [tab["rename"].click, tab["name"].submit],
        shown(rename),
        inputs_kwargs={**given, "name": tab["name"]},
        outputs=outputs,
        **ACTING,
    )
    for name, kind in (("markdown", "md"), ("jsonl", "jsonl")):
        tab[name].click(
            shown(functools.partial(save, kind)), inputs_kwargs=given, outputs=[tab["file"]], **ACTING
        ).success(None, inputs=[tab["file"]], js=scripts.call("saveText"), show_progress="hidden")
    end = tab["delete"].click(
        shown(delete), inputs_kwargs=given, outputs=[*outputs, tab.deleted], cancels=[asked], **ACTING
    )
    back = [
        button.click(shown(restore), inputs_kwargs={**given, "deleted": id}, outputs=outputs, cancels=[asked], **ACTING)
        for button, id in ((tab["restore"], tab.deleted), (tab.bin.back, tab.bin.picked))
    ]
    return [end, *back]


def _wire_ideas(tab: ChatPart, studio: Studio) -> None:
    models: list[Any] = named(tab.parts, "model")
    buttons = [tab[f"idea_{number}"] for number in range(suggested_prompts.COUNT)]
    gr.on(
        [model.change for model in models],
        shown(functools.partial(suggested_prompts.suggest, studio)),
        inputs=models,
        outputs=[tab.suggestions, tab["ideas_title"], *buttons],
        trigger_mode="always_last",
        **QUIET,
    )
    for number, button in enumerate(buttons):
        button.click(
            shown(functools.partial(suggested_prompts.take, number)),
            inputs=[tab.suggestions, tab.sampling.system],
            outputs=[tab["prompt"], tab.sampling.system],
            **QUIET,
        )
