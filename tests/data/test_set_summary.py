from pathlib import Path

import pytest

from studio.data.conversion.roles import Roles, columns_read
from studio.data.library import DatasetLibrary
from studio.data.reading_choices import Change
from studio.data.set_summary import SetSummary, summarise
from studio.errors import DataError


def test_a_data_set_in_a_few_words(tmp_path: Path) -> None:
    file = tmp_path / "shop.csv"
    long = "word " * 100
    file.write_text(f"question,answer\nWhy?,{long}\nWhy?,{long}\nWho?,Me.\n", encoding="utf-8")
    library = DatasetLibrary(tmp_path / "home", samples_folder=tmp_path)
    first = library.add(file)
    second = library.derive(first.id, changes=[Change("drop-duplicates")])
    found = summarise(library, second.id)
    assert found == SetSummary(second.id, "shop", 2, 2, 2, "question → answer", "Why?", found.answer)
    assert (len(found.answer), found.answer[-1]) == (200, "…")
    assert summarise(library, first.id).version == 1
    with pytest.raises(DataError, match="There is no data set"):
        summarise(library, "gone")


def test_plain_text_has_no_question_and_an_open_set_nothing(tmp_path: Path) -> None:
    library = DatasetLibrary(tmp_path / "home", samples_folder=tmp_path)
    text, unclear = tmp_path / "story.txt", tmp_path / "unclear.csv"
    text.write_text("Once upon a time there was a lamp. It was red and it was lit every night of the year.\n" * 9)
    unclear.write_text("foo,bar\n1,2\n3,4\n", encoding="utf-8")
    assert summarise(library, library.add(text).id).question == ""
    found = summarise(library, library.add(unclear).id)
    assert (found.examples, found.question, found.answer) == (0, "", "")


def test_the_columns_are_named_with_what_becomes_of_them() -> None:
    assert columns_read(Roles("chat", conversation="messages")) == "conversations in 'messages'"
    assert columns_read(Roles("chat", message="said")) == "messages in 'said'"
    assert columns_read(Roles("text", text="body")) == "plain text in 'body'"
    assert columns_read(Roles("instruction", system="s", prompts=("a", "b"), input="c", answer="d")) == "s, a, b, c → d"
    assert columns_read(Roles()) == ""
