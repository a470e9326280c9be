"""A column as the guess sees it: its name, and what stands in its first cells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from studio.data.conversion.cells import is_empty, is_json, opened
from studio.data.conversion.column_names import hints, meanings
from studio.data.conversion.conversations import SPEAKERS, are_turns, begins_with, ends_with, turns_in
from studio.data.conversion.reply_trees import is_reply_tree, is_tree
from studio.data.conversion.tool_calls import are_calls
from studio.data.question_lists import is_question_list
from studio.data.rows import Row

_MOST_CELLS = 50
_LONGEST_CELL = 100_000
_NEARLY_ALL = 0.9
_SHORT = 2
_A_FEW = 5
_FEWEST_WORDS = 4
_SHORTEST_SENTENCE = 25
_YES_OR_NO = {"true", "false", "yes", "no", "0", "1"}
_SCALARS = (str, int, float)


@dataclass(frozen=True)
class Column:
    """The name of a column, and its first cells that are not empty."""

    name: str
    cells: tuple[object, ...]

    def is_called(self, *concepts: str) -> bool:
        """Say whether the whole name means one of these."""
        return not self._meanings.isdisjoint(concepts)

    def hints_at(self, *concepts: str) -> bool:
        """Say whether a word in the name means one of these."""
        return not self._hints.isdisjoint(concepts)

    def mostly(self, holds: Callable[[object], bool], *, share: float = 0.5) -> bool:
        """Say whether more than this share of the cells is so; an empty column is never so."""
        return sum(map(holds, self.cells)) > share * len(self.cells)

    @cached_property
    def is_text(self) -> bool:
        """Whether texts or single values stand in it; an empty column may be meant for them."""
        return not self.cells or self.mostly(_is_plain)

    @cached_property
    def could_answer(self) -> bool:
        """Whether texts stand in it, or one answer that can be learned as JSON; a list of "answers" may be several."""
        return self.is_text or self.mostly(lambda cell: _is_answer(cell, several=self.name.lower().endswith("s")))

    @cached_property
    def is_prose(self) -> bool:
        """Whether texts with letters stand in it."""
        return self.mostly(_has_letters)

    @cached_property
    def is_varied(self) -> bool:
        """Whether its cells differ, as those of a category do not."""
        return 2 * len(self._said) > len(self.cells)

    @cached_property
    def is_constant(self) -> bool:
        """Whether the same stands in each of at least a few cells."""
        return len(self.cells) >= _A_FEW and len(self._said) == 1

    @cached_property
    def holds_sentences(self) -> bool:
        """Whether its texts are longer than names and places are."""
        return self.mostly(_is_sentence)

    @cached_property
    def holds_closed_texts(self) -> bool:
        """Whether nearly all of its texts end as sentences do, which names, places and categories do not."""
        return self.mostly(_is_closed, share=_NEARLY_ALL)

    @cached_property
    def asks(self) -> bool:
        """Whether most of its texts end with a question mark."""
        return self.mostly(_is_question)

    @cached_property
    def holds_turns(self) -> bool:
        """Whether lists of turns stand in it, each with the name of a known speaker."""
        return self.mostly(_holds_turns)

    @cached_property
    def holds_several_texts(self) -> bool:
        """Whether lists of sentences stand in it, which may be answers of which one is best."""
        return self.mostly(_holds_several_texts)

    @cached_property
    def holds_trees(self) -> bool:
        """Whether messages with the replies to them stand in it."""
        return self.mostly(lambda cell: is_reply_tree(opened(cell)))

    @cached_property
    def ends_with_a_question(self) -> bool:
        """Whether lists of turns stand in it that somebody has still to answer."""
        return self.mostly(lambda cell: _holds_turns(cell) and ends_with(turns_in(cell) or ()) == "user")

    @cached_property
    def holds_whole_conversations(self) -> bool:
        """Whether the turns in it, in lists or in one text, begin with a question and not with the answer."""
        return self.mostly(_is_whole_conversation)

    @cached_property
    def holds_lists_of_turns(self) -> bool:
        """Whether lists stand in it that could be turns, if the name of the column says so."""
        return self.mostly(_could_be_turns)

    @cached_property
    def holds_transcripts(self) -> bool:
        """Whether nearly every cell is a conversation in one text."""
        return self.mostly(_is_transcript, share=_NEARLY_ALL)

    @cached_property
    def holds_lists(self) -> bool:
        """Whether lists stand in it."""
        return self.mostly(lambda cell: isinstance(opened(cell), list))

    @cached_property
    def names_its_tools(self) -> bool:
        """Whether the conversations in it begin with the list of tools, written out as text."""
        return self.mostly(_names_tools)

    @cached_property
    def holds_calls(self) -> bool:
        """Whether calls of tools stand in it."""
        return self.mostly(lambda cell: are_calls(opened(cell)))

    @cached_property
    def says_who_speaks(self) -> bool:
        """Whether the names of different speakers stand in it."""
        return self.mostly(_is_speaker) and len(self._said) > 1

    @cached_property
    def is_yes_or_no(self) -> bool:
        """Whether it says yes or no of each row."""
        return bool(self.cells) and self._said <= _YES_OR_NO

    @cached_property
    def is_true_or_false(self) -> bool:
        """Whether it says true or false of each row, in these words."""
        return bool(self.cells) and self._said <= {"true", "false"}

    @cached_property
    def is_letters_or_figures(self) -> bool:
        """Whether it holds no more than a letter or two, or a number, as the key of a choice does."""
        return bool(self._said) and all(len(said) <= _SHORT for said in self._said)

    @cached_property
    def instructs(self) -> bool:
        """Whether it could hold system messages: more than the one word that names a computer system."""
        return not self.cells or self.mostly(_instructs)

    @cached_property
    def _meanings(self) -> frozenset[str]:
        return meanings(self.name)

    @cached_property
    def _hints(self) -> frozenset[str]:
        return hints(self.name)

    @cached_property
    def _said(self) -> frozenset[str]:
        """The different values, in lower case; lists and objects all count as one."""
        return frozenset(str(cell).strip().lower() if isinstance(cell, _SCALARS) else "[]" for cell in self.cells)


def sampled(columns: Sequence[str], sample: Sequence[Row]) -> list[Column]:
    """Return the columns with their first cells."""
    return [Column(name, _filled(name, sample)) for name in columns]


def _filled(name: str, sample: Sequence[Row]) -> tuple[object, ...]:
    cells = (row.cells.get(name) for row in sample)
    return tuple(islice((cell for cell in cells if not is_empty(cell)), _MOST_CELLS))


def _is_plain(cell: object) -> bool:
    if isinstance(cell, list):
        return len(cell) == 1 and isinstance(cell[0], _SCALARS)
    if isinstance(cell, str) and len(cell) < _LONGEST_CELL and isinstance(opened(cell), list):
        return False
    return isinstance(cell, _SCALARS) or _is_said_by_several(cell)


def _is_said_by_several(cell: object) -> bool:
    """Say whether these are the answers of several people who say the same, as in SQuAD."""
    texts = cell.get("text") if isinstance(cell, dict) else None
    if isinstance(texts, list):
        return all(isinstance(text, str) for text in texts) and len(set(texts)) == 1
    return isinstance(texts, str)


def _is_answer(cell: object, *, several: bool) -> bool:
    if isinstance(cell, list) and (several or _holds_several_texts(cell)):
        return False
    return is_json(cell) and not _holds_turns(cell) and not are_calls(cell)


def _holds_several_texts(cell: object) -> bool:
    found = opened(cell)
    if not isinstance(found, list) or len(found) < _SHORT or not all(isinstance(text, str) for text in found):
        return False
    return any(map(_is_sentence, found))


def _has_letters(cell: object) -> bool:
    return isinstance(cell, str) and any(letter.isalpha() for letter in cell[:200])


def _is_sentence(cell: object) -> bool:
    least = _SHORTEST_SENTENCE if isinstance(cell, str) and cell.isascii() else _SHORTEST_SENTENCE // 2
    if not isinstance(cell, str) or len(cell.strip()) >= least:
        return isinstance(cell, str)
    return cell.rstrip().endswith((".", "!")) and len(cell.split()) >= _FEWEST_WORDS


def _is_closed(cell: object) -> bool:
    return isinstance(cell, str) and cell.rstrip().endswith((".", "!", "\u3002"))


def _is_question(cell: object) -> bool:
    return isinstance(cell, str) and cell.rstrip().endswith(("?", "\uff1f", "\u061f"))


def _holds_turns(cell: object) -> bool:
    found = opened(cell)
    if isinstance(found, str):
        return False
    turns = turns_in(found)
    return is_tree(found) or (turns is not None and are_turns(turns))


def _is_whole_conversation(cell: object) -> bool:
    turns = turns_in(cell)
    return turns is not None and are_turns(turns) and begins_with(turns) != "assistant"


def _could_be_turns(cell: object) -> bool:
    """Say whether a list holds objects that name a speaker, pairs, or an even number of texts in turn."""
    found = opened(cell)
    if not isinstance(found, list) or not found:
        return False
    if all(isinstance(item, str) for item in found):
        return len(found) % 2 == 0
    if all(isinstance(item, list) and len(item) == 2 for item in found):
        return True
    return all(isinstance(item, dict) and bool(item.keys() & {"role", "from", "sender"}) for item in found)


def _is_transcript(cell: object) -> bool:
    if not isinstance(cell, str) or isinstance(opened(cell), list):
        return False
    return turns_in(cell) is not None or is_question_list(cell)


def _is_speaker(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip().lower() in SPEAKERS


def _instructs(cell: object) -> bool:
    """Say whether this is more than a word, or the parts of a message as some services log them."""
    if isinstance(cell, list):
        return all(isinstance(part, str | dict) for part in cell)
    return isinstance(cell, dict) or (isinstance(cell, str) and (not cell.isascii() or " " in cell.strip()))


def _names_tools(cell: object) -> bool:
    turns = turns_in(cell)
    first = turns[0] if turns else None
    return isinstance(first, dict) and any(isinstance(text, str) and "<tools>" in text for text in first.values())
