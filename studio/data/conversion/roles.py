"""Which column plays which part, and whether that is enough to learn from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from studio.data.conversion import prompt_templates
from studio.data.conversion.cells import listed, quoted
from studio.data.conversion.column_names import MOST_COLUMNS, hints, meanings, means

CHAT = "chat"
INSTRUCTION = "instruction"
PROMPT_COMPLETION = "prompt-completion"
QUESTION_ANSWER = "question-answer"
PREFERENCE = "preference"
TEXT = "text"
KINDS = (CHAT, INSTRUCTION, PROMPT_COMPLETION, QUESTION_ANSWER, PREFERENCE, TEXT)

IGNORE = "ignore"
_SINGLE = (
    *("system", "input", "reasoning", "answer", "conversation", "history", "tools", "text"),
    *("id", "parent", "thread", "order", "speaker", "message"),
)
PARTS = ("system", "prompt", *_SINGLE[1:], IGNORE)
_ANSWERS = ("output", "completion", "answer", "response", "target", "conversation", "chosen")
_DOUBTS = {
    "speaker": "Here each row seems to be one message (column {}). Choose the columns that say who speaks and what, "
    "and those by which the rows of a conversation hang together: its id, or the ids of a row and of the one before.",
    "choices": "The answers may be no more than the letters or numbers of choices (column {}). Choose the columns "
    "yourself, with a template that names the choices, or put the words of the right choice into a column first.",
    "verdict": "The column {} may say which answers are good, and all would be learned alike. Keep only the rows that "
    "are good, then choose the columns yourself.",
    "label": "The column {} may be what is to be answered: choose it as the answer, and the text as the prompt. Where "
    "it holds numbers of classes, write the names of the classes instead, because the model answers in words.",
}
"""Why it is better to ask, by what a column is called."""


@dataclass(frozen=True)
class Roles:
    """Which column plays which part; a part that no column plays is empty.

    `kind` is one of `KINDS`, and empty while the parts do not suffice: `missing` says what to assign then. Several
    `prompts` are put together in their order, or as `template` says. Rows hang together where `parent` holds the `id`
    of the row before, or where `thread` holds the same in each of them, in the order of the numbers or times in
    `order`. Where a row is one message, `speaker` says who speaks and `message` what.
    """

    kind: str = ""
    conversation: str = ""
    system: str = ""
    prompts: tuple[str, ...] = ()
    input: str = ""
    answer: str = ""
    history: str = ""
    tools: str = ""
    text: str = ""
    template: str = ""
    reasoning: str = ""
    id: str = ""
    parent: str = ""
    thread: str = ""
    order: str = ""
    speaker: str = ""
    message: str = ""

    @property
    def hangs_together(self) -> bool:
        """Whether rows follow one another, so that several make one conversation."""
        return bool(self.thread or self.parent)


def parts_of(roles: Roles, columns: Sequence[str]) -> dict[str, str]:
    """Return the part of every column."""
    parts = {column: part for part, column in _assigned(roles)}
    return {column: parts.get(column, IGNORE) for column in columns}


def assign(parts: Mapping[str, str], *, template: str = "") -> Roles:
    """Return the roles that a person has chosen: the part of each column, the ignored ones included.

    A part that only one column can play stays empty when several are chosen for it. `kind` is empty when the choice
    does not suffice. Pairs of answers are recognised by the names of the chosen and the ignored column.
    """
    playing = {part: [column for column, chosen in parts.items() if chosen == part] for part in PARTS}
    single = {part: playing[part][0] if len(playing[part]) == 1 else "" for part in _SINGLE}
    roles = Roles(
        prompts=tuple(playing["prompt"]),
        template=template,
        **single,
    )
    if _contradiction(roles) or _not_chosen(roles, ()) or any(len(playing[part]) > 1 for part in _SINGLE):
        return roles
    return replace(roles, kind=_kind(roles, playing[IGNORE]))


def missing(roles: Roles, columns: Sequence[str]) -> str:
    """Return the sentence that says what is still to be assigned, or "" when every row can be read as an example."""
    chosen = [column for _, column in _assigned(roles)]
    found = f"The file has: {listed(columns)}."
    for column in chosen:
        if column not in columns:
            return f"There is no column {quoted(column)}. {found}"
        if chosen.count(column) > 1:
            return f"The column {quoted(column)} is chosen for two parts. Choose a column of its own for each part."
    trouble = _contradiction(roles) or _not_chosen(roles, columns) or _template_trouble(roles, columns)
    if trouble:
        return trouble
    if roles.kind not in KINDS:
        return f"Choose what each column holds: only one column can play each part but the prompt. {found}"
    return ""


def notes_on(roles: Roles) -> tuple[str, ...]:
    """Return what a person should know about how rows of this kind are read."""
    notes = []
    if roles.kind == PREFERENCE:
        notes.append("The chosen answer of each pair is used; the rejected one is not learned.")
    if roles.kind == TEXT:
        notes.append("Each text is learned whole, as plain text and not as question and answer.")
    if roles.hangs_together:
        by = quoted(roles.parent or roles.thread)
        row = f"Each row is one message (column {quoted(roles.message)}). " if roles.message else ""
        order = f", in the order of the column {quoted(roles.order)}" if roles.order else ""
        notes.append(f"{row}Rows that hang together by the column {by} are put together into conversations{order}.")
    if roles.conversation == "mapping":
        notes.append("Only what was said is used; searches, code and thinking in between are left out.")
    return tuple(notes)


def columns_read(roles: Roles) -> str:
    """Name the columns that are used and what becomes of them: "instruction, input → output"."""
    if roles.conversation:
        return f"conversations in '{roles.conversation}'"
    if roles.message:
        return f"messages in '{roles.message}'"
    if roles.text:
        return f"plain text in '{roles.text}'"
    read = (roles.system, roles.history, *roles.prompts, roles.input, roles.tools)
    learned = (roles.reasoning, roles.answer)
    return " → ".join(filter(None, (", ".join(filter(None, side)) for side in (read, learned))))


def _assigned(roles: Roles) -> Iterator[tuple[str, str]]:
    """Yield each part that a column plays, with the column."""
    yield from ((part, column) for part in _SINGLE if (column := getattr(roles, part)))
    yield from (("prompt", column) for column in roles.prompts)


def _kind(roles: Roles, ignored: Sequence[str]) -> str:
    if roles.text:
        return TEXT
    preferred = roles.conversation or roles.answer
    if means(preferred, "chosen") and any(means(column, "rejected") for column in ignored):
        return PREFERENCE
    if roles.conversation or roles.message:
        return CHAT
    if any(means(column, "instruction") for column in roles.prompts):
        return INSTRUCTION
    if any(means(column, concept) for column in roles.prompts for concept in ("question", "problem")):
        return QUESTION_ANSWER
    return INSTRUCTION if roles.input or roles.history else PROMPT_COMPLETION


def _contradiction(roles: Roles) -> str:
    """Say which two parts exclude each other, or ""."""
    others = [(part, column) for part, column in _assigned(roles) if part not in ("text", "conversation")]
    if roles.text and (others or roles.conversation):
        other = roles.conversation or others[0][1]
        return (
            f"Plain text ({quoted(roles.text)}) is learned whole, beside no other part. "
            f"Set {quoted(other)} to ignore, or {quoted(roles.text)}."
        )
    beside = [column for part, column in others if part not in ("system", "tools")]
    if trouble := _contradiction_of_rows(roles):
        return trouble
    if roles.conversation and beside:
        return (
            f"The conversation ({quoted(roles.conversation)}) holds its own questions and answers. "
            f"Set {quoted(beside[0])} to ignore, or {quoted(roles.conversation)}."
        )
    return ""


def _contradiction_of_rows(roles: Roles) -> str:
    """Say which part is missing or too many of those that put rows together, or ""."""
    if bool(roles.parent) != bool(roles.id):
        return (
            "Rows are put together by two columns: one with the id of each row, and one with the id of the row before "
            f"it, its parent. Choose both, or set {quoted(roles.parent or roles.id)} to ignore."
        )
    if roles.parent and roles.thread:
        return (
            f"Rows hang together by {quoted(roles.parent)} or by {quoted(roles.thread)}, not by both. "
            "Set one of them to ignore."
        )
    if roles.order and not roles.thread:
        return (
            f"Rows are put in order by {quoted(roles.order)} within a conversation. Choose the column that holds the "
            f"same in all rows of a conversation (thread), or set {quoted(roles.order)} to ignore."
        )
    if bool(roles.speaker) != bool(roles.message):
        return (
            "Where each row is one message, one column says who speaks (speaker) and one what is said (message). "
            f"Choose both, or set {quoted(roles.speaker or roles.message)} to ignore."
        )
    others = (*roles.prompts, roles.input, roles.answer, roles.history)
    if roles.message and (other := next(filter(None, others), "")):
        return (
            f"A row that is one message ({quoted(roles.message)}) holds no question with its answer. "
            f"Set {quoted(other)} to ignore, or {quoted(roles.message)} and {quoted(roles.speaker)}."
        )
    if roles.message and not roles.hangs_together:
        return (
            f"Each row is one message ({quoted(roles.message)}), and it is not said which rows belong together. Choose "
            "the column with the id of the conversation (thread), or those with the ids of each row and of the row "
            "before it (id and parent)."
        )
    return ""


def _not_chosen(roles: Roles, columns: Sequence[str]) -> str:
    """Say which part has no column yet, or ""."""
    if roles.text or roles.conversation or roles.message:
        return ""
    found = f"The file has: {listed(columns)}."
    asks = bool(roles.prompts or roles.input or roles.template)
    if not asks and not roles.answer:
        doubt = "" if roles.system or roles.history or roles.tools else _doubt(columns)
        if doubt:
            return f"Choose what each column holds. {doubt} {found}"
        return f"Choose what each column holds: a prompt and its answer, a conversation, or plain text. {found}"
    if not asks:
        return f"Choose which column holds the prompt, that is what is asked. {found}"
    return "" if roles.answer else f"Choose which one column holds the answer. {found}"


def _doubt(columns: Sequence[str]) -> str:
    """Say why columns that look like examples are not read as such unasked, or ""."""
    seen = {column: meanings(column) | hints(column) for column in columns[:MOST_COLUMNS]}
    answers = any(not meant.isdisjoint(_ANSWERS) for meant in seen.values())
    for concept, sentence in _DOUBTS.items():
        names = (concept, "label") if concept == "verdict" else (concept,)
        by = next((column for column, meant in seen.items() if not meant.isdisjoint(names)), None)
        if by is not None and (concept == "speaker" or answers != (concept == "label")):
            return sentence.format(quoted(by))
    return ""


def _template_trouble(roles: Roles, columns: Sequence[str]) -> str:
    """Say what is wrong with the template, or ""."""
    if not roles.template:
        return ""
    if prompt_templates.has_stray_brace(roles.template):
        return "A brace in the template stands alone. Write {name of a column}, or {{ and }} for braces as such."
    named = prompt_templates.names_in(roles.template)
    for name in named:
        if name not in columns:
            return f"The template names {quoted(name)}, which is no column. The file has: {listed(columns)}."
    for column in (*roles.prompts, *([roles.input] if roles.input else [])):
        if column not in named:
            return f"The template leaves out {quoted(column)}. Add {{{column}}} to it, or set the column to ignore."
    return "" if named else "The template names no column. Write the name of one in braces, such as {question}."
