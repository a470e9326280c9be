"""What is kept of an evaluation that was stopped, and what the next one still has to ask."""

from pathlib import Path

from studio.workers.kept_outputs import Begun, forget_others, keep, kept_path, read_kept, so_far


def test_what_a_model_said_is_found_again_part_by_part(tmp_path: Path) -> None:
    path = tmp_path / "evaluations" / "base-1.json"
    begun = so_far(path)
    assert begun.part("losses", 3) == [None, None, None]
    begun.keep("losses", [(1.5, 4), None, (2.0, 8)])
    begun.keep("answers", [("Yes.", False), None, None])
    begun.keep("choices", [(-1.0, -2.0, -3.0, -4.0), None, None])
    again = so_far(path)
    assert again.part("losses", 3) == [(1.5, 4), None, (2.0, 8)]
    assert again.part("answers", 3) == [("Yes.", False), None, None]
    assert again.part("choices", 3)[0] == (-1.0, -2.0, -3.0, -4.0)
    assert again.part("texts", 2) == [None, None]
    again.forget()
    again.forget()
    assert so_far(path).begun == Begun()


def test_what_does_not_fit_the_questions_or_cannot_be_read_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "end-1.json"
    so_far(path).keep("losses", [(1.5, 4)])
    assert so_far(path).part("losses", 2) == [None, None]
    path.with_suffix(".begun").write_text('{"losses": "no"}')
    assert so_far(path).begun == Begun()


def test_what_was_begun_with_other_questions_goes(tmp_path: Path) -> None:
    mine, older, of_another = (so_far(tmp_path / f"{name}.json") for name in ("end-1", "end-2", "data-1-2"))
    for each in (mine, older, of_another):
        each.keep("losses", [None])
    forget_others(tmp_path, "end", mine.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data-1-2.begun", "end-1.begun"]


def test_another_model_and_other_questions_have_files_of_their_own(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    first = kept_path(tmp_path, model, "asked")
    assert first != kept_path(tmp_path, model, "asked otherwise")
    (model / "model.safetensors").write_bytes(b"learned")
    assert first != kept_path(tmp_path, model, "asked")
    keep(first, Begun(losses=((1.0, 2),)))
    assert read_kept(first, Begun) == Begun(losses=((1.0, 2),))
