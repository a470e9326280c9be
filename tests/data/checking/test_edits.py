import pytest

from studio.data.checking.edits import HandEdited, edit_of, with_contents
from studio.data.checking.fixes import EDIT, LEAVE_OUT, Fixer
from studio.data.examples import Example, Message, fingerprint
from studio.data.reading_choices import Change, Edit


def asked(question: str, answer: str, *, row: int = 3, file: str = "") -> Example:
    return Example((Message("user", question), Message("assistant", answer)), row=row, file=file)


FIRST = asked("Where?", "Ask anna@example.org.")


def fixed(example: Example, *edits: Edit, kinds: tuple[str, ...] = ()) -> tuple[Example, int]:
    fixer = Fixer([Change(EDIT, edits=edits), *(Change(kind) for kind in kinds)])
    return fixer.repair(example), fixer.applied()[0].count


def test_an_edit_takes_the_place_of_its_example_alone() -> None:
    edit = edit_of(FIRST, ("Where is it?", "Here."))
    assert fixed(FIRST, edit) == (asked("Where is it?", "Here."), 1)
    for other in (asked("Where?", "Ask anna@example.org.", row=4), asked("Where?", "There.")):
        assert fixed(other, edit) == (other, 0)


def test_a_later_edit_is_of_what_the_earlier_made() -> None:
    edit = edit_of(FIRST, ("Where?", "Here."))
    again = edit_of(asked("Where?", "Here."), ("Where?", "Over there."))
    assert fixed(FIRST, edit, again)[0] == asked("Where?", "Over there.")
    assert fixed(FIRST, again)[0] is FIRST, "what it was made of is not there"


def test_what_was_edited_after_a_fix_stays_edited_without_it_and_is_fixed_as_well() -> None:
    masked = asked("Where?", "Ask [email].")
    edit = edit_of(masked, ("Where?", "Ask bo@example.org."))
    assert fixed(FIRST, edit, kinds=("mask-emails",))[0] == masked
    assert fixed(FIRST, edit)[0] == asked("Where?", "Ask bo@example.org.")


def test_a_file_has_a_name_only_beside_others() -> None:
    edit = edit_of(FIRST, ("Where?", "Here."))
    beside = asked("Where?", "Ask anna@example.org.", file="a.csv")
    assert fixed(beside, edit)[1] == 1
    elsewhere = edit_of(beside, ("Where?", "Here."))
    assert fixed(asked("Where?", "Ask anna@example.org.", file="b.csv"), elsewhere)[1] == 0


def test_an_edited_example_can_be_removed() -> None:
    edit = edit_of(FIRST, ("Where?", "Here."))
    fixer = Fixer([Change(EDIT, edits=(edit,)), Change(LEAVE_OUT, (fingerprint(asked("Where?", "Here.")),))])
    assert not fixer.keep(fixer.repair(FIRST))


def test_an_edit_of_another_number_of_messages_does_nothing() -> None:
    edit = Edit(fingerprint(FIRST), 3, "", ("alone",))
    assert HandEdited([edit]).edited(FIRST) is FIRST
    with pytest.raises(ValueError, match="zip"):
        with_contents(FIRST, ("alone",))
