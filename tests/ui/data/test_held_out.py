from pathlib import Path

from studio.data.checking.findings import Finding
from studio.data.splitting import Split
from studio.planning.fitting import Parts
from studio.studio import Studio
from studio.ui.data.held_out import NONE, choices, said
from tests.ui.fake_studio import brought


def test_every_other_data_set_can_be_held_out(studio: Studio, table: Path, mixed_lengths: Path) -> None:
    first, second = brought(studio, table), brought(studio, mixed_lengths)
    assert choices(studio, first.id) == [(NONE, ""), ("lengths · 12 examples", second.id)]


def test_what_is_not_ready_cannot_be_held_out(studio: Studio, table: Path, tmp_path: Path) -> None:
    first = brought(studio, table)
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "\n".join(f"{n},{n * n}" for n in range(9)) + "\n")
    assert brought(studio, path).inspection.verdict
    assert choices(studio, first.id) == [(NONE, "")]


def test_how_many_are_held_out_is_said(studio: Studio, table: Path) -> None:
    other = brought(studio, table)
    assert "18 examples held out, 162 examples to learn from." in said(Parts(162, 18), None, None, comparing=False)
    assert "No examples are held out" in said(Parts(162, 0), None, None, comparing=False)
    assert said(Parts(), None, None, comparing=False) == ""
    assert "being compared" in said(Parts(162, 10), other, None, comparing=True)
    assert "No example of it" in said(Parts(162, 10), other, None, comparing=False)
    found = Finding("overlap", "bad", "3 examples are in both", "", 3)
    assert "3 examples are in both" in said(Parts(162, 10), other, found, comparing=False)


def test_what_asks_the_same_stays_on_one_side_and_the_card_says_so(studio: Studio, table: Path) -> None:
    parts = Parts(16, 4)
    assert "more than once" not in said(parts, None, None, comparing=False, split=Split((), ()))
    one_side = said(parts, None, None, comparing=False, split=Split((), (), repeated=1))
    assert "1 question is asked more than once: examples with the same question are held out together." in one_side
    shared = said(parts, None, None, comparing=False, split=Split((), (), repeated=1, is_shared=True))
    assert "ls-warning" in shared
    assert "also trained on" in shared
