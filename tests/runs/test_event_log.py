import os
import time
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.events import Noted, Record, Started, Stepped, Unknown, encode
from studio.runs.event_log import EventLog, read_events
from studio.runs.view import RunView


def step(number: int, loss: float = 2.0) -> Stepped:
    return Stepped(
        step=number, epoch=0.1, loss=loss, learning_rate=1e-4, grad_norm=0.5, tokens_per_second=250.5, memory_gib=1.25
    )


def test_a_reader_follows_from_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path, lambda: 7.0)
    assert log.emit(Started(process_id=1, job="train")) == Record(1, 7.0, Started(1, "train"))
    records, offset = read_events(path)
    assert [record.seq for record in records] == [1]
    assert read_events(path, offset) == ((), offset)
    log.emit(step(1))
    records, further = read_events(path, offset)
    assert [record.event for record in records] == [step(1)]
    assert further == path.stat().st_size
    log.close()


def test_half_a_line_is_not_read_yet(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = encode(Record(1, 1.0, Noted("info", "schön"))).encode() + b"\n"
    for cut in range(len(line)):
        path.write_bytes(line[:cut])
        assert read_events(path) == ((), 0)
    path.write_bytes(line)
    assert read_events(path)[1] == len(line)


def test_opening_cuts_a_torn_last_line_and_counts_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.emit(step(1))
    log.emit(step(2))
    log.close()
    path.write_bytes(path.read_bytes() + b'{"seq":3,"time":1.0,"kind":"Step')
    again = EventLog(path)
    again.emit(step(3))
    again.close()
    assert [record.seq for record in read_events(path)[0]] == [1, 2, 3]
    assert [record.event for record in read_events(path)[0]] == [step(1), step(2), step(3)]


def test_opening_counts_on_behind_lines_longer_than_one_look(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.emit(step(1))
    log.emit(Noted("info", "x" * 300_000))
    log.close()
    path.write_bytes(path.read_bytes() + b"y" * 500_000)
    again = EventLog(path)
    assert again.emit(step(2)).seq == 3
    again.close()
    assert len(read_events(path)[0]) == 3


def test_lines_that_are_no_events_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    damaged = [
        b"",
        b"{}",
        b"nonsense",
        b"\xff\xfe",
        b"[1,2]",
        b'{"seq":5,"kind":"Stepped"}',
        b'{"seq":null,"kind":"X"}',
    ]
    later = b'{"seq":2,"time":3,"kind":"Applauded","hands":2}'
    path.write_bytes(b"\n".join([encode(Record(1, 1.0, step(1))).encode(), *damaged, later]) + b"\n")
    assert [record.event for record in read_events(path)[0]] == [step(1), Unknown("Applauded")]


def test_no_file_has_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "none.jsonl", 400) == ((), 0)


def test_a_replaced_shorter_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(encode(Record(1, 1.0, step(1))) + "\n", encoding="utf-8")
    assert len(read_events(path, 10_000)[0]) == 1


def test_a_number_that_is_not_finite_leaves_no_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    with pytest.raises(ValueError, match="JSON compliant"):
        log.emit(step(1, float("nan")))
    assert log.emit(step(1)).seq == 1
    log.close()
    assert len(read_events(path)[0]) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_sentence() -> None:
    with pytest.raises(RunError, match="cannot be written"):
        EventLog(Path("/dev/full")).emit(step(1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(RunError, match="cannot be written"):
        EventLog(tmp_path / "events.jsonl")


def test_a_long_run_is_folded_quickly_and_then_incrementally(tmp_path: Path) -> None:
    """A quarter of 200,000 events, which fold in about two seconds; the limit leaves room for a busy machine."""
    path = tmp_path / "events.jsonl"
    lines = [encode(Record(number, float(number), step(number))) + "\n" for number in range(1, 50_001)]
    path.write_text("".join(lines), encoding="utf-8")
    view, begin = RunView(), time.process_time()
    records, offset = read_events(path)
    for record in records:
        view.apply(record)
    assert time.process_time() - begin < 10
    assert view.step == 50_000
    begin = time.process_time()
    assert read_events(path, offset) == ((), offset)
    assert time.process_time() - begin < 0.1
