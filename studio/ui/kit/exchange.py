"""What goes between an open page and a panel: the fields and the state come in, what the page does not have goes out.

By names alone; the components belong to `panel`.
"""

import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from studio.ui.kit.drawn import Drawing, Drawn, only_new

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

State = TypeVar("State", bound="DataclassInstance")

STATE, DRAWN = "selection", "drawn"
"""The names under which a page keeps the state, and what it shows."""


@dataclass(frozen=True)
class Result(Generic[State]):
    """What comes of an action that does more than change the state: `updates` go to parts or to what `also` names.

    A part that `draw` draws is not for them: it would be drawn again only where the drawing changes.
    """

    state: State
    updates: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fields:
    """What comes of an action that only sets inputs, by the names of their fields; `updates` as in a `Result`.

    Nothing is drawn for it, and the state is not written: the page does both once, when it draws itself again because
    the inputs changed. Where an input is a `gr.State`, the listener has to go through the queue: the browser is not
    told of its change otherwise.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    updates: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """Components that hold one field of the state together, by their names.

    `read` makes the field of what they hold, and `show` says what one of them holds for it. Nothing in one is for
    `read` to judge.
    """

    names: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], Any]
    show: Callable[[str, Any], Any]

    def changed(self, before: Any, now: Any) -> dict[str, Any]:
        """Return what those components hold that hold something else now, by name."""
        shown = {name: self.show(name, now) for name in self.names}
        return {name: value for name, value in shown.items() if value != self.show(name, before)}


@dataclass(frozen=True)
class Asked(Generic[State]):
    """What a page sent: the state that it kept, what its inputs hold, the state with that in it, and what it shows.

    What the components of a form hold stands in `held` as the field that they make.
    """

    kept: State
    held: Mapping[str, Any]
    now: State
    drawn: Drawn


@dataclass(frozen=True)
class Exchange(Generic[State]):
    """What is sent for what a page sent. `draw` makes all parts of a state.

    `settle` says what follows from a change, given the state before it and after it: another search begins at its first
    page, for example. What a person set is a change, and so is an action. `forms` are by the names of their fields.
    """

    start: State
    draw: Callable[[State], Drawing] = lambda state: {}
    settle: Callable[[State, State], State] = lambda before, now: now
    clock: Callable[[], float] = time.monotonic
    forms: Mapping[str, Form] = field(default_factory=dict)

    def take_in(
        self, values: Mapping[str, Any], inputs: Collection[str], *, unasked: Collection[str] = ()
    ) -> Asked[State]:
        """Take in what the inputs hold. Nothing in one is the default of its field, and a list becomes a tuple.

        `unasked` names those that stay as they are kept, since no person changed one: what a page sends by itself may
        be older than what is on its way to it.
        """
        kept: State = values[STATE]
        held = {name: getattr(kept, name) if name in unasked else self._plain(name, values[name]) for name in inputs}
        for name, form in self.forms.items():
            read = name not in unasked
            held[name] = form.read({each: values[each] for each in form.names}) if read else getattr(kept, name)
        return Asked(kept, held, self.settle(kept, dataclasses.replace(kept, **held)), values[DRAWN])

    def answer(self, asked: Asked[State], result: State | Result[State] | Fields) -> dict[str, Any]:
        """Draw what came of an action; return what the page does not have of it by name, the state among it."""
        if isinstance(result, Fields):
            return {**self._set(asked, result.values), **result.updates}
        state, updates = (result.state, result.updates) if isinstance(result, Result) else (result, {})
        now = state if state is asked.now else self.settle(asked.now, state)
        fields = {*asked.held, *(name for form in self.forms.values() for name in form.names)}
        sent, drawn = only_new(self.draw(now), asked.drawn, fields=fields, clock=self.clock)
        for name, value in self._new_values(asked, now, drawn).items():
            sent[name] = {**sent[name], "value": value} if name in sent else value
        if now != asked.kept:
            sent[STATE] = now
        if drawn is not asked.drawn:
            sent[DRAWN] = drawn
        return {**sent, **updates}

    def answers(self, asked: Asked[State], results: Iterator[State | Result[State]]) -> Iterator[dict[str, Any]]:
        """Answer each step of an action, knowing what was sent for those before it."""
        for result in results:
            sent = self.answer(asked, result)
            yield sent
            now = sent.get(STATE, asked.kept)
            held = {name: self._plain(name, getattr(now, name)) for name in asked.held}
            asked = Asked(now, held, now, sent.get(DRAWN, asked.drawn))

    def _set(self, asked: Asked[State], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the inputs of these fields hold then, by name."""
        new: dict[str, Any] = {}
        for name, value in values.items():
            form = self.forms.get(name)
            new |= {name: value} if form is None else form.changed(asked.held[name], value)
        return new

    def _new_values(self, asked: Asked[State], now: State, drawn: Drawn) -> dict[str, Any]:
        """Return what the inputs hold that hold something else than the page sent, by name."""
        new: dict[str, Any] = {}
        for name, held in asked.held.items():
            if name in self.forms:
                new |= self.forms[name].changed(held, getattr(now, name))
                continue
            wanted = drawn.value_of(name, getattr(now, name))
            if self._plain(name, wanted) != held:
                new[name] = list(wanted) if isinstance(wanted, tuple) else wanted
        return new

    def _plain(self, name: str, value: Any) -> Any:
        if value is None:
            return getattr(self.start, name)
        return tuple(value) if isinstance(value, list) else value
