"""Damaged files that broke the studio, one test for each: none takes a list, a start or a thread with it."""

import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio import codec
from studio.cli import serve
from studio.errors import RunError
from studio.events import Finished, Saved
from studio.runs.event_log import last_event
from studio.runs.following import Following
from studio.runs.queue import Queue
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.kit.drawn import Drawn, only_new
from studio.ui.kit.numbers import moment
from studio.ui.runs import view
from studio.wording import duration
from tests.security.small_home import Ids, look_everywhere, opened, serve_a_while, write_small_home
from tests.ui.fake_studio import FakeWorkers

pytestmark = pytest.mark.security

DEEP = "[" * 100_000 + "]" * 100_000


class Home:
    """A studio on a small folder with one of everything."""

    def __init__(self, studio: Studio, launch: FakeWorkers, ids: Ids) -> None:
        self.studio, self.launch, self.ids = studio, launch, ids
        self.path = studio.settings.home
        self.finished = RunFolder(self.path / "runs" / ids.finished)
        self.lost = RunFolder(self.path / "runs" / ids.lost)

    def use(self) -> None:
        serve_a_while(self.studio)
        look_everywhere(self.studio, self.ids)

    def status(self, id: str) -> str | None:
        return {run.id: run.status for run in self.studio.summaries.look(fresh=True).runs}[id]

    def trained(self) -> list[tuple[str, ...]]:
        return [job for job in self.launch.jobs if job.job in ("train", "evaluate")]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    source = tmp_path / "source"
    source.mkdir()
    ids = write_small_home(tmp_path / "home", source)
    with opened(tmp_path / "home") as (studio, launch):
        yield Home(studio, launch, ids)


def append(run: RunFolder, line: str) -> None:
    with run.events_path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def replace_last_line(run: RunFolder, line: str) -> None:
    lines = run.events_path.read_text(encoding="utf-8").splitlines()
    run.events_path.write_text("\n".join([*lines[:-1], line]) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    "line",
    [DEEP, '{"seq":1,"time":1e999,"kind":"Stopping"}', '{"seq":99999999,"time":1,"kind":"Stopping"}', "\x00" * 100],
)
def test_a_finished_run_whose_log_is_damaged_is_not_trained_again(home: Home, line: str) -> None:
    """The last line could not be read, so the run looked as if it had been lost, and was queued by the next start."""
    replace_last_line(home.finished, line)
    home.finished.lost_path.unlink(missing_ok=True)
    home.use()
    assert home.status(home.ids.finished) == "damaged"
    assert home.trained() == []
    state = home.studio.scheduler.view(home.ids.finished)
    assert "events.jsonl" in state.headline
    assert not state.can_resume
    with pytest.raises(RunError, match="is damaged"):
        home.studio.queue_run(home.ids.finished)
    home.studio.delete_run(home.ids.finished)
    assert home.ids.finished in {run.id for run in home.studio.runs.binned()}


def test_a_damaged_run_that_stands_in_the_queue_is_not_started(home: Home) -> None:
    """Whatever the queue named was started when its turn came."""
    replace_last_line(home.finished, DEEP)
    queue = Queue(home.path)
    for id in (home.ids.finished, "../../outside", "gone\0"):
        queue.add(id)
    home.use()
    assert home.trained() == []
    assert queue.line().waiting == ()


def test_a_damaged_line_before_the_end_is_passed_over(home: Home) -> None:
    """One damaged line of a log that says how the run ended takes nothing away from that."""
    lines = home.finished.events_path.read_text(encoding="utf-8").splitlines()
    lines[4] = DEEP
    home.finished.events_path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    home.use()
    assert home.status(home.ids.finished) == "finished"
    assert Following(home.finished.events_path).view().passed_over == 1


def test_a_torn_last_line_does_not_make_a_run_damaged(home: Home) -> None:
    with home.lost.events_path.open("ab") as file:
        file.write(b'{"seq":7,"time":1.0,"ki')
    home.use()
    assert home.status(home.ids.lost) == "lost"


def test_seconds_beyond_every_number_are_no_event(home: Home) -> None:
    """An end after 1e999 seconds was read as infinite, and no sentence could say that."""
    replace_last_line(
        home.finished, '{"seq":11,"time":1.0,"kind":"Finished","status":"finished","summary":"","seconds":1e999}'
    )
    home.use()
    assert last_event(home.finished.events_path) is None
    assert home.status(home.ids.finished) == "damaged"


def test_a_nested_reason_does_not_keep_the_server_from_starting(home: Home) -> None:
    """`lost.json` was read at the start, and the error that nesting brings was not among those expected."""
    home.lost.lost_path.write_text(DEEP, encoding="utf-8")
    assert home.studio.recover() == ()
    home.use()
    assert home.status(home.ids.lost) == "lost"


@pytest.mark.parametrize("name", ["about.json", "parents.json", "evaluations/end.json", "exports/adapter.json"])
def test_a_nested_file_of_a_run_leaves_the_run_listed(home: Home, name: str) -> None:
    (home.finished.path / name).write_text(DEEP, encoding="utf-8")
    home.use()
    assert home.status(home.ids.finished) == "finished"


@pytest.mark.parametrize(
    ("name", "content"),
    [("config.json", DEEP), ("config.json", "[]"), ("origin.json", '{"created": 1e999}'), ("origin.json", "")],
)
def test_a_run_without_settings_or_origin_is_listed_with_a_way_to_the_bin(home: Home, name: str, content: str) -> None:
    """Such a folder was left out of the list, so nobody could be rid of it."""
    (home.finished.path / name).write_text(content, encoding="utf-8")
    home.use()
    assert home.status(home.ids.finished) == "damaged"
    drawn, _ = only_new(view.draw(home.studio, view.Selection(opened=home.ids.finished)), Drawn())
    assert name in drawn["one_said"]
    assert 'data-verb="delete"' in drawn["actions"]
    home.studio.delete_run(home.ids.finished)
    with pytest.raises(RunError, match="no run"):
        home.studio.scheduler.view(home.ids.finished)


def test_a_run_from_the_far_future_is_damaged(home: Home) -> None:
    """No calendar holds the year 31,000, and the list of the runs shows a date."""
    path = home.finished.path / "origin.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"created": 9.9e11}), encoding="utf-8")
    home.use()
    assert home.status(home.ids.finished) == "damaged"
    assert moment(9.9e300) == moment(1e12)
    assert duration(1e90) == "more than a hundred years"


@pytest.mark.parametrize("content", [DEEP, "", "{", '{"waiting": [1]}', '{"waiting": ["a"], "working": {}}', "\ud800"])
def test_a_damaged_queue_is_set_aside_and_the_next_goes_on(home: Home, content: str) -> None:
    """The thread that looks after the queue ended for good, and no run was started any more."""
    path = home.path / "queue.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    home.studio.tick()
    kept = [each for each in home.path.glob("queue.damaged-*.json")]
    assert [each.read_bytes() for each in kept] == [content.encode("utf-8", "surrogatepass")]
    home.studio.queue_run(home.ids.draft)
    assert [job.job for job in home.trained()] == ["train"]


class Failing:
    """A studio whose queue fails in every way before it works again."""

    def __init__(self, ended: threading.Event) -> None:
        self.calls, self._ended = 0, ended

    def tick(self) -> None:
        self.calls += 1
        if self.calls == 1:
            raise RecursionError("too deep")
        if self.calls == 2:
            raise RunError("The disk is full.")
        self._ended.set()


def test_the_thread_of_the_queue_goes_on_after_any_error(caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody expected ended the thread without a word."""
    ended = threading.Event()
    studio = Failing(ended)
    with caplog.at_level(logging.WARNING):
        serve.keep_queue(studio, ended, pause_seconds=0.001)
    assert studio.calls == 3
    assert "RecursionError: too deep" in caplog.text
    assert "The disk is full." in caplog.text


def test_a_pipe_in_the_place_of_a_log_is_not_waited_for(home: Home) -> None:
    """Opening a pipe waits for a writer that never comes, and took the list of the runs with it."""
    home.finished.events_path.unlink()
    os.mkfifo(home.finished.events_path)
    home.use()
    assert home.status(home.ids.finished) == "damaged"
    assert home.trained() == []


def test_an_index_that_lies_is_made_again(home: Home) -> None:
    """An index with places in no order had a line read as long as the rest of the file."""
    import numpy as np

    found = home.studio.data.examples(home.ids.dataset)
    path = found.path.with_name("examples.index.npy")
    whole = np.load(path)
    np.save(path, np.concatenate([whole[:1], whole[1:-1][::-1], whole[-1:]]))
    assert list(home.studio.data.examples(home.ids.dataset)) == list(found)
    path.write_bytes(path.read_bytes()[:128].replace(b"(13,)", b"(9999999999999,)"))
    assert list(home.studio.data.examples(home.ids.dataset)) == list(found)


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        '{"a":' * 65 + "1" + "}" * 65,
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
        "9" * 65,
        "9" * 5000,
        '"\\ud800"',
        '["\\udc00\\ud800"]',
        b'"\xff"',
        "{",
        "",
        '"' + '\\"' * 1000,
    ],
)
def test_the_codec_raises_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(codec.Damaged):
        codec.parse(text)


def test_the_codec_takes_what_only_looks_like_it() -> None:
    assert codec.parse(json.dumps("[" * 1000 + '"')) == "[" * 1000 + '"'
    assert codec.parse("[" * 64 + "]" * 64) is not None
    assert codec.parse('"\\ud83d\\ude00"') == "\U0001f600"
    assert codec.parse(json.dumps([[]] * 1000)) == [[]] * 1000
    assert codec.parse("1000000000000000019884624838656") == int(1e30)


def test_the_codec_bounds_a_file(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text("[" + " " * 100 + "]", encoding="utf-8")
    assert codec.parse_file(path) == []
    with pytest.raises(codec.Damaged, match="larger"):
        codec.parse_file(path, most_bytes=100)
    with pytest.raises(FileNotFoundError):
        codec.parse_file(tmp_path / "none.json")


@pytest.mark.parametrize(
    "value",
    [{"step": 2**63, "path": ""}, {"step": True, "path": ""}, {"step": 1.0, "path": ""}, {"path": ""}, [], None],
)
def test_a_value_of_another_shape_is_damaged(value: object) -> None:
    with pytest.raises(codec.Damaged):
        codec.from_plain(Saved, value)


@pytest.mark.parametrize("seconds", [1e101, 10**400, float("inf"), float("nan"), True])
def test_a_float_that_is_too_large_is_damaged(seconds: float) -> None:
    with pytest.raises(codec.Damaged):
        codec.from_plain(Finished, {"status": "finished", "summary": "", "seconds": seconds})
