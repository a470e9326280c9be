"""What comes home from a place: once, in an order that never shows more than is there, and nothing else."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.events import Event, Failed, Finished, Loading, Noted, Record, Saved, Started, Stepped, encode
from studio.jobs.places.protocol import Report, StoredFile
from studio.jobs.places.storage import FolderStorage
from studio.runs.event_log import EventLog, read_events
from studio.runs.store import RunFolder
from studio.workers.bringing import Bringing, Gone, last_number
from studio.workers.job import Job
from tests.tiny_adapter import write_adapter

STEP = Stepped(1, 0.1, 2.0, 1e-3, 0.5, 100.0, 0.5, 64)


class Place:
    """The storage of a place as a job there, or whoever else can write to it, fills it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.storage = FolderStorage(folder)
        self.report = Report(beat=0, now=0.0)

    def file(self, path: str, content: bytes) -> StoredFile:
        digest = hashlib.sha256(content).hexdigest()
        self.storage.write(f"runs/r/files/{digest}", content)
        return StoredFile(path, f"runs/r/files/{digest}", digest, len(content))

    def says(self, *events: Event, since: int = 0, time: float = 1_790_000_000.0) -> Report:
        lines = [encode(Record(since + number, time, event)) for number, event in enumerate(events, 1)]
        self.report = replace(self.report, events=self.report.events + 1, beat=self.report.beat + 1)
        self.storage.write(f"runs/r/1/events-{self.report.events}", ("\n".join(lines) + "\n").encode())
        return self.report


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


@pytest.fixture
def bringing(tmp_path: Path, place: Place, make_run: Callable[..., RunFolder]) -> Bringing:
    return bring(make_run(), place)


def bring(run: RunFolder, place: Place, attempt: int = 1) -> Bringing:
    log = EventLog(run.events_path)
    return Bringing(Job(log.emit), run, place.storage, attempt=attempt, part="runs/r/1", here="/models/base")


def run_of(bringing: Bringing) -> RunFolder:
    return bringing._run


def told(bringing: Bringing) -> list[Event]:
    return [record.event for record in read_events(run_of(bringing).events_path)[0]]


def test_events_come_once_however_often_they_are_brought(bringing: Bringing, place: Place) -> None:
    first = place.says(Started(7, "train"), Loading("Loading"), STEP)
    lines = place.storage.read("runs/r/1/events-1", most_bytes=10_000)
    bringing.take_in(first)
    assert told(bringing) == [Loading("Loading"), STEP], "the process of the place means nothing here"
    assert last_number(run_of(bringing).events_path, 1) == 3
    assert last_number(run_of(bringing).events_path, 2) == 0
    assert lines is not None
    place.storage.write("runs/r/1/events-1", lines)  # this worker dies before it deleted them
    again = bring(run_of(bringing), place)
    assert again.is_attached
    again.take_in(place.says(replace(STEP, step=2), since=3))
    assert told(again) == [Loading("Loading"), STEP, replace(STEP, step=2)]


def test_the_end_is_kept_for_whoever_writes_it(bringing: Bringing, place: Place) -> None:
    bringing.take_in(place.says(STEP, Finished("finished", "Done.", 3.0)))
    assert bringing.last == Finished("finished", "Done.", 3.0)
    assert told(bringing) == [STEP]


def test_the_end_is_told_again_to_a_worker_that_takes_the_job_up(bringing: Bringing, place: Place) -> None:
    """The job goes on after it, to evaluate the run: whoever is killed meanwhile has not written the end."""
    bringing.take_in(place.says(STEP))
    said = place.says(Finished("finished", "", 1.0), since=1)
    bringing.take_in(said)
    again = bring(run_of(bringing), place)
    again.take_in(said)
    assert again.last == Finished("finished", "", 1.0)
    assert [each for each in told(again) if isinstance(each, Stepped)] == [STEP]


def test_a_failure_names_no_folder_of_the_place(bringing: Bringing, place: Place) -> None:
    bringing.take_in(place.says(Failed("bug", "It broke in /home/other/secret/file.py.", detail="/home/other")))
    assert bringing.last == Failed("bug", "It broke in file.py.")


def test_a_clock_that_is_wrong_there_is_set_right(bringing: Bringing, place: Place) -> None:
    report = place.says(STEP, time=1000.0)
    bringing.take_in(replace(report, now=1000.0))
    assert read_events(run_of(bringing).events_path)[0][0].time > 1_700_000_000


def test_a_checkpoint_is_here_before_the_event_that_names_it(bringing: Bringing, place: Place) -> None:
    report = place.says(Saved(4, "checkpoints/step-4"))
    content = b'{"base_model_name_or_path": "/there/base", "peft_type": "OTHER"}'
    files = (place.file("checkpoints/step-4/settings_of_nothing.json", content),)
    with pytest.raises(RunError, match="no run has"):
        bringing.take_in(replace(report, files=files))
    files = (place.file("checkpoints/step-4/config.json", content),)
    bringing.take_in(replace(report, files=files))
    assert told(bringing) == [Saved(4, "checkpoints/step-4")]
    here = json.loads((run_of(bringing).checkpoint(4) / "config.json").read_text())
    assert here["base_model_name_or_path"] == "/models/base"
    place.storage.delete(files[0].at)
    newer = replace(
        place.says(STEP, since=1), files=(replace(files[0], at="runs/r/files/" + "0" * 64, sha256="0" * 64),)
    )
    bringing._files.clear()
    with pytest.raises(Gone):
        bringing.take_in(newer)
    assert told(bringing) == [Saved(4, "checkpoints/step-4")], "an event is shown whose files are not here"


@pytest.mark.parametrize("counts", [{"events": 2**62}, {"logs": 2**62}, {"events": 5_000_001}])
def test_more_pieces_than_any_job_sends_are_not_asked_for(
    bringing: Bringing, place: Place, counts: dict[str, int]
) -> None:
    """They were asked for one after the other, without an end, and nobody looked whether the run was stopped."""
    with pytest.raises(RunError, match="no run says so much"):
        bringing.take_in(replace(place.report, **counts))
    assert told(bringing) == []


@pytest.mark.parametrize("kind", ["events", "logs"])
def test_pieces_are_left_where_they_are_once_nothing_is_wanted_any_more(
    place: Place, make_run: Callable[..., RunFolder], kind: str
) -> None:
    run, asked = make_run(), 0

    def leaves_off() -> bool:
        nonlocal asked
        asked += 1
        return asked > 100

    job = Job(EventLog(run.events_path).emit)
    bringing = Bringing(job, run, place.storage, attempt=1, part="runs/r/1", here="", leaves_off=leaves_off)
    bringing.take_in(replace(place.report, **{kind: 4_000_000}))
    assert asked in (101, 102)


def test_an_adapter_comes_home(bringing: Bringing, place: Place, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    write_adapter(adapter)
    files = tuple(place.file(f"adapter/{path.name}", path.read_bytes()) for path in sorted(adapter.iterdir()))
    bringing.take_in(replace(place.says(STEP), files=files))
    assert run_of(bringing).result == run_of(bringing).path / "adapter"


@pytest.mark.parametrize(
    "path",
    [
        "config.json",
        "train.jsonl",
        "events.jsonl",
        "run.lock",
        "away.json",
        "../outside.json",
        "adapter/../../outside.json",
        "/etc/passwd",
        "adapter/code.py",
        "adapter/pytorch_model.bin",
        "checkpoints/step-1/.hidden.safetensors",
        "checkpoints/step--1/config.json",
        "exports/adapter.zip",
        "task.json",
    ],
)
def test_a_place_writes_nothing_that_no_worker_makes(bringing: Bringing, place: Place, path: str) -> None:
    files = (place.file(path, b"{}"),)
    before = sorted(run_of(bringing).path.rglob("*"))
    with pytest.raises(RunError, match="no run has"):
        bringing.take_in(replace(place.says(STEP), files=files))
    assert sorted(run_of(bringing).path.rglob("*")) == before
    assert told(bringing) == []


@pytest.mark.parametrize("wrong", ["content", "size", "twice", "hash"])
def test_files_that_are_not_what_was_said_are_not_taken(bringing: Bringing, place: Place, wrong: str) -> None:
    file = place.file("adapter/config.json", b"{}")
    files = (file,)
    if wrong == "content":
        place.storage.write(file.at, b"[]")
    elif wrong == "size":
        files = (replace(file, size=1),)
    elif wrong == "twice":
        files = (file, file)
    else:
        files = (replace(file, sha256="../../x"),)
    with pytest.raises(RunError):
        bringing.take_in(replace(place.says(STEP), files=files))
    assert not (run_of(bringing).path / "adapter").exists()
    assert told(bringing) == []


def test_weights_that_are_none_are_not_taken(bringing: Bringing, place: Place) -> None:
    files = (place.file("adapter/adapter_model.safetensors", b"\xff" * 64),)
    with pytest.raises(RunError, match="damaged"):
        bringing.take_in(replace(place.says(STEP), files=files))
    assert not (run_of(bringing).path / "adapter").exists()


def test_what_would_fill_the_disk_is_not_fetched(bringing: Bringing, place: Place) -> None:
    files = (replace(place.file("adapter/config.json", b"{}"), size=1 << 60),)
    with pytest.raises(OSError, match="come home"):
        bringing.take_in(replace(place.says(STEP), files=files))


def test_lines_that_are_no_events_are_passed_over(bringing: Bringing, place: Place) -> None:
    report = place.says(STEP)
    good = place.storage.read("runs/r/1/events-1", most_bytes=10_000)
    assert good is not None
    place.storage.write("runs/r/1/events-1", b"\x00{]\n{}\n" + good + b'{"seq": 99999999999999999999}\n')
    bringing.take_in(report)
    assert told(bringing) == [STEP]


def test_the_last_two_checkpoints_stay_whatever_a_place_says(bringing: Bringing, place: Place) -> None:
    for step in (1, 2, 3, 4):
        (run_of(bringing).checkpoint(step)).mkdir(parents=True)
    files = (place.file("checkpoints/step-9/config.json", b"{}"),)
    bringing.take_in(replace(place.says(Noted("info", "x")), files=files))
    assert run_of(bringing).checkpoint_steps == (4, 9)
