import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio import codec
from studio.compare.conversations import (
    Answer,
    Conversation,
    Talk,
    Turn,
    as_jsonl,
    as_markdown,
    name_for,
    open_conversations,
)
from studio.errors import RunError
from studio.keeping import KeptFiles

Kept = KeptFiles[Conversation]


@pytest.fixture
def clock() -> Callable[[], float]:
    ticks = itertools.count(1_800_000_000)
    return lambda: float(next(ticks))


@pytest.fixture
def kept(tmp_path: Path, clock: Callable[[], float]) -> Kept:
    return open_conversations(tmp_path, clock)


def conversation(*questions: str) -> Conversation:
    def talk(key: str, title: str) -> Talk:
        answers = [Answer(f"{title}: {each}", 3, 0.5, "end", seed=7) for each in questions]
        return Talk(key, title, tuple(map(Turn, questions, answers)))

    return Conversation(name="Bread", talks=(talk("base:a", "base"), talk("run:a", "otter")))


def test_a_conversation_survives_a_restart(tmp_path: Path, kept: Kept) -> None:
    saved = kept.save(conversation("One"))
    again = open_conversations(tmp_path).get(saved.id)
    assert again == saved
    assert again.questions == ("One",)
    assert (tmp_path / "conversations" / f"{saved.id}.json").is_file()


def test_the_one_that_went_on_last_comes_first(kept: Kept) -> None:
    first, second = kept.save(conversation("One")), kept.save(conversation("Two"))
    assert [each.id for each in kept.all()] == [second.id, first.id]
    kept.save(replace(first, name="again"))
    assert [each.id for each in kept.all()] == [first.id, second.id]
    assert kept.get(first.id).created == first.created


def test_two_pages_that_go_on_with_one_conversation_lose_nothing(kept: Kept) -> None:
    first = kept.save(conversation("One"))
    here, there = kept.get(first.id), kept.get(first.id)
    mine = kept.save(replace(here, talks=conversation("One", "Two").talks))
    theirs = kept.save(replace(there, talks=conversation("One", "Three").talks))
    assert mine.id == first.id != theirs.id
    assert kept.get(first.id).questions == ("One", "Two")
    assert kept.get(theirs.id).questions == ("One", "Three")


def test_a_conversation_is_renamed_deleted_and_put_back(tmp_path: Path, kept: Kept) -> None:
    saved = kept.save(conversation("One"))
    assert kept.rename(saved.id, "  Old   bread ").name == "Old bread"
    with pytest.raises(RunError, match="needs a name"):
        kept.rename(saved.id, " ")
    kept.delete(saved.id)
    assert kept.all() == ()
    assert (tmp_path / "bin" / "conversations" / f"{saved.id}.json").is_file()
    with pytest.raises(RunError, match="no longer there"):
        kept.get(saved.id)
    assert kept.restore(saved.id).name == "Old bread"
    assert len(kept.all()) == 1


def test_the_bin_lists_what_was_deleted_last_first(tmp_path: Path, kept: Kept) -> None:
    first, second, third = (kept.save(conversation(name)) for name in ("One", "Two", "Three"))
    for each in (second, first, third):
        kept.delete(each.id)
    (tmp_path / "bin" / "conversations" / f"{third.id}.json").write_text('{"id": "', encoding="utf-8")
    assert [each.id for each in kept.binned()] == [first.id, second.id]
    assert [each.id for each in open_conversations(tmp_path).binned()] == [first.id, second.id]
    kept.restore(first.id)
    assert [each.id for each in kept.binned()] == [second.id]


def test_an_emptied_bin_brings_nothing_back_and_takes_no_other(tmp_path: Path, kept: Kept) -> None:
    assert (kept.binned(), kept.empty_bin()) == ((), 0)
    gone, stays = kept.save(conversation("One")), kept.save(conversation("Two"))
    kept.delete(gone.id)
    other = tmp_path / "bin" / "sheets" / "one.json"
    other.parent.mkdir()
    other.write_text("{}", encoding="utf-8")
    assert kept.empty_bin() == 1
    assert kept.binned() == ()
    assert [each.id for each in kept.all()] == [stays.id]
    assert other.is_file()
    with pytest.raises(RunError, match="no longer there"):
        kept.restore(gone.id)


def test_on_the_way_to_the_bin_and_back_nothing_is_overwritten(tmp_path: Path, kept: Kept) -> None:
    """A data folder that was copied back holds again what was deleted since."""
    deleted = kept.save(conversation("One"))
    kept.delete(deleted.id)
    file = f"{deleted.id}.json"
    newer = replace(deleted, name="Newer")
    (tmp_path / "conversations" / file).write_text(codec.dumps(newer), encoding="utf-8")
    back = kept.restore(deleted.id)
    assert back.id != deleted.id
    assert (kept.get(deleted.id).name, kept.get(back.id).name, kept.binned()) == ("Newer", "Bread", ())
    kept.delete(deleted.id)
    (tmp_path / "conversations" / file).write_text(codec.dumps(deleted), encoding="utf-8")
    kept.delete(deleted.id)
    assert sorted(each.name for each in kept.binned()) == ["Bread", "Newer"]


def test_a_damaged_file_is_a_sentence_and_hides_no_other(tmp_path: Path, kept: Kept) -> None:
    good, bad = kept.save(conversation("One")), kept.save(conversation("Two"))
    (tmp_path / "conversations" / f"{bad.id}.json").write_text('{"id": "', encoding="utf-8")
    assert [each.id for each in kept.all()] == [good.id]
    with pytest.raises(RunError, match="damaged"):
        kept.get(bad.id)
    for id in ("../../etc/passwd", "", "nothing"):
        with pytest.raises(RunError, match="There is no conversation"):
            kept.get(id)


def test_a_disk_that_takes_nothing_is_a_sentence(tmp_path: Path, kept: Kept) -> None:
    (tmp_path / "conversations").write_text("in the way")
    with pytest.raises(RunError, match="cannot be written"):
        kept.save(conversation("One"))


def test_people_get_markdown(kept: Kept) -> None:
    uneven = replace(conversation("One", "Two"), talks=(conversation("One", "Two").talks[0], Talk("run:a", "otter")))
    text = as_markdown(uneven)
    assert text.startswith("# Bread\n")
    assert "## 2. Question\n\nTwo\n" in text
    assert "### base\n\nbase: Two\n\n*seed 7, temperature 0, 3 tokens*" in text
    assert "### otter" not in text, "it was never asked"


def test_programs_get_one_line_a_model() -> None:
    lines = [json.loads(line) for line in as_jsonl(conversation("One", "Zwölf\n?")).splitlines()]
    assert [line["model"] for line in lines] == ["base", "otter"]
    assert [message["role"] for message in lines[1]["messages"]] == ["user", "assistant"] * 2
    assert lines[1]["messages"][2]["content"] == "Zwölf\n?"


def test_a_name_is_one_short_line() -> None:
    assert name_for("a\nb") == "a b"
    assert len(name_for("word " * 40)) <= 61


def test_nothing_new_is_kept_where_there_is_no_room_and_what_is_kept_goes_on(tmp_path: Path) -> None:
    def full() -> None:
        raise RunError("Nothing new is taken.", "Empty the bin.")

    kept = open_conversations(tmp_path).save(Conversation(name="Bread"))
    conversations = open_conversations(tmp_path, require_room=full)
    with pytest.raises(RunError, match="Nothing new is taken"):
        conversations.save(Conversation(name="Salt"))
    assert conversations.rename(kept.id, "Butter").name == "Butter"
    assert [each.name for each in conversations.all()] == ["Butter"]
