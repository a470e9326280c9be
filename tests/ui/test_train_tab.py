from typing import Any

import gradio as gr
import pytest

from studio.config import RunConfig
from studio.errors import RunError
from studio.events import Evaluated, Failed, Finished, Loading, Noted, Stopping
from studio.runs.store import RunFolder
from studio.runs.studio import Studio
from studio.ui.run_choices import all_runs, at_work, keep_or_first, runs_with_result
from studio.ui.train_tab import redraw, run_status, stop_run
from tests.ui.fake_studio import FakeWorkers, finished_run, opening_events, play, step

PARTS = ("status", "chart", "stop", "consequence", "compare", "settings", "log")


@pytest.fixture
def live(studio: Studio) -> RunFolder:
    return studio.start_run(RunConfig(rank=4), studio.datasets.add_sample("order_slips").id)


def look(studio: Studio, run_id: str | None, drawn: Any = None) -> dict[str, Any]:
    return dict(zip((*PARTS, "drawn"), redraw(studio, run_id=run_id, drawn=drawn), strict=True))


def test_a_run_that_works_shows_its_figures_and_curves(studio: Studio, live: RunFolder) -> None:
    steps = [step(number, loss=3.0 - number / 10) for number in range(1, 6)]
    play(live, *opening_events(steps=63), *steps, Evaluated(5, 2.25), clock=studio.clock)
    shown = look(studio, live.id)
    assert "Training" in shown["status"]
    assert "2.250" in shown["status"]
    assert shown["chart"]["steps"] == (1, 2, 3, 4, 5)
    assert shown["chart"]["evaluated_losses"] == (2.25,)
    assert shown["chart"]["run"] == live.id
    assert shown["stop"]["visible"] is True
    assert "5 steps" in shown["consequence"]
    assert shown["compare"]["visible"] is False
    assert "worker woke up" in shown["log"]


def test_only_what_is_new_is_sent(studio: Studio, live: RunFolder) -> None:
    play(live, *opening_events(steps=63), step(1, loss=3.0), clock=studio.clock)
    before = look(studio, live.id)
    again = look(studio, live.id, before["drawn"])
    assert all(again[name] == gr.skip() for name in PARTS)
    play(live, step(2, loss=2.5), clock=studio.clock)
    later = look(studio, live.id, before["drawn"])
    assert later["chart"]["steps"] == (1, 2)
    assert later["settings"] == gr.skip()


def test_loading_says_how_far_it_is(studio: Studio, live: RunFolder) -> None:
    loading = Loading("downloading the starter model", 45_000_000, 92_900_000, "bytes")
    play(live, opening_events(steps=1)[0], loading, clock=studio.clock)
    assert "45.0 MB of 92.9 MB" in look(studio, live.id)["status"]


def test_a_finished_run_leads_to_the_comparison(studio: Studio) -> None:
    run = finished_run(studio, dataset_id=studio.datasets.add_sample("order_slips").id)
    shown = look(studio, run.id)
    assert "Finished" in shown["status"]
    assert shown["compare"]["visible"] is True
    assert shown["stop"]["visible"] is False


def test_a_failure_is_a_sentence_without_its_trace(studio: Studio, live: RunFolder) -> None:
    failed = Failed("memory", "The memory ran out.", "Take a smaller model.", "Traceback (most recent call last)")
    play(live, *opening_events(steps=3), Noted("warning", "Two rows <b>were</b> cut."), failed, clock=studio.clock)
    status = look(studio, live.id)["status"]
    assert "The memory ran out. Take a smaller model." in status
    assert "Traceback" not in status
    assert "&lt;b&gt;" in status


def test_the_settings_shown_are_the_run_s_own(studio: Studio, live: RunFolder) -> None:
    play(live, *opening_events(steps=3), clock=studio.clock)
    settings = look(studio, live.id)["settings"]
    assert "<dt>Rank</dt><dd>4</dd>" in settings
    assert "A format: order slips" in settings
    assert "4,884,480 (3.5 % of 139.4 million)" in settings


def test_a_run_that_held_nothing_out_says_so(studio: Studio, live: RunFolder) -> None:
    """A finished run promised its held-out loss "after the first check"."""
    end = Finished("finished", "Done.", 12.0)
    play(live, *opening_events(steps=1, held_out=0), step(1, loss=3.0), end, clock=studio.clock)
    status = look(studio, live.id)["status"]
    assert "none held out" in status
    assert "after the first check" not in status


def test_a_run_that_stops_has_no_time_left(studio: Studio, live: RunFolder) -> None:
    steps = [step(number, loss=3.0) for number in range(1, 6)]
    play(live, *opening_events(steps=63), *steps, clock=studio.clock)
    assert "Time left" in look(studio, live.id)["status"]
    play(live, Stopping(), clock=studio.clock)
    assert "Time left" not in look(studio, live.id)["status"]


def test_without_a_run_the_page_says_what_will_come(studio: Studio) -> None:
    assert "No run yet" in look(studio, None)["status"]


def test_a_run_that_is_gone_is_said_to_be_gone(studio: Studio) -> None:
    """A run deleted while it was shown stayed on the page as if it were there."""
    sent = look(studio, "20260101-000000-nobody")
    assert "There is no run" in sent["status"]
    assert sent["compare"]["visible"] is False
    with pytest.raises(RunError):
        run_status(studio, "20260101-000000-nobody")


def test_stop_takes_the_button_away(studio: Studio) -> None:
    run = finished_run(studio, dataset_id=studio.datasets.add_sample("order_slips").id)
    assert stop_run(studio, run.id)["interactive"] is False


def test_a_run_at_work_is_shown_unless_another_was_chosen(studio: Studio, live: RunFolder) -> None:
    choices = [("older", "a"), *all_runs(studio)]
    assert at_work(studio) == live.id
    assert keep_or_first(None, choices, rather=live.id) == live.id
    assert keep_or_first("a", choices, rather=live.id) == "a"
    assert keep_or_first("gone", choices) == "a"
    assert runs_with_result(studio) == []


def test_programs_can_ask_for_the_status(studio: Studio, live: RunFolder) -> None:
    play(live, *opening_events(steps=63), step(1, loss=3.0), clock=studio.clock)
    status = run_status(studio, live.id)
    assert (status["status"], status["step"], status["total_steps"], status["loss"]) == ("training", 1, 63, 3.0)
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
