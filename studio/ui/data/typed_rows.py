"""Rows that a person types: a question and an answer each, in fields of the browser's own.

The browser holds what is typed, so that no letter waits for the server and a reload loses nothing; it is read when it
is added. Knows nothing of what becomes of the rows.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

FEWEST_ROWS = 4

_TEMPLATE = """
<div class="ls-typed" role="group" aria-label="Questions and answers">
  <div class="ls-typed-row ls-typed-head" aria-hidden="true"><span>Question</span><span>Answer</span></div>
</div>
"""

_SCRIPT = r"""
const list = element.querySelector('.ls-typed');
const store = 'lora-studio-typed';
const rows = () => [...list.querySelectorAll('.ls-typed-row:not(.ls-typed-head)')]
  .map((row) => [...row.querySelectorAll('textarea')].map((field) => field.value));
const isUsed = (row) => row.some((text) => text.trim() !== '');
const used = () => JSON.stringify(rows().filter(isUsed));

function fit(field) {
  field.style.height = 'auto';
  if (field.scrollHeight) field.style.height = `${field.scrollHeight + 2}px`;
}
function add(texts) {
  const row = document.createElement('div');
  row.className = 'ls-typed-row';
  const number = rows().length + 1;
  ['Question', 'Answer'].forEach((name, place) => {
    const field = document.createElement('textarea');
    field.rows = 1;
    field.value = texts[place] || '';
    field.setAttribute('aria-label', `${name} ${number}`);
    field.placeholder = number === 1 ? ['What colour is the lamp?', 'It is red.'][place] : '';
    row.append(field);
  });
  list.append(row);
  row.querySelectorAll('textarea').forEach(fit);
}
function fill(typed) {
  list.querySelectorAll('.ls-typed-row:not(.ls-typed-head)').forEach((row) => row.remove());
  typed.forEach(add);
  while (rows().length < __FEWEST__ || isUsed(rows().at(-1))) add(['', '']);
}
function keep() {
  try { sessionStorage.setItem(store, used()); } catch { /* a browser may refuse to keep anything */ }
}
function kept() {
  try {
    const typed = JSON.parse(sessionStorage.getItem(store) || '[]');
    return typed.filter((row) => Array.isArray(row) && row.every((text) => typeof text === 'string'));
  } catch { return []; }
}
list.addEventListener('input', (event) => {
  fit(event.target);
  if (isUsed(rows().at(-1))) add(['', '']);
  keep();
});
list.addEventListener('focusin', (event) => fit(event.target));
// What was added is taken away, unless more was typed since.
watch('value', () => {
  if (list.dataset.sent !== used()) return;
  fill([]);
  keep();
});
fill(kept());
"""

READ_FIELDS = r"""(rows, ...others) => {
  const list = document.querySelector('#data-rows .ls-typed');
  const typed = [...list.querySelectorAll('.ls-typed-row:not(.ls-typed-head)')]
    .map((row) => [...row.querySelectorAll('textarea')].map((field) => field.value))
    .filter((row) => row.some((text) => text.trim() !== ''));
  list.dataset.sent = JSON.stringify(typed);
  return [typed, ...others];
}"""
"""What a listener gives as `js`, with the rows as its first input, to get what stands in the fields."""


def typed_rows() -> gr.HTML:
    """Make the fields. There is always an empty row below the last one in use."""
    return gr.HTML(
        value={"emptied": 0},
        html_template=_TEMPLATE,
        js_on_load=_SCRIPT.replace("__FEWEST__", str(FEWEST_ROWS)),
        apply_default_css=False,
        elem_id="data-rows",
    )


def emptied() -> Any:
    """Return the update that empties the fields of what was added."""
    return gr.update(value={"emptied": time.time_ns()})


def read_rows(sent: object) -> tuple[tuple[str, str], ...]:
    """Read what a browser sent as rows; empty ones, and what is no row, are passed over."""
    rows = sent if isinstance(sent, Sequence) and not isinstance(sent, str | Mapping) else ()
    pairs = [(_cell(row, 0), _cell(row, 1)) for row in rows if isinstance(row, list | tuple)]
    return tuple((question, answer) for question, answer in pairs if question.strip() or answer.strip())


def _cell(row: Sequence[object], place: int) -> str:
    return str(row[place]) if place < len(row) and row[place] is not None else ""
