"""The bin of the Compare tab: what is in it, and how it is emptied."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from studio.compare.conversations import Conversation, open_conversations
from studio.errors import RunError
from studio.keeping import KeptFiles
from studio.ui.compare import bin_panel
from studio.ui.compare.bin_panel import InBin
from studio.ui.kit.actions import Action

NOUN = "conversation"

Kept = KeptFiles[Conversation]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    ticks = itertools.count(1_800_000_000)
    return open_conversations(tmp_path, lambda: float(next(ticks)))


def deleted(kept: Kept, name: str) -> str:
    id = kept.save(Conversation(name=name)).id
    kept.delete(id)
    return id


def draw(kept: Kept, picked: str | None) -> Mapping[str, Any]:
    return bin_panel.look(kept, NOUN, picked)


def press(kept: Kept, verb: str, key: object = "") -> Mapping[str, Any]:
    return bin_panel.press(kept, NOUN, InBin(), Action(verb, str(key))).updates


def test_it_is_hidden_until_something_is_in_it(kept: Kept) -> None:
    assert draw(kept, None)["bin"]["visible"] is False
    first, second = deleted(kept, "Bread"), deleted(kept, "<b>Salt")
    shown = draw(kept, None)
    assert (shown["bin"]["visible"], shown["bin"]["label"]) == (True, "Trash (2)")
    assert [id for _, id in shown["picked"]["choices"]] == [second, first]
    assert shown["picked"]["choices"][1][0].startswith("Bread · ")
    assert shown["picked"]["value"] == second
    assert draw(kept, first)["picked"]["value"] == first, "what is chosen stays chosen"
    kept.restore(first)
    assert draw(kept, first)["picked"]["value"] == second


def test_it_asks_before_it_deletes(kept: Kept) -> None:
    deleted(kept, "Bread")
    asked = press(kept, "ask")
    assert "Delete 1 conversation for good? This cannot be undone." in asked["bin_empty"]
    assert 'data-verb="empty" data-key="1"' in asked["bin_empty"]
    assert "Empty Trash" in press(kept, "keep")["bin_empty"]
    assert len(kept.binned()) == 1
    emptied = press(kept, "empty", 1)
    assert "The Trash is empty: 1 conversation deleted for good." in emptied["bin_empty"]
    assert (emptied["bin_choosing"]["visible"], emptied["restore"]["visible"]) == (False, False)
    assert kept.binned() == ()
    deleted(kept, "Salt")
    assert draw(kept, None)["bin_choosing"]["visible"] is True


def test_what_was_not_asked_about_is_not_deleted(kept: Kept) -> None:
    """Another page may have deleted one more while this one was asking."""
    deleted(kept, "Bread")
    press(kept, "ask")
    deleted(kept, "Salt")
    again = press(kept, "empty", 1)
    assert "Delete 2 conversations for good?" in again["bin_empty"]
    assert "restore" not in again
    for wrong in ("", "x", 0):
        press(kept, "empty", wrong)
    assert len(kept.binned()) == 2


def test_what_cannot_be_read_is_named_with_a_way_to_the_bin(kept: Kept, tmp_path: Path) -> None:
    """It was left out of every list, so a person could only think that the studio had lost it."""
    broken = kept.save(Conversation(name="Bread")).id
    file = tmp_path / "conversations" / f"{broken}.json"
    file.write_text(file.read_text()[:20], encoding="utf-8")
    odd = file.with_name("<b>notes.json")
    odd.write_text("{}", encoding="utf-8")
    shown = draw(kept, None)
    assert (shown["bin"]["visible"], shown["bin_choosing"]["visible"]) == (True, False)
    assert shown["bin"]["label"] == "Trash (0) · 2 damaged"
    assert "2 conversations cannot be read" in shown["bin_empty"]
    assert "&lt;b&gt;notes.json" in shown["bin_empty"]
    shown = press(kept, "discard", odd.name)
    assert shown["bin"]["label"] == "Trash (1) · 1 damaged"
    shown = press(kept, "discard", file.name)
    assert "cannot be read" not in shown["bin_empty"]
    assert sorted(each.name for each in (tmp_path / "bin" / "conversations").iterdir()) == sorted([odd.name, file.name])
    assert "2 conversations deleted for good" in press(kept, "empty", 2)["bin_empty"]


def test_a_damaged_file_takes_no_place_of_another_in_the_bin(kept: Kept, tmp_path: Path) -> None:
    id = deleted(kept, "Bread")
    file = tmp_path / "conversations" / f"{id}.json"
    file.write_text("{", encoding="utf-8")
    press(kept, "discard", file.name)
    assert [each.name for each in kept.binned()] == ["Bread"]
    assert kept.in_bin() == 2


@pytest.mark.parametrize("name", ["", "x.json", "../bin/conversations/x.json", "/etc/passwd"])
def test_only_a_damaged_file_is_put_away_as_one(kept: Kept, name: str) -> None:
    whole = kept.save(Conversation(name="Bread")).id
    for wrong in (name, f"{whole}.json"):
        with pytest.raises(RunError, match="There is no damaged conversation"):
            press(kept, "discard", wrong)
    assert kept.get(whole).name == "Bread"
