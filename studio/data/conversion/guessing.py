"""Which column plays which part, guessed from the names of the columns and what is in their first rows.

Each rule has one reason. Where none is good enough the guess is empty, because a person who is asked is better off
than one whose model has silently learned the wrong column.
"""

from collections.abc import Callable, Sequence

from studio.data.conversion.column_names import ANSWERING, MOST_COLUMNS, is_exactly, plain
from studio.data.conversion.labelled_texts import labelled_text
from studio.data.conversion.roles import IGNORE, Roles, assign
from studio.data.conversion.sampled_columns import Column, sampled
from studio.data.conversion.ties import tied
from studio.data.rows import Row

Parts = dict[str, str]

_PAIRS = (
    ("instruction", "output"),
    ("prompt", "completion"),
    ("question", "answer"),
    ("problem", "solution"),
    ("user", "assistant"),
    ("q", "a"),
    ("question", "response"),
    ("input", "output"),
    ("input", "target"),
    ("text", "summary"),
    ("conversation", "summary"),
)
"""What goes together, the most telling first."""
_ASKING = ("instruction", "prompt", "question", "problem", "input", "message", "context")
_OTHERWISE_KNOWN = ("history", "rejected", "input", "context", "tools", *_ASKING, *ANSWERING)
_CHOICES_BY_LETTER = {"a", "b", "c"}


def guess_roles(columns: Sequence[str], sample: Sequence[Row]) -> Roles:
    """Return the roles that the columns play as far as that is clear, else roles without a kind.

    Of very many columns only the first are looked at.
    """
    found = sampled([name for name in columns[:MOST_COLUMNS] if name], sample)
    rules = _RULES_FOR_PIECES if any(row.continues for row in sample) else _RULES
    for rule in rules:
        parts = rule(found)
        if parts is not None:
            parts = tied(found, parts, sample)
            return assign({name: parts.get(name, IGNORE) for name in columns}) if parts else Roles()
    return Roles()


def _pair_of_answers(columns: Sequence[Column]) -> Parts | None:
    """Beside the chosen answer stands the rejected one."""
    chosen = _called(columns, "chosen")
    if chosen is None or _called(columns, "rejected") is None:
        return None
    if chosen.holds_whole_conversations:
        return _beside(columns, {chosen.name: "conversation"})
    asking = [one for concept in (*_ASKING, "conversation") if (one := _called(columns, concept)) is not None]
    prompt = next((one for one in asking if one.is_text or one.holds_turns), None)
    if prompt is None:
        return {}
    return _beside(columns, _with_input(columns, {prompt.name: "prompt", chosen.name: "answer"}, prompt))


def _unanswered(columns: Sequence[Column]) -> Parts | None:
    """The turns in one column end with a question, and the answer to it stands in another."""
    asking = [
        column for column in columns if column.is_called("conversation", "message") and column.ends_with_a_question
    ]
    answering = [column for column in columns if column.is_called(*ANSWERING, "assistant") and not column.is_constant]
    if len(asking) != 1 or len(answering) != 1 or not (answering[0].holds_turns or answering[0].is_text):
        return None
    return _beside(columns, {asking[0].name: "prompt", answering[0].name: "answer"})


def _conversation(columns: Sequence[Column]) -> Parts | None:
    """One column holds turns, each with the name of a known speaker; or it is called so and holds lists like turns."""
    named = [column for column in columns if column.is_called("conversation")]
    best = [column for column in named if column.holds_turns]
    best = best or [column for column in columns if column.holds_trees]
    best = best or [column for column in named if column.holds_lists_of_turns and plain(column.name) != "turns"]
    if not best:
        best = [each for each in columns if each.holds_turns and not each.is_called(*_OTHERWISE_KNOWN)]
        if len(best) != 1:
            return None
    chosen = min(best, key=lambda column: not is_exactly(column.name, "conversation"))
    return _beside(columns, {chosen.name: "conversation"})


def _one_message_a_row(columns: Sequence[Column]) -> Parts | None:
    """A column says for each row who speaks and another what, so that no row is an example by itself."""
    speaking = next((column for column in columns if column.says_who_speaks), None)
    said = _called(columns, "said")
    if speaking is None or said is None or said is speaking:
        return None if speaking is None else {}
    return _beside(columns, {speaking.name: "speaker", said.name: "message"})


def _judged_answers(columns: Sequence[Column]) -> Parts | None:
    """A column says of each answer whether it is good, so that not every answer should be learned.

    A label that is true or false is no question: what is labelled false is left out.
    """
    answered = any(each.is_called(*ANSWERING, "chosen", "assistant", "a") or each.holds_turns for each in columns)
    labels = [each for each in columns if answered and each.is_called("label") and not each.is_true_or_false]
    verdicts = [each for each in columns if each.is_called("verdict")]
    return {} if any(each.is_yes_or_no for each in (*labels, *verdicts)) else None


def _choices(columns: Sequence[Column]) -> Parts | None:
    """The answer is only the letter or number of a choice, which stands in another column."""
    if not _offers_choices(columns):
        return None
    answering = (each for each in columns if each.is_called(*ANSWERING) or each.hints_at(*ANSWERING))
    return {} if any(column.is_letters_or_figures for column in answering) else None


def _named_pair(columns: Sequence[Column]) -> Parts | None:
    """Two columns are called as what is asked and what is answered usually are."""
    pair = _asking_and_answering(columns)
    if pair is None:
        return None
    asking, answering = pair
    parts = _with_input(columns, {asking.name: "prompt", answering.name: "answer"}, asking)
    says_nothing = asking.is_constant and "input" not in parts.values()
    is_category = (asking.is_called("message") or answering.is_called("solution")) and not answering.is_varied
    if says_nothing or is_category or (answering.is_called("a") and _offers_choices(columns)):
        return {}
    heading = _called(columns, "heading")
    if asking.is_called("message") and not asking.is_called("question") and heading is not None and heading.is_prose:
        parts[heading.name] = "prompt"
    return _beside(columns, parts)


def _turns_before_the_answer(columns: Sequence[Column]) -> Parts | None:
    """The turns before the answer stand in one column, the answer in another."""
    asking = next((one for concept in ("prompt", "input", "question") if (one := _called(columns, concept))), None)
    answering = [column for column in columns if column.is_called(*ANSWERING)]
    if asking is None or len(answering) != 1:
        return None
    kinds = [(column.holds_turns, column.is_text) for column in (asking, answering[0])]
    if not all(map(any, kinds)) or not any(turns for turns, _ in kinds):
        return None
    parts = {asking.name: "prompt", answering[0].name: "answer"}
    told = _called(columns, "instruction")
    if told is not None and told.name not in parts and told.is_text and told.cells:
        parts[told.name] = "system"
    return _beside(columns, parts)


def _calls_of_tools(columns: Sequence[Column]) -> Parts | None:
    """The answers are calls of the tools in another column."""
    tools, asking = _called(columns, "tools"), _called(columns, "question") or _called(columns, "prompt")
    answering = [column for column in columns if column.is_called(*ANSWERING) and column.holds_calls]
    if tools is None or asking is None or not asking.is_text or len(answering) != 1:
        return None
    return _beside(columns, {asking.name: "prompt", answering[0].name: "answer"})


def _transcript(columns: Sequence[Column]) -> Parts | None:
    """Nearly every text of one column is a whole conversation, with marks where each speaker begins."""
    best = [column for column in columns if column.holds_transcripts and not column.is_called(*_OTHERWISE_KNOWN)]
    return _beside(columns, {best[0].name: "conversation"}) if len(best) == 1 else None


def _labelled_text(columns: Sequence[Column]) -> Parts | None:
    """Beside a text stands its label, its summary or its translation, and no other answer."""
    if any(each.is_called(*ANSWERING) and not each.is_called("target") for each in columns) or _offers_choices(columns):
        return None
    parts = labelled_text(columns)
    return _beside(columns, parts) if parts else None


def _questions_by_their_marks(columns: Sequence[Column]) -> Parts | None:
    """Of the only two columns with prose, one holds questions, and the other holds sentences that differ. Where there
    are no other columns at all, short ones will do, as long as they end as sentences do.
    """
    prose = [column for column in columns if column.is_prose]
    asking = [column for column in prose if column.asks]
    if len(prose) != 2 or len(asking) != 1:
        return None
    if _offers_choices(columns) or any(each.is_called("label", "system", "rejected") for each in columns):
        return None
    answering = prose[0] if asking[0] is prose[1] else prose[1]
    holds_answers = answering.holds_sentences or (len(columns) == 2 and answering.holds_closed_texts)
    fits = answering.is_varied and holds_answers
    return {asking[0].name: "prompt", answering.name: "answer"} if fits else None


def _plain_text(columns: Sequence[Column]) -> Parts | None:
    """There is one text, and nothing in the other columns that could be learned with it."""
    asked_or_answered = (*_ASKING[:4], *ANSWERING)
    if any(column.is_called("label", "speaker") or column.hints_at(*asked_or_answered) for column in columns):
        return None
    text = columns[0] if len(columns) == 1 else _called(columns, "text")
    return {text.name: "text"} if text is not None and text.is_prose else None


_RULES: tuple[Callable[[Sequence[Column]], Parts | None], ...] = (
    _pair_of_answers,
    _judged_answers,
    _unanswered,
    _conversation,
    _one_message_a_row,
    _choices,
    _named_pair,
    _turns_before_the_answer,
    _calls_of_tools,
    _transcript,
    _labelled_text,
    _questions_by_their_marks,
    _plain_text,
)
"""A rule returns the parts of which it is sure, {} when nothing is to be guessed, None to ask the next rule."""
_RULES_FOR_PIECES = (_plain_text,)
"""A long text comes in pieces, and a conversation in it would be cut anywhere."""


def _offers_choices(columns: Sequence[Column]) -> bool:
    by_name = any(column.is_called("choices") or column.hints_at("choices") for column in columns)
    return by_name or {plain(column.name) for column in columns} >= _CHOICES_BY_LETTER


def _asking_and_answering(columns: Sequence[Column]) -> tuple[Column, Column] | None:
    """Find what is asked and what is answered: names that go together, else the only ones of their sort."""
    for ask, answer in _PAIRS:
        asking, answering = _called(columns, ask), _called(columns, answer)
        if asking is not None and answering is not None and asking.is_text and answering.could_answer:
            return asking, answering
    texts = [column for column in columns if column.is_text]
    named = [column for column in columns if column.is_called(*ANSWERING) or column.hints_at(*ANSWERING)]
    found = [column for column in named if column.could_answer]
    asking = next((one for concept in _ASKING if (one := _called(texts, concept)) is not None), None)
    if asking is None:
        hinting = [column for column in texts if column.hints_at(*_ASKING) and column not in found]
        asking = hinting[0] if len(hinting) == 1 else None
    return (asking, found[0]) if asking is not None and len(found) == 1 and asking is not found[0] else None


def _with_input(columns: Sequence[Column], parts: Parts, asking: Column) -> Parts:
    """Add the column that the prompt is about."""
    concepts = ["input", "context", *(["question"] if asking.is_called("instruction") else [])]
    for concept in [*concepts, "text"] if asking.is_constant else concepts:
        column = _called(columns, concept)
        if column is not None and column.name not in parts and column.is_text:
            return {**parts, column.name: "input"}
    return parts


def _beside(columns: Sequence[Column], parts: Parts) -> Parts:
    """Add the system message, the reasoning, the history and the tools."""
    system, history, tools = (_called(columns, concept) for concept in ("system", "history", "tools"))
    conversation = next((column for column in columns if parts.get(column.name) == "conversation"), None)
    thought = _called([column for column in columns if column.is_prose], "reasoning")
    if thought is not None and "answer" in parts.values():
        parts = {thought.name: "reasoning", **parts}
    if system is not None and system.instructs:
        parts = {system.name: "system", **parts}
    if history is not None and "answer" in parts.values() and (history.holds_lists or not history.cells):
        parts = {history.name: "history", **parts}
    if tools is not None and not (conversation is not None and conversation.names_its_tools):
        parts = {tools.name: "tools", **parts}
    return parts


def _called(columns: Sequence[Column], concept: str) -> Column | None:
    """Return the column with a name that means this; of several, the one that is called exactly so, if any is."""
    found = [column for column in columns if column.is_called(concept)]
    exactly = [column for column in found if is_exactly(column.name, concept)]
    return exactly[0] if exactly else found[0] if len(found) == 1 else None
