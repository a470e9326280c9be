from dataclasses import replace
from pathlib import Path

from studio.data.checking.fixes import FIXES
from studio.data.library import DatasetLibrary
from studio.data.reading_choices import Change, Edit
from studio.data.versions import added, doing, done, is_same, version_label, with_change, with_edit, without_change


def test_keys_join_the_change_that_is_there() -> None:
    changes = with_change((Change("leave-out", ("a",), 1), Change("mask-emails", (), 3)), "leave-out", ["b", "a"])
    assert changes == (Change("leave-out", ("a", "b")), Change("mask-emails"))
    assert with_change(changes, "mask-emails") == changes
    assert without_change(changes, "leave-out") == (Change("mask-emails"),)


def test_edits_join_and_tell_changes_apart() -> None:
    one, other = Edit("a", 2, "", ("Why?", "So.")), Edit("b", 3, "", ("Who?", "Me."))
    first = with_edit((Change("mask-emails", (), 3),), one)
    both = with_edit(first, other)
    assert both == (Change("mask-emails"), Change("edit", edits=(one, other)))
    assert with_change(both, "leave-out", ["x"])[1] == both[1], "the edits stay with another change"
    assert not is_same(first, both)
    assert added(both, first) == (both[1],)
    assert without_change(both, "edit") == (Change("mask-emails"),)


def test_the_same_changes_whatever_they_counted() -> None:
    assert is_same((Change("a", (), 3), Change("b", ("x", "y"))), (Change("b", ("y", "x"), 1), Change("a")))
    assert not is_same((Change("a"),), ())


def test_a_version_is_named_by_what_was_done(tmp_path: Path) -> None:
    table = tmp_path / "questions.csv"
    table.write_text("question,answer\n" + "".join(f"What is {n}?,It is {n}.\n" for n in range(10)), encoding="utf-8")
    first = DatasetLibrary(tmp_path / "home", samples_folder=tmp_path).add(table)
    assert version_label(first) == "v1 as added · 10 examples"
    two = replace(first, version=2, changes=(Change("drop-duplicates", (), 12),))
    assert version_label(two, first).startswith("v2: left out 12 exact copies · ")
    masked = Change("mask-cards", (), 3)
    three = replace(first, version=3, changes=(masked, Change("drop-duplicates", (), 2)))
    assert version_label(three, replace(first, changes=(masked,))) == "v3: + left out 2 exact copies · 10 examples"
    assert version_label(two, three) == "v2: undone: mask card numbers · 10 examples"
    assert version_label(first, two) == "v1: undone: keep one of each · 10 examples"
    assert version_label(three) == "v3: masked card numbers in 3 examples; left out 2 exact copies · 10 examples"
    other_roles = replace(
        first, version=2, inspection=replace(first.inspection, roles=replace(first.inspection.roles, template="x"))
    )
    assert version_label(other_roles, first) == "v2 columns changed · 10 examples"


def test_every_change_says_what_is_being_done() -> None:
    said = [doing(kind) for kind in FIXES]
    assert {
        "Masking e-mail addresses",
        "Keeping one of each",
        "Removing",
        "Editing by hand",
        "Joining these turns",
    } <= set(said)
    assert all(each.partition(" ")[0].endswith("ing") for each in said)


def test_a_kind_of_a_newer_studio_is_still_named() -> None:
    assert done(Change("polish", (), 1200)) == "polish: 1,200"
