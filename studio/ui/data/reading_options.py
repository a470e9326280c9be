"""How files can be read otherwise: the encodings, sheets and lists, with the first lines as each would be read.

Every text from a file is escaped.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.data.reading_choices import ENCODING, LIST, SHEET, SPLITS, Option, Question
from studio.ui.kit import actions, fragments

READ_AS = "read-as"
_NAMES = {ENCODING: "Text encoding", SHEET: "Sheet", LIST: "List", SPLITS: "Rows for tests"}


def questions(asked: Sequence[Question]) -> Markup:
    """Show a chooser for each question; one that is open shows its likeliest answers with their first lines."""
    if not asked:
        return Markup("")
    return Markup('<div class="ls-questions">{}</div>').format(fragments.stack([_question(each) for each in asked]))


def _question(question: Question) -> Markup:
    title = _NAMES.get(question.about, question.about)
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
    lines = fragments.join(Markup("<li>{}</li>").format(line) for line in option.lines)
    return Markup('<div><span class="ls-note">{}</span><ul class="ls-notes">{}</ul></div>').format(option.label, lines)
