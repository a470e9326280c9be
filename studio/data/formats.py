"""From a table to conversations: which column plays which part, and every row as one example.

Roles and wordings of the usual formats (OpenAI messages, ShareGPT, Alpaca, prompt and completion, question and answer)
are known here and nowhere else. Knows nothing of files, tokens or chat templates. Text is taken as it stands: nothing
is stripped or rewritten.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from studio.data.examples import Example, Message
from studio.data.readers import Table
from studio.data.rows import Row, RowProblem
from studio.errors import DataError

CHAT = "chat"
INSTRUCTION = "instruction"
PROMPT_COMPLETION = "prompt-completion"
QUESTION_ANSWER = "question-answer"
KINDS = (CHAT, INSTRUCTION, PROMPT_COMPLETION, QUESTION_ANSWER)

_CONVERSATION_NAMES = ("messages", "conversations", "conversation", "dialogue", "dialog", "chat")
_SYSTEM_NAMES = ("system", "systemprompt", "systemmessage")
_INPUT_NAMES = ("input", "context")
_ANSWER_NAMES = ("output", "response", "answer", "completion", "reply")
_ASKING_NAMES = {
    INSTRUCTION: ("instruction", "instructions"),
    PROMPT_COMPLETION: ("prompt", "input"),
    QUESTION_ANSWER: ("question", "query"),
}
_SPEAKERS = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "model": "assistant",
}
_EXPECTED = (
    "Expected are: messages (or conversations); instruction, input and output; prompt and completion; "
    "or question and answer. Rename the columns of your file so."
)


@dataclass(frozen=True)
class Roles:
    """Which column plays which part. `kind` is one of `KINDS`; a part that no column plays is empty."""

    kind: str
    messages: str = ""
    system: str = ""
    prompt: str = ""
    input: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Conversion:
    """The examples that a table gives, and the rows that are left out with the reason."""

    roles: Roles
    examples: tuple[Example, ...]
    problems: tuple[RowProblem, ...]


class _UnusableError(Exception):
    """The one reason why a row gives no example. Never leaves this module."""


def guess_roles(table: Table) -> Roles:
    """Find the parts that the columns play from their names; case, spaces, hyphens and underscores do not matter.

    Raises DataError naming the columns found and what is expected.
    """
    names = {_plain_name(column): column for column in reversed(table.columns)}
    system = _first(names, _SYSTEM_NAMES)
    messages = _first(names, _CONVERSATION_NAMES)
    if messages and any(_turns(row.cells.get(messages)) is not None for row in table.rows):
        return Roles(CHAT, messages=messages, system=system)
    answer = _first(names, _ANSWER_NAMES)
    for kind, asking in _ASKING_NAMES.items():
        prompt = _first(names, asking)
        if prompt and answer:
            extra = _first(names, _INPUT_NAMES) if kind == INSTRUCTION else ""
            return Roles(kind, system=system, prompt=prompt, input=extra, answer=answer)
    found = f"The file has: {_listed(table.columns)}."
    if messages:
        raise DataError(f"Column '{messages}' holds no conversations. {found}", _EXPECTED)
    raise DataError(f"No columns that ask and answer were recognised. {found}", _EXPECTED)


def to_examples(table: Table, roles: Roles) -> Conversion:
    """Turn every row into an example, or into the reason why it is left out.

    Raises DataError when a column of `roles` is not in the table, and when no row is usable.
    """
    _check_roles(table.columns, roles)
    examples: list[Example] = []
    problems: list[RowProblem] = []
    for row in table.rows:
        try:
            messages = _conversation(row, roles) if roles.kind == CHAT else _question_and_answer(row, roles)
            examples.append(Example(messages, row.number))
        except _UnusableError as reason:
            problems.append(RowProblem(row.number, str(reason)))
    if not examples:
        first = problems[0] if problems else RowProblem(0, "There are no rows.")
        raise DataError(
            f"None of the {len(problems)} rows can be learned from. Row {first.row}: {first.text}",
            "Correct the rows, or choose other columns.",
        )
    return Conversion(roles, tuple(examples), tuple(problems))


def _check_roles(columns: Sequence[str], roles: Roles) -> None:
    if roles.kind not in KINDS:
        raise DataError(f"'{roles.kind}' is not a kind of data set.", f"Choose one of: {', '.join(KINDS)}.")
    needed = {"messages": roles.messages} if roles.kind == CHAT else {"prompt": roles.prompt, "answer": roles.answer}
    for part, column in needed.items():
        if not column:
            raise DataError(f"No column is chosen for the {part}. The file has: {_listed(columns)}.", "Choose one.")
    chosen = [name for name in (roles.messages, roles.system, roles.prompt, roles.input, roles.answer) if name]
    for column in chosen:
        if column not in columns:
            raise DataError(f"Column '{column}' not found. The file has: {_listed(columns)}.", "Choose one of these.")
        if chosen.count(column) > 1:
            raise DataError(f"Column '{column}' is chosen for two parts.", "Choose a column of its own for each part.")


def _question_and_answer(row: Row, roles: Roles) -> tuple[Message, ...]:
    asked = [_text(row.cells.get(column), column) for column in (roles.prompt, roles.input) if column]
    prompt = "\n\n".join(text for text in asked if text.strip())
    answer = _text(row.cells.get(roles.answer), roles.answer)
    if not prompt:
        raise _UnusableError(f"The {roles.prompt} is empty.")
    if not answer.strip():
        raise _UnusableError(f"The {roles.answer} is empty.")
    return (*_system(row, roles), Message("user", prompt), Message("assistant", answer))


def _conversation(row: Row, roles: Roles) -> tuple[Message, ...]:
    turns = _turns(row.cells.get(roles.messages))
    if turns is None:
        raise _UnusableError(f"The {roles.messages} are not a list of turns.")
    messages = [_message(turn, place) for place, turn in enumerate(turns, start=1)]
    if messages and messages[0].role == "system" and not messages[0].content.strip():
        messages = messages[1:]
    if not messages or messages[0].role != "system":
        messages = [*_system(row, roles), *messages]
    spoken = messages[1:] if messages and messages[0].role == "system" else messages
    if not spoken:
        raise _UnusableError("The conversation is empty.")
    if any(message.role == "system" for message in spoken):
        raise _UnusableError("A system message stands in the middle; it can only come first.")
    if spoken[0].role == "assistant":
        raise _UnusableError("The conversation starts with the assistant, so there is nothing to answer.")
    if spoken[-1].role != "assistant":
        raise _UnusableError("The conversation does not end with an answer of the assistant.")
    for message in spoken:
        if not message.content.strip():
            raise _UnusableError("An answer is empty." if message.role == "assistant" else "A question is empty.")
    return tuple(messages)


def _message(turn: object, place: int) -> Message:
    if not isinstance(turn, Mapping):
        raise _UnusableError(f"Turn {place} is not an object with a role and a content.")
    said = turn.get("role", turn.get("from"))
    if turn.get("tool_calls") or turn.get("function_call") or said in ("tool", "function"):
        raise _UnusableError(f"Turn {place} calls a tool, which cannot be learned yet.")
    role = _SPEAKERS.get(said.strip().lower()) if isinstance(said, str) else None
    if role is None:
        raise _UnusableError(f"Turn {place} has the role {_quoted(said)}; known are system, user and assistant.")
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        content = "".join(_text_part(part, place) for part in content)
    return Message(role, _text(content, f"content of turn {place}"))


def _text_part(part: object, place: int) -> str:
    if isinstance(part, Mapping) and part.get("type", "text") == "text":
        part = part.get("text")
    if not isinstance(part, str):
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        raise _UnusableError(f"Turn {place} holds something other than text ({_quoted(kind)}).")
    return part


def _system(row: Row, roles: Roles) -> tuple[Message, ...]:
    text = _text(row.cells.get(roles.system), roles.system) if roles.system else ""
    return (Message("system", text),) if text.strip() else ()


def _turns(cell: object) -> list[object] | None:
    """Return the turns of a conversation; a cell of a CSV file may hold them as JSON text."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    return cell if isinstance(cell, list) else None


def _text(cell: object, name: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return str(cell)
    if not isinstance(cell, str):
        raise _UnusableError(f"The {name} is not text.")
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        raise _UnusableError(f"The {name} holds half of a character, such as a broken emoji.") from error
    return cell


def _plain_name(column: str) -> str:
    return "".join(letter for letter in column.lower() if letter not in " _-")


def _first(names: Mapping[str, str], wanted: Iterable[str]) -> str:
    return next((names[name] for name in wanted if name in names), "")


def _listed(columns: Sequence[str], most: int = 12) -> str:
    return ", ".join(_quoted(column)[1:-1] for column in columns[:most]) + (
        f" and {len(columns) - most} more" if len(columns) > most else ""
    )


def _quoted(found: object) -> str:
    """Quote what stands in a file for a sentence: not too long, and fit to be written as UTF-8 whatever it is."""
    text = str(found)
    return "'" + (text if len(text) <= 40 else f"{text[:40]}...").encode("utf-8", "replace").decode() + "'"
