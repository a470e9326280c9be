"""A tab, or a part of one: its components by name, the state that a page keeps of it, and how listeners change that.

The state is a frozen dataclass: what a person looks at, has chosen and typed. A field that a component holds is an
input, and has the name of that field. Whatever happens, the panel takes in what the inputs hold, lets the action return
another state, draws that, and sends what the page does not have. An action knows no component:

    @dataclass(frozen=True)
    class Selection:
        text: str = ""       # what is typed into the input "text"
        opened: str = ""     # the file that a person opened; no component holds that

    def press(folder: Path, selection: Selection, action: Action) -> Selection:
        return replace(selection, opened=action.key) if action.verb == "open" else selection

    def rename(folder: Path, selection: Selection, *, name: str) -> Selection: ...       # may raise StudioError

    def draw(folder: Path, selection: Selection) -> Drawing:
        return {"list": str(buttons(folder, selection.text)), "one": gr.update(visible=bool(selection.opened))}

    def build(folder: Path, *, timer: gr.HTML, opened: Any) -> None:
        panel = Panel("files", Selection(), draw=partial(draw, folder))
        panel.input("text", gr.Textbox(label="Search", elem_id="files-search"))
        panel.action_html("list")                              # its name in the browser is files-list
        with panel.part("one", gr.Column(visible=False)):      # a part is what `draw` draws
            name = gr.Textbox(label="Name")
            save, pack = gr.Button("Rename"), gr.Button("Download")
        # Only once all parts are laid out:
        panel.redraws([timer.tick, opened])                    # and whenever an input changes
        panel.on_action(partial(press, folder))                # for every `action_html`
        panel.on([save.click, name.submit], partial(rename, folder), given={"name": name})
        panel.download(pack.click, partial(packed, folder))    # from a state to an address

An input follows its field: where an action (or `settle`, or the `value` of an update that `draw` makes for it) says
another value than the page holds, that is sent. Nothing in an input is the default of its field; where it is a fault,
or where many components hold one field, that field is a `form`. What an action sends beyond that is a `Result`
(`exchange`), for components that are named in `also`. What is slow to draw is drawn in a `Section`.
"""

import inspect
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency
from markupsafe import Markup

from studio.ui.kit import actions, components, scripts
from studio.ui.kit.actions import Action
from studio.ui.kit.components import ACTING, QUIET
from studio.ui.kit.downloads import prepared_file
from studio.ui.kit.drawn import Drawing, Drawn
from studio.ui.kit.errors import report_errors
from studio.ui.kit.exchange import DRAWN, STATE, Asked, Exchange, Fields, Form, Result, State

Kind = TypeVar("Kind", bound=Block)
Field = TypeVar("Field", bound=Component)

_NOTHING: Mapping[str, Block] = MappingProxyType({})
_STOPS = "stops"


@dataclass
class Stops:
    """How often a stream of a panel was stopped on an open page.

    Gradio keeps the object itself for each page, so that a stream which has begun sees the count rise.
    """

    count: int = 0


class Panel(Generic[State]):
    """The components of a tab by name, and its listeners. To be made inside of the page; see the module."""

    def __init__(
        self,
        name: str,
        start: State,
        *,
        draw: Callable[[State], Drawing] = lambda state: {},
        settle: Callable[[State, State], State] = lambda before, now: now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`draw` and `settle` are those of an `Exchange`."""
        self.name = name
        self._forms: dict[str, Form] = {}
        self._exchange = Exchange(start, draw, settle, clock, self._forms)
        self._outputs: dict[str, Block] = {STATE: gr.State(start), DRAWN: gr.State(Drawn())}
        self._stops = gr.State(Stops())
        self._inputs: dict[str, Component] = {}
        self._in_forms: dict[str, Component] = {}
        self._changes: list[Any] = []
        self._pressable: list[gr.HTML] = []
        self._prepared: gr.Textbox | None = None
        self._is_connected = False

    def part(self, name: str, block: Kind) -> Kind:
        """Take a component or a layout in as a part that is drawn."""
        if self._is_connected or name in self._outputs:
            raise ValueError(f"The part {name!r} of {self.name} is there already, or comes after a listener.")
        self._outputs[name] = block
        return block

    def input(self, name: str, component: Field, *, redraws_on: str = "change") -> Field:
        """Take a component in whose value is the field of the state with this name; it can be drawn, too.

        `redraws_on` is the event that draws the panel again, "" for none.
        """
        self._check_field(name)
        self._inputs[name] = self.part(name, component)
        if redraws_on:
            self._changes.append(getattr(component, redraws_on))
        return component

    def form(
        self,
        name: str,
        components: Mapping[str, Component],
        *,
        read: Callable[[Mapping[str, Any]], Any],
        show: Callable[[str, Any], Any],
    ) -> None:
        """Take components in that hold one field of the state together, see `Form`; each can be drawn, too."""
        self._check_field(name)
        self._forms[name] = Form(tuple(components), read, show)
        for each, component in components.items():
            self._in_forms[each] = self.part(each, component)
            self._changes.append(component.change)  # type: ignore[attr-defined]

    def html(self, name: str, value: Markup | str = "") -> gr.HTML:
        """Lay out a part of markup."""
        return self.part(name, components.html(value, elem_id=self._elem_id(name)))

    def action_html(self, name: str, value: Markup | str = "") -> gr.HTML:
        """Lay out a part of markup whose buttons and choosers can be pressed."""
        made = self.part(name, actions.action_html(value, elem_id=self._elem_id(name)))
        self._pressable.append(made)
        return made

    def redraws(self, events: Sequence[Any]) -> None:
        """Draw the panel as it is now, at these events and when an input changes.

        Of the inputs that a person sets, the events take in what they held at the last change: a clock that ticks while
        an action empties a field would bring back what stood there.
        """
        set_by_hand = [name for name, each in self._inputs.items() if not isinstance(each, gr.State | gr.BrowserState)]
        set_by_hand += self._forms

        def look(**values: Any) -> list[Any]:
            is_first = values[STATE] == self._exchange.start
            asked = self._exchange.take_in(values, self._inputs, unasked=() if is_first else set_by_hand)
            return self._in_order(self._exchange.answer(asked, asked.now))

        for each, listen in ((list(events), look), (self._changes, self._listener(_as_it_is, _NOTHING))):
            if each:
                gr.on(
                    each,
                    report_errors(listen),
                    inputs_kwargs=self._given(_NOTHING),
                    outputs=self._sent_to(_NOTHING),
                    trigger_mode="always_last",
                    **QUIET,
                )

    def redraws_after(self, listener: Dependency) -> Dependency:
        """Draw the panel once a listener of another part of the page has succeeded."""
        return self._follow(listener.success, _as_it_is)

    def on_success(self, listener: Dependency, act: Callable[[State], State | Result[State] | Fields]) -> Dependency:
        """Call `act` with the state once a listener has succeeded."""
        return self._follow(listener.success, act, options=ACTING)

    def on_failure(self, listener: Dependency, act: Callable[[State], State | Result[State]]) -> Dependency:
        """Call `act` with the state once a listener has failed."""
        return self._follow(listener.failure, act)

    def on(
        self,
        events: Sequence[Any],
        act: Callable[..., Any],
        *,
        given: Mapping[str, Block] = _NOTHING,
        also: Mapping[str, Block] = _NOTHING,
        options: Mapping[str, Any] = ACTING,
    ) -> Dependency:
        """Call `act` with the state, and with the values of `given` by their names, at these events.

        It returns the state that is then, a `Result`, or `Fields`; as a generator it yields one after the other.
        What it `cancels` ends first: Gradio would end it after the answer, and with it what was begun meanwhile. What
        a stream of this panel has under way then is not sent any more: it would take back what the action did.
        """
        options = dict(options)
        if cancels := options.pop("cancels", None):
            gr.on(list(events), None, cancels=cancels, **QUIET)
        wired: Dependency = gr.on(
            list(events),
            report_errors(self._listener(act, also, stops=bool(cancels))),
            inputs_kwargs=self._given(given),
            outputs=self._sent_to(also),
            **options,
        )
        return wired

    def on_pressed(
        self,
        events: Sequence[Any],
        act: Callable[[State, str], Iterator[State | Result[State]]],
        *,
        options: Mapping[str, Any] = ACTING,
    ) -> Dependency:
        """Call `act` with the state and the name in the browser of what was pressed, as one listener for all of them.

        One page does one of these things at a time.
        """
        listen = report_errors(self._listener(act, _NOTHING))

        def call(event: gr.EventData, **values: Any) -> Iterator[list[Any]]:
            # A component that was updated is another object with another number; it keeps its name in the browser.
            yield from listen(getattr(event.target, "elem_id", ""), **values)

        wired: Dependency = gr.on(
            list(events), call, inputs_kwargs=self._given(_NOTHING), outputs=self._sent_to(_NOTHING), **options
        )
        return wired

    def on_action(
        self,
        act: Callable[..., Any],
        *,
        of: Collection[gr.HTML] | None = None,
        given: Mapping[str, Block] = _NOTHING,
        also: Mapping[str, Block] = _NOTHING,
        options: Mapping[str, Any] = ACTING,
    ) -> list[Dependency]:
        """Call `act` with the state and the `Action` that was pressed in one of these, or in any `action_html`."""
        listen = self._listener(act, also)
        return [
            actions.on_action(
                component, listen, inputs_kwargs=self._given(given), outputs=self._sent_to(also), **options
            )
            for component in (self._pressable if of is None else of)
        ]

    def download(
        self, event: Callable[..., Any], write: Callable[[State], str | None], *, save: str = "saveFile"
    ) -> None:
        """Let the browser save the file at the address that `write` returns for a state, unless that is nothing.

        With `saveText` it returns a text that was prepared by `downloads.text_file`.
        """
        if self._prepared is None:
            self._prepared = prepared_file()

        def prepare(**values: Any) -> Any:
            return write(self._exchange.take_in(values, self._inputs).now) or gr.skip()

        event(report_errors(prepare), inputs_kwargs=self._given(_NOTHING), outputs=[self._prepared], **ACTING).success(
            None, inputs=[self._prepared], js=scripts.call(save), show_progress="hidden"
        )

    def _follow(
        self, event: Callable[..., Any], act: Callable[..., Any], *, options: Mapping[str, Any] = QUIET
    ) -> Dependency:
        following: Dependency = event(
            report_errors(self._listener(act, _NOTHING)),
            inputs_kwargs=self._given(_NOTHING),
            outputs=self._sent_to(_NOTHING),
            **options,
        )
        return following

    def _listener(
        self, act: Callable[..., Any], also: Mapping[str, Block], *, stops: bool = False
    ) -> Callable[..., Any]:
        own = {*self._inputs, *self._in_forms, STATE, DRAWN, _STOPS}

        def take(values: Mapping[str, Any]) -> tuple[Asked[State], dict[str, Any]]:
            values[_STOPS].count += stops
            given = {name: each for name, each in values.items() if name not in own}
            return self._exchange.take_in(values, self._inputs), given

        def call(*pressed: Action, **values: Any) -> list[Any]:
            asked, given = take(values)
            return self._in_order(self._exchange.answer(asked, act(asked.now, *pressed, **given)), also)

        def stream(*pressed: str, **values: Any) -> Iterator[list[Any]]:
            asked, given = take(values)
            stopped = values[_STOPS].count
            for sent in self._exchange.answers(asked, act(asked.now, *pressed, **given)):
                if values[_STOPS].count != stopped:
                    return
                yield self._in_order(sent, also)

        return stream if inspect.isgeneratorfunction(act) else call

    def _in_order(self, sent: Mapping[str, Any], also: Mapping[str, Block] = _NOTHING) -> list[Any]:
        names = (*self._outputs, *also)
        if not sent.keys() <= set(names):
            raise ValueError(f"{self.name} has no parts {sorted(sent.keys() - set(names))}.")
        return [sent.get(name, gr.skip()) for name in names]

    def _check_field(self, name: str) -> None:
        if not hasattr(self._exchange.start, name):
            raise ValueError(f"The state of {self.name} has no field {name!r}.")

    def _elem_id(self, name: str) -> str:
        return f"{self.name}-{name.replace('_', '-')}"

    def _given(self, given: Mapping[str, Block]) -> dict[str, Block]:
        own = {STATE: self._outputs[STATE], DRAWN: self._outputs[DRAWN], _STOPS: self._stops}
        return {**self._inputs, **self._in_forms, **own, **given}

    def _sent_to(self, also: Mapping[str, Block]) -> list[Block]:
        self._is_connected = True
        return [*self._outputs.values(), *also.values()]


def _as_it_is(state: State) -> State:
    return state
