import csv
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.errors import RunError
from studio.events import Evaluated, Event, Prepared, Record, Started, Stepped
from studio.runs.store import RunFolder, RunStore
from studio.runs.tables import HEAD, write_csv
from studio.runs.view import RunView


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    example = Example(messages=(Message("user", "Why?"), Message("assistant", "So.")))
    origin = {"dataset_id": "d", "dataset_name": "Data", "dataset_sha256": "x"}
    return RunStore(tmp_path).create(RunConfig(name="a"), train=[example], validation=[], **origin)


def fold(*events: Event) -> RunView:
    view = RunView()
    for place, event in enumerate(events):
        view.apply(Record(place + 1, 100.0 + place, event))
    return view


def step(number: int, *, tokens: int) -> Stepped:
    return Stepped(number, 0.5, 2.5, 1e-4, 0.7, 210.0, 1.5, tokens)


def read(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def test_every_step_stands_in_the_table_with_the_held_out_loss_beside_it(run: RunFolder) -> None:
    steps = [step(number, tokens=100) for number in range(1, 2001)]
    file = write_csv(run, fold(Started(1, "train"), Evaluated(0, 3.0), *steps, Evaluated(2000, 1.25)))
    rows = read(file)
    assert tuple(rows[0]) == HEAD
    assert len(rows) == 2001
    assert (rows[0]["step"], rows[0]["held_out_loss"], rows[0]["loss"]) == ("0", "3.0", "")
    assert (rows[1]["step"], rows[1]["loss"], rows[1]["held_out_loss"]) == ("1", "2.5", "")
    last = rows[-1]
    assert (last["step"], last["held_out_loss"], last["tokens_until_then"]) == ("2000", "1.25", "200000")
    assert (last["learning_rate"], last["gradient_norm"]) == ("0.0001", "0.7")


def test_a_loss_over_a_part_of_the_examples_stands_beside_that_over_all(run: RunFolder) -> None:
    checks = (Evaluated(0, 3.0, 24, 100, 3.1), step(1, tokens=9), Evaluated(1, 2.0, 24, 100), step(2, tokens=9))
    rows = read(write_csv(run, fold(*checks, Evaluated(2, 1.5, 24, 100), Evaluated(2, 1.5, 24, 100, 1.75))))
    names = ("step", "held_out_loss", "held_out_examples", "loss_of_all_held_out", "learning_rate")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("0", "3.0", "24", "3.1", ""),
        ("1", "2.0", "24", "", "0.0001"),
        ("2", "1.5", "24", "1.75", "0.0001"),
    ]
    prepared = Prepared(90, 10, 0, 900, 400, 60)
    (whole,) = read(write_csv(run, fold(prepared, step(1, tokens=9), Evaluated(1, 2.0))))
    assert (whole["held_out_examples"], whole["loss_of_all_held_out"]) == ("10", "2.0")


def test_tokens_that_nobody_counted_are_not_nought(run: RunFolder) -> None:
    file = write_csv(run, fold(step(1, tokens=0)))
    assert read(file)[0]["tokens_until_then"] == ""


def test_a_run_without_a_step_has_a_table_without_rows(run: RunFolder) -> None:
    assert write_csv(run, RunView()).read_text() == ",".join(HEAD) + "\n"


def test_a_folder_that_cannot_be_written_is_a_sentence(run: RunFolder) -> None:
    run.exports.rmdir()
    run.exports.write_text("in the way")
    with pytest.raises(RunError, match="cannot be written"):
        write_csv(run, RunView())
