"""How the files are read, and which column plays which part: choosers above the first rows, and what a choice means.

Every text from a file is escaped.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from studio.data.conversion.roles import PARTS, Roles, assign, missing, parts_of
from studio.data.dataset_folders import Dataset
from studio.data.inspection import Inspection
from studio.data.reading_choices import ENCODING, LIST, SHEET, SPLITS, Option, Question
from studio.ui.kit import actions, fragments
from studio.ui.kit.actions import Action

READ_AS = "read-as"
_QUESTIONS = {ENCODING: "Text encoding", SHEET: "Sheet", LIST: "List", SPLITS: "Rows for tests"}

IGNORE = "ignore"
PROMPT = "prompt"
LABELS = {
    PROMPT: "Question (prompt)",
    "input": "Context",
    "reasoning": "Reasoning before the answer",
    "answer": "Answer",
    "system": "System prompt",
    "conversation": "Whole conversation",
    "history": "Earlier turns",
    "tools": "Available tools",
    "text": "Plain text",
    "id": "Id of the row",
    "parent": "Id of the row before it",
    "thread": "Same in one conversation",
    "order": "Place in the conversation",
    "speaker": "Who says it",
    "message": "One message",
    IGNORE: "Not used",
}
_TURNS = ("conversation", "history")
_IN_TURNS = {
    "role": re.compile(r'"(?:role|from|speaker)"\s*:\s*"(\w+)'),
    "text": re.compile(r'"(?:content|value|text)"\s*:\s*"((?:[^"\\]|\\.)*)'),
}
_MEANINGS = {
    PROMPT: "what the model is asked; several columns can make it together",
    "input": "a text that the question is about; it stands below the question",
    "reasoning": "what is thought before the answer, learned where the model's chat template has a place for it",
    "answer": "what the model learns to write",
    "system": "an instruction that stands before all else",
    "conversation": "all turns in one cell, questions and answers",
    "history": "the turns before the question",
    "tools": "the tools that the model may use",
    "text": "learned whole, word by word, without question and answer",
    "id": "names the row, so that others can follow it",
    "parent": "the row that this one follows, so that both are one conversation",
    "thread": "rows with the same here are one conversation, in their order",
    "order": "numbers or times by which the rows of a conversation are put in order",
    "speaker": "who speaks in this row, where each row is one message of a conversation",
    "message": "what is said in this row",
}


@dataclass(frozen=True)
class Assigning:
    """The parts that a person has chosen for the columns of a data set, while they are not enough to read it."""

    dataset_id: str = ""
    parts: tuple[str, ...] = ()
    template: str = ""


@dataclass(frozen=True)
class Chosen:
    """How the columns are read now: stored with the data set, or being chosen."""

    parts: Mapping[str, str]
    roles: Roles
    verdict: str

    @property
    def needs_template(self) -> bool:
        """Whether there is a choice of how the prompt is made."""
        return len(self.roles.prompts) > 1 or bool(self.roles.template)


def chosen(dataset: Dataset, assigning: Assigning | None) -> Chosen:
    """Return how the columns of a data set are read, with what is being chosen where there is something."""
    inspection = dataset.inspection
    if assigning is None or assigning.dataset_id != dataset.id or len(assigning.parts) != len(inspection.columns):
        return Chosen(parts_of(inspection.roles, inspection.columns), inspection.roles, inspection.verdict)
    parts = dict(zip(inspection.columns, assigning.parts, strict=True))
    roles = assign(parts, template=assigning.template)
    return Chosen(parts, roles, missing(roles, inspection.columns))


def choose(dataset: Dataset, assigning: Assigning | None, press: Action) -> Assigning | None:
    """Return the parts once a chooser was set. None when the press is not one of this table."""
    columns = dataset.inspection.columns
    if press.verb != "part" or press.value not in PARTS or not 0 <= press.number < len(columns):
        return None
    now = chosen(dataset, assigning)
    parts = with_part(now.parts, columns[press.number], press.value)
    prompts = sum(part == PROMPT for part in parts.values())
    template = now.roles.template if prompts > 1 else ""
    return Assigning(dataset.id, tuple(parts[column] for column in columns), template)


def with_template(dataset: Dataset, assigning: Assigning | None, template: str) -> Assigning:
    """Return the parts with a template for the prompt."""
    now = chosen(dataset, assigning)
    return Assigning(dataset.id, tuple(now.parts[column] for column in dataset.inspection.columns), template)


def with_part(parts: Mapping[str, str], column: str, part: str) -> dict[str, str]:
    """Give a column a part. A part that only one column can play changes places with the one that played it."""
    changed = {**parts, column: part}
    if part not in (PROMPT, IGNORE):
        changed |= {other: parts[column] for other, played in parts.items() if played == part and other != column}
    return changed


def table(inspection: Inspection, parts: Mapping[str, str]) -> Markup:
    """Show the first rows, with a chooser of the part in the header of every column."""
    choices = [(part, LABELS.get(part, part)) for part in _offered(parts)]
    head = fragments.join(
        Markup('<th scope="col"><span title="{}">{}</span>{}</th>').format(
            column,
            column,
            actions.chooser(
                "part",
                key=number,
                choices=choices,
                chosen=parts.get(column, IGNORE),
                name=f"What the column {column} holds",
            ),
        )
        for number, column in enumerate(inspection.columns)
    )
    played = [parts.get(column, IGNORE) for column in inspection.columns]
    rows = fragments.join(_row(cells, played) for cells in inspection.preview)
    return Markup(
        '<div class="ls-table" tabindex="0" role="group" aria-label="The first rows">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}"
    ).format(head, rows, _legend(parts))


def _offered(parts: Mapping[str, str]) -> list[str]:
    """List the parts in the order of how often they are wanted."""
    return [part for part in LABELS if part in PARTS] + [part for part in PARTS if part not in LABELS]


def _row(cells: Sequence[str], played: Sequence[str]) -> Markup:
    return Markup("<tr>{}</tr>").format(
        fragments.join(
            Markup('<td{}><div translate="no">{}</div></td>').format(
                Markup(' class="ls-ignored"') if part == IGNORE else "", turns(cell) if part in _TURNS else cell
            )
            for cell, part in zip(cells, played, strict=False)
        )
    )


def turns(cell: str) -> str:
    """Write a conversation that is JSON, perhaps cut short, as "user: ... / assistant: ..."; other text as it is."""
    found = {key: [_unescaped(text) for text in pattern.findall(cell)] for key, pattern in _IN_TURNS.items()}
    if not cell.startswith(("[", "{")) or not found["text"] or len(found["role"]) - len(found["text"]) not in (0, 1):
        return cell
    said = [f"{role}: {text}" for role, text in zip(found["role"], found["text"], strict=False)]
    return " / ".join(said)


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:  # cut within an escape
        return text


def _legend(parts: Mapping[str, str]) -> Markup:
    played = [part for part in LABELS if part in parts.values() and part in _MEANINGS]
    if not played:
        return fragments.line("quiet", "Choose above each column what it holds: at least the question and the answer.")
    text = "; ".join(f"{LABELS[part]}: {_MEANINGS[part]}" for part in played)
    return fragments.line("quiet", f"{text}.")


def default_template(roles: Roles) -> str:
    """Return the template that does what happens without one."""
    names = [*roles.prompts, *([roles.input] if roles.input else [])]
    return "\n\n".join(f"{{{name}}}" for name in names)


def questions(asked: Sequence[Question]) -> Markup:
    """Show a chooser for each question; one that is open shows its likeliest answers with their first lines."""
    if not asked:
        return Markup("")
    return Markup('<div class="ls-questions">{}</div>').format(fragments.stack([_question(each) for each in asked]))


def _question(question: Question) -> Markup:
    title = _QUESTIONS.get(question.about, question.about)
    choices = [("", "Choose one")] if question.is_open else []
    choices += [(option.value, option.label) for option in question.options]
    chooser = actions.chooser(
        READ_AS,
        key=question.about,
        choices=choices,
        chosen="" if question.is_open else question.chosen,
        name=f"{title} of the file",
    )
    shown = [_lines(option) for option in question.options if option.lines] if question.is_open else []
    text = Markup('<div class="ls-top"><strong>{}</strong><span class="ls-note">{}</span>{}</div>').format(
        title, question.text, chooser
    )
    return fragments.stack([text, *shown])


def _lines(option: Option) -> Markup:
    lines = fragments.join(Markup('<li translate="no">{}</li>').format(line) for line in option.lines)
    return Markup('<div><span class="ls-note">{}</span><ul class="ls-notes">{}</ul></div>').format(option.label, lines)
