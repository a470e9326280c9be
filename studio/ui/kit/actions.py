"""Lists of buttons and choosers as HTML: one component and one listener, however many there are.

What was pressed comes from a browser, so it is read as three short texts and nothing else; what they mean, and whether
they can be meant, the listener judges. Knows nothing of what is listed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.events import Dependency
from markupsafe import Markup

from studio.ui.kit.errors import shown
from studio.ui.kit.sent_values import can_be_written

_LONGEST = 200

HOLD = r"""
function hold(pressed) {
  const all = [...document.querySelectorAll('button[data-fixes], button.ls-fixes')].filter((each) => !each.disabled);
  const began = Date.now();
  let seen = began;
  pressed?.classList.add('ls-working');
  all.forEach((each) => { each.disabled = true; });
  const look = setInterval(() => {
    if (document.querySelector('#data-imports [data-changes]')) { seen = Date.now(); return; }
    // Before it is seen, it has not begun yet; after it, what it made is still to be drawn.
    if (Date.now() - seen < (seen === began ? 5000 : 1500)) return;
    clearInterval(look);
    pressed?.classList.remove('ls-working');
    all.forEach((each) => { each.disabled = false; });
  }, 250);
}
"""
"""Shows at once that a change is being made: the pressed button says so, and no other change can be asked for. Ends
once the card of that change has come and gone; buttons that were drawn again meanwhile are new."""

HOLD_PRESSED = f"(...values) => {{ {HOLD} hold(document.activeElement?.closest('button.ls-fixes')); return values; }}"
"""What a listener of a button of Gradio's gives as `js` to show the same; the button has the class `ls-fixes`."""

_SCRIPT = r"""
__HOLD__
const send = (source, value) => {
  trigger('click', {verb: source.dataset.verb, key: source.dataset.key || '', value});
  const seen = source.dataset.scroll && document.getElementById(source.dataset.scroll);
  if (seen) seen.scrollIntoView({behavior: 'smooth', block: 'center'});
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-verb]');
  if (!button || button.disabled) return;
  send(button, '');
  if (button.dataset.fixes !== undefined) hold(button);
  if (button.dataset.once === undefined) return;
  button.disabled = true;
  setTimeout(() => { button.disabled = false; }, 1500);
});
element.addEventListener('change', (event) => {
  if (event.target.matches('select[data-verb]')) send(event.target, event.target.value);
});
// What is chosen is a matter of the markup: the browser keeps what a person chose, also when the page says otherwise.
watch('value', () => element.querySelectorAll('select').forEach((chooser) => {
  const chosen = chooser.querySelector('option[selected]');
  if (chosen) chooser.value = chosen.value;
}));
// What is drawn again while a person uses it keeps the focus, or the keyboard would begin at the top of the page.
let held = null;
document.addEventListener('focusin', ({target}) => {
  held = element.contains(target) ? target.closest('[data-verb]') : null;
});
document.addEventListener('pointerdown', ({target}) => { if (!element.contains(target)) held = null; });
watch('value', () => {
  if (!held || held.isConnected || document.activeElement !== document.body) return;
  const alike = [...element.querySelectorAll('[data-verb]')].filter((each) => each.dataset.verb === held.dataset.verb);
  const same = alike.find((each) => each.dataset.key === held.dataset.key);
  same?.focus({preventScroll: true});
});
"""


@dataclass(frozen=True)
class Action:
    """What was pressed: `verb` says what to do, `key` with which item, `value` is what a chooser was set to."""

    verb: str = ""
    key: str = ""
    value: str = ""

    @property
    def number(self) -> int:
        """The key as a number, -1 when it is none."""
        return int(self.key) if self.key.isascii() and self.key.isdigit() else -1


def read_action(data: object) -> Action:
    """Read what a browser sent. Anything but three short texts is a press of nothing."""
    if not isinstance(data, Mapping):
        return Action()
    parts = [data.get(name, "") for name in ("verb", "key", "value")]
    if not all(isinstance(part, str) and len(part) <= _LONGEST and can_be_written(part) for part in parts):
        return Action()
    return Action(*parts)


def action_html(value: Markup | str = "", *, elem_id: str) -> gr.HTML:
    """Show markup whose buttons and choosers can be pressed, see `button` and `chooser`."""
    return gr.HTML(str(value), elem_id=elem_id, js_on_load=_SCRIPT.replace("__HOLD__", HOLD), apply_default_css=False)


def on_action(
    component: gr.HTML,
    listener: Callable[..., Any],
    *,
    inputs_kwargs: Mapping[str, Block] | None = None,
    outputs: Sequence[Any],
    **options: Any,
) -> Dependency:
    """Call `listener` with the `Action`, and the inputs by their names, when something in the component is pressed."""

    def call(event: gr.EventData, **values: Any) -> Any:
        return shown(listener)(read_action(event._data), **values)

    pressed: Dependency = component.click(
        call, inputs_kwargs=dict(inputs_kwargs or {}), outputs=list(outputs), **options
    )
    return pressed


def button(
    label: str,
    verb: str,
    *,
    key: object = "",
    kind: str = "",
    name: str = "",
    scroll: str = "",
    once: bool = False,
    fixes: bool = False,
) -> Markup:
    """Make a button. `name` is what a screen reader says where the label alone is not enough.

    `scroll` is the id of what comes into sight; `once` is for work that must not be started twice by a double click;
    `fixes` is for what makes another version of a data set, one at a time, and looks busy until that is there.
    """
    return Markup('<button type="button" class="ls-button {}" data-verb="{}" data-key="{}"{}{}{}{}>{}</button>').format(
        f"ls-{kind}" if kind else "",
        verb,
        key,
        Markup(' aria-label="{}"').format(name) if name else "",
        Markup(' data-scroll="{}"').format(scroll) if scroll else "",
        Markup(" data-once") if once else "",
        Markup(" data-fixes") if fixes else "",
        label,
    )


def chooser(verb: str, *, key: object, choices: Sequence[tuple[str, str]], chosen: str, name: str) -> Markup:
    """Make a chooser of one of `choices`, each a value with its label; `name` is what a screen reader says."""
    options = Markup("").join(
        Markup('<option value="{}"{}>{}</option>').format(value, Markup(" selected") if value == chosen else "", label)
        for value, label in choices
    )
    return Markup('<select class="ls-select" data-verb="{}" data-key="{}" aria-label="{}">{}</select>').format(
        verb, key, name, options
    )
