"""The folder in which an export is made: what fails takes its parts away, and what is killed leaves the whole ones."""

from pathlib import Path

import pytest

from studio.workers.scratch import scratch


def leave(folder: Path, of: str) -> None:
    """Leave behind what a killed process would: one whole part, and one that was just being made."""
    with scratch(folder, of) as made:
        made.made("whole", lambda part: (part / "a").write_text("1"))
        kept = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, content in {**kept, Path(".half.tmp/a"): b"half"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_a_whole_part_is_taken_up_and_a_half_one_is_made_again(tmp_path: Path) -> None:
    leave(tmp_path / "x", "rank 8")
    made: list[str] = []
    with scratch(tmp_path / "x", "rank 8") as parts:
        assert parts.size > 0
        assert (parts.made("whole", lambda part: made.append("whole")) / "a").read_text() == "1"
        half = parts.made("half", lambda part: (made.append("half"), (part / "a").write_text("2")))
        assert (half / "a").read_text() == "2"
        parts.drop("half")
        assert not half.exists()
    assert made == ["half"]
    assert not (tmp_path / "x").exists()


def test_the_parts_of_another_export_are_not_taken_up(tmp_path: Path) -> None:
    leave(tmp_path / "x", "rank 8")
    with scratch(tmp_path / "x", "rank 16") as parts:
        assert not list(parts.made("whole", lambda part: None).iterdir())


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        raise ValueError("walrus")

    with scratch(tmp_path / "x", "rank 8") as parts, pytest.raises(ValueError, match="walrus"):
        parts.made("half", fail)
    assert not (tmp_path / "x").exists()
