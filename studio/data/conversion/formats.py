"""From a row to an example: the formats in which people hold what a model is to learn.

    columns + first rows -> Roles (guessed, or assigned by a person) -> draft of each row -> what is wrong with it

Text is taken as it stands: nothing is stripped or rewritten.
"""

from collections.abc import Mapping, Sequence

from studio.data.chunks import chunks
from studio.data.conversion import prompt_templates
from studio.data.conversion.cells import UnusableError, answer_text, is_empty, listed, opened, quoted, text_in
from studio.data.conversion.conversations import ASSISTANT, SYSTEM, USER, are_turns, messages_in, turns_in
from studio.data.conversion.learning_marks import apply_marks
from studio.data.conversion.media import refuse_media_columns
from studio.data.conversion.message_rows import message_in
from studio.data.conversion.reasoning import reasoning_text
from studio.data.conversion.reply_trees import is_tree, turns_in_tree
from studio.data.conversion.roles import (
    Roles,
)
from studio.data.conversion.tool_calls import are_calls, calls_in, tools_in
from studio.data.examples import TEXT as TEXT_ROLE
from studio.data.examples import Example, Message
from studio.data.question_lists import COLUMNS, is_question_list, question_rows
from studio.data.rows import Row, RowProblem


def draft(row: Row, roles: Roles) -> tuple[Example | RowProblem, ...]:
    """Return the example that a row gives, several for a long plain text, or the reason why it gives none.

    What comes back may still be refused by `fault`, which is asked after the changes that a person wants.
    """
    try:
        _require_columns(row, roles)
        refuse_media_columns(row.cells)
        if roles.text:
            apply_marks(row.cells, (roles.text,), [])
            return tuple(_texts(row, roles))
        if roles.message:
            return (Example(tuple(_one_message(row, roles)), row.number, row.file, _tools(row, roles)),)
        if roles.conversation:
            drafted = _questions_apart(row, roles) or [_conversation(row, roles)]
        else:
            drafted = [_question_and_answer(row, roles)]
        drafted = [apply_marks(row.cells, _used(roles), messages) for messages in drafted]
        tools = _tools(row, roles)
        return tuple(Example(tuple(messages), row.number, row.file, tools) for messages in drafted)
    except UnusableError as reason:
        return (RowProblem(row.number, reason.text, row.file, reason.kind),)


def _used(roles: Roles) -> tuple[str, ...]:
    """Return the columns that play a part."""
    single = (roles.conversation, roles.system, roles.input, roles.answer, roles.history, roles.tools, roles.reasoning)
    return (*roles.prompts, *prompt_templates.names_in(roles.template), *single)


def _require_columns(row: Row, roles: Roles) -> None:
    """Raise UnusableError when a row has none of the columns that hold what is learned."""
    if not has_columns(row, roles):
        needed = _needed(roles)
        wanted = f" None of the chosen columns ({listed(needed)}) is there." if needed else ""
        raise UnusableError("wrong-columns", f"The row has other columns: {listed(list(row.cells))}.{wanted}")


def has_columns(row: Row, roles: Roles) -> bool:
    """Say whether a row has a column that holds what is learned."""
    if (roles.conversation or roles.text or roles.message or roles.answer) in row.cells:
        return True
    return any(name in row.cells for name in _needed(roles))


def _needed(roles: Roles) -> list[str]:
    one = (roles.conversation, roles.text, roles.message)
    return [name for name in (*one, *roles.prompts, roles.input, roles.answer) if name]


def _texts(row: Row, roles: Roles) -> list[Example]:
    text = _text(row, roles.text)
    pieces = chunks(text) or (text,)
    examples = [Example((Message(TEXT_ROLE, piece),), row.number, row.file, continues=True) for piece in pieces[:-1]]
    return [*examples, Example((Message(TEXT_ROLE, pieces[-1]),), row.number, row.file, continues=row.continues)]


def _conversation(row: Row, roles: Roles) -> list[Message]:
    cell = opened(row.cells.get(roles.conversation))
    turns: Sequence[object] | None = None
    if isinstance(cell, Mapping) and is_tree(cell):
        turns = turns_in_tree(cell, row.cells.get("current_node"))
    elif not is_empty(cell):
        turns = turns_in(cell)
    if turns is None and not is_empty(cell):
        raise UnusableError("not-text", f"The column {quoted(roles.conversation)} holds no conversation.")
    messages = messages_in(turns or ())
    if not messages:
        raise UnusableError("empty", "The conversation is empty.")
    return messages if messages[0].role == SYSTEM else [*_system(row, roles), *messages]


def _questions_apart(row: Row, roles: Roles) -> list[list[Message]]:
    """Return a conversation for every question when the cell is a list of questions, which do not belong together."""
    cell = row.cells.get(roles.conversation)
    if not isinstance(cell, str) or not is_question_list(cell):
        return []
    found: list[list[Message]] = []
    for pair in question_rows(cell.splitlines(keepends=True)):
        if isinstance(pair, RowProblem):
            return []
        asked, answered = (str(pair.cells[name]) for name in COLUMNS)
        found.append([*_system(row, roles), Message(USER, asked), Message(ASSISTANT, answered)])
    return found


def _one_message(row: Row, roles: Roles) -> list[Message]:
    found = message_in(row, roles)
    return found if found[0].role == SYSTEM else [*_system(row, roles), *found]


def _question_and_answer(row: Row, roles: Roles) -> list[Message]:
    asked = _asked(row, roles)
    answer = _answer(row, roles)
    begun = asked[0].role == SYSTEM or (answer and answer[0].role == SYSTEM)
    start = [] if begun else _system(row, roles)
    if answer and answer[0].role in (USER, SYSTEM):
        return [*start, *answer]
    return [*start, *_history(row, roles), *asked, *answer]


def _asked(row: Row, roles: Roles) -> list[Message]:
    """Return what is asked: one turn, or the turns of a conversation that the answer continues."""
    if len(roles.prompts) == 1 and not roles.input and not roles.template:
        turns = _turns(row.cells.get(roles.prompts[0]))
        if turns:
            messages = messages_in(turns)
            if len(messages) > 1 and messages[-1].role == ASSISTANT and is_empty(messages[-1].content):
                messages = messages[:-1]
            if messages:
                return messages
    columns = [*roles.prompts, *([roles.input] if roles.input else [])]
    named = prompt_templates.names_in(roles.template) if roles.template else ()
    texts = {column: _text(row, column) for column in (*columns, *named)}
    if all(map(is_empty, texts.values())):
        raise UnusableError("empty-prompt", f"What is asked is empty ({listed(list(texts))}).")
    if roles.template:
        return [Message(USER, prompt_templates.fill(roles.template, texts))]
    return [Message(USER, "\n\n".join(texts[column] for column in columns if not is_empty(texts[column])))]


def _answer(row: Row, roles: Roles) -> list[Message]:
    """Return the answer: one turn, or the turns that a list of messages or of calls holds."""
    cell = row.cells.get(roles.answer)
    turns = _turns(cell)
    if turns:
        return messages_in(turns)
    thought = reasoning_text(row.cells.get(roles.reasoning)) if roles.reasoning else ""
    if roles.tools:
        calls = opened(cell)
        if are_calls(calls):
            return [Message(ASSISTANT, "", calls_in(calls, "The answer"), reasoning=thought)]
    text = cell if isinstance(cell, str) else answer_text(cell, f"The column {quoted(roles.answer)}")
    if is_empty(text):
        raise UnusableError("empty-answer", f"The answer is empty ({listed([roles.answer])}).")
    return [Message(ASSISTANT, text, reasoning=thought)]


def _text(row: Row, column: str) -> str:
    cell = row.cells.get(column)
    return cell if isinstance(cell, str) else text_in(cell, f"The column {quoted(column)}")


def _turns(cell: object) -> Sequence[object] | None:
    """Return the turns in a cell that surely holds turns."""
    turns = turns_in(cell) if not isinstance(cell, str) or cell.lstrip().startswith(("[{", "Human:")) else None
    return turns if turns is not None and are_turns(turns) else None


def _history(row: Row, roles: Roles) -> list[Message]:
    """Return the turns before the question: pairs of question and answer, or turns."""
    found = opened(row.cells.get(roles.history)) if roles.history else None
    if is_empty(found):
        return []
    if not isinstance(found, list):
        raise UnusableError("not-text", f"The column {quoted(roles.history)} holds no list of earlier turns.")
    return messages_in(found)


def _system(row: Row, roles: Roles) -> list[Message]:
    cell = opened(row.cells.get(roles.system)) if roles.system else None
    if isinstance(cell, list | Mapping):
        return messages_in([{"role": SYSTEM, "content": cell}])
    text = _text(row, roles.system) if roles.system else ""
    return [] if is_empty(text) else [Message(SYSTEM, text)]


def _tools(row: Row, roles: Roles) -> str:
    return tools_in(row.cells.get(roles.tools)) if roles.tools else _tools_beside(row, roles)


def _tools_beside(row: Row, roles: Roles) -> str:
    """Return the tools that stand in the same object as the turns."""
    column = roles.conversation or (roles.prompts[0] if roles.prompts else "")
    cell = row.cells.get(column)
    if isinstance(cell, str) and not cell.startswith("{"):
        return ""
    found = opened(cell)
    return tools_in(found.get("tools")) if isinstance(found, Mapping) and "messages" in found else ""
