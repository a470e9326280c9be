import json
from typing import Any

import pytest

from studio.config import RunConfig
from studio.errors import RunError
from studio.events import Evaluated, Failed, Finished, Loading, Noted, Sampled, Saved, Stopping
from studio.jobs.tasks import Train
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.api import status_of
from studio.ui.kit.actions import Action
from studio.ui.kit.drawn import Drawn, only_new
from studio.ui.kit.exchange import Result
from studio.ui.kit.run_choices import all_runs, at_work, keep_or_first, runs_with_result
from studio.ui.train import actions, view
from studio.ui.train.view import Selection
from tests.ui.fake_studio import FakeWorkers, finished_run, opening_events, play, step


@pytest.fixture
def live(studio: Studio) -> RunFolder:
    return studio.start_run(RunConfig(rank=4), studio.data.add_sample("order_slips").id)


def look(studio: Studio, run_id: str, drawn: Drawn | None = None) -> dict[str, Any]:
    """What a page is sent that shows `drawn`, and what it shows then."""
    sent, then = only_new(view.draw(studio, view.shared_view(studio), Selection(run_id)), drawn or Drawn())
    return {**sent, "drawn": then}


def test_nothing_is_said_of_runs_until_one_is_chosen(studio: Studio) -> None:
    """A page that was just opened said that there is no run yet."""
    assert "No run yet" in look(studio, "")["status"]
    studio.start_run(RunConfig(rank=4), studio.data.add_sample("order_slips").id)
    studio.summaries.look(fresh=True)
    assert look(studio, "")["status"] == ""


def press(studio: Studio, run_id: str, verb: str) -> dict[str, Any]:
    result = actions.press(studio, view.shared_view(studio), Selection(run_id), Action(verb, run_id))
    updates = result.updates if isinstance(result, Result) else {}
    now = result.state if isinstance(result, Result) else result
    return {**look(studio, now.run_id), **updates}


def take_csv(studio: Studio, action: Action) -> Any:
    result = actions.take_csv(studio, Selection(action.key), action)
    return result.updates["taken"] if isinstance(result, Result) else None


def test_a_run_that_works_shows_its_figures_and_curves(studio: Studio, live: RunFolder) -> None:
    steps = [step(number, loss=3.0 - number / 10) for number in range(1, 6)]
    play(live, *opening_events(steps=63), *steps, Evaluated(5, 2.25), clock=studio.clock)
    shown = look(studio, live.id)
    assert "Training" in shown["status"]
    assert "2.250" in shown["status"]
    chart = json.loads(shown["chart"])
    assert chart["loss"]["step"] == [1, 2, 3, 4, 5]
    assert chart["held_out"]["loss"] == [2.25]
    assert chart["run"] == live.id
    assert "Stop and save" in shown["actions"]
    assert "Yes, discard this run" in shown["actions"]
    assert shown["compare"]["visible"] is False
    assert "The run started.\n" in shown["log"]
    assert "After step 5 the held-out loss is 2.25.\n" in shown["log"]
    assert shown["log"].endswith("What the libraries wrote:\nthe worker woke up")


def test_a_run_is_said_to_start_as_soon_as_it_is_shown(studio: Studio, live: RunFolder) -> None:
    """The page said "No run yet" under the name of the run."""
    assert view.refresh_runs(studio, live.id)["value"] == live.id
    assert "Starting" in look(studio, live.id)["status"]


def test_only_what_is_new_is_sent(studio: Studio, live: RunFolder) -> None:
    play(live, *opening_events(steps=63), step(1, loss=3.0), clock=studio.clock)
    before = look(studio, live.id)
    again = look(studio, live.id, before["drawn"])
    assert again == {"drawn": before["drawn"]}
    play(live, step(2, loss=2.5), clock=studio.clock)
    later = look(studio, live.id, before["drawn"])
    assert json.loads(later["chart"])["loss"]["step"] == [1, 2]
    assert "settings" not in later


def test_loading_says_how_far_it_is(studio: Studio, live: RunFolder) -> None:
    loading = Loading("downloading the starter model", 45_000_000, 92_900_000, "bytes")
    play(live, opening_events(steps=1)[0], loading, clock=studio.clock)
    assert "45.0 MB of 92.9 MB" in look(studio, live.id)["status"]


def test_a_finished_run_leads_to_the_comparison(studio: Studio) -> None:
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    shown = look(studio, run.id)
    assert "Finished" in shown["status"]
    assert shown["compare"]["visible"] is True
    assert shown["evaluate"]["visible"] is True
    assert shown["actions"] == ""


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
    assert "no examples held out" in status
    assert "after the first check" not in status


def test_a_run_that_stops_has_no_time_left(studio: Studio, live: RunFolder) -> None:
    steps = [step(number, loss=3.0) for number in range(1, 6)]
    play(live, *opening_events(steps=63), *steps, clock=studio.clock)
    assert "Time left" in look(studio, live.id)["status"]
    play(live, Stopping(), clock=studio.clock)
    assert "Time left" not in look(studio, live.id)["status"]


def test_without_a_run_the_page_says_what_will_come(studio: Studio) -> None:
    assert "No run yet" in look(studio, "")["status"]


def test_a_run_that_is_gone_is_said_to_be_gone(studio: Studio) -> None:
    """A run deleted while it was shown stayed on the page as if it were there."""
    sent = look(studio, "20260101-000000-nobody")
    assert "There is no run" in sent["status"]
    assert sent["compare"]["visible"] is False
    with pytest.raises(RunError):
        status_of(studio, "20260101-000000-nobody")


def test_after_an_early_end_the_figures_are_those_of_the_step_that_is_kept(studio: Studio, live: RunFolder) -> None:
    checks = [Evaluated(0, 3.2), step(1, loss=3.0), Evaluated(1, 2.1), step(2, loss=1.0), Evaluated(2, 2.6)]
    play(live, *opening_events(steps=9), *checks, Finished("finished", "", 1.0, kept_step=1), clock=studio.clock)
    shown = look(studio, live.id)
    assert "<dd>2.100</dd>" in shown["status"]
    assert "<dd>3.000</dd>" in shown["status"]
    assert "at step 1, which is kept" in shown["status"]
    assert json.loads(shown["chart"])["kept"] == 1


def test_a_bad_result_says_what_to_do(studio: Studio, live: RunFolder) -> None:
    assert look(studio, live.id)["advice"] == ""
    end = [Saved(2, "adapter"), Finished("finished", "", 1.0)]
    play(live, *opening_events(steps=2), step(1, loss=3.0), step(2, loss=2.9), *end, clock=studio.clock)
    leave(studio)
    advice = look(studio, live.id)["advice"]
    assert "It made 2 steps only" in advice
    assert f'data-verb="more-passes" data-key="{live.id}"' in advice


def test_waiting_for_other_work_is_not_getting_ready(studio: Studio, live: RunFolder) -> None:
    waits = Loading("Waiting for another run to finish")
    play(live, opening_events(steps=1)[0], waits, clock=studio.clock)
    assert ">Waiting<" in look(studio, live.id)["status"]
    assert "Getting ready" not in look(studio, live.id)["status"]


def test_a_stopped_run_is_stopping_at_once(studio: Studio, live: RunFolder) -> None:
    play(live, *opening_events(steps=63), step(1, loss=3.0), clock=studio.clock)
    shown = press(studio, live.id, "stop")
    assert "Stopping" in shown["status"]
    assert "Stop and save" not in shown["actions"]
    assert "Yes, discard this run" in shown["actions"]


def test_a_draft_goes_into_the_queue_and_out_of_it(studio: Studio, live: RunFolder) -> None:
    first, second = studio.duplicate_run(live.id), studio.duplicate_run(live.id)
    assert "Add to queue" in look(studio, first.id)["actions"]
    assert "progressbar" not in look(studio, first.id)["status"]
    press(studio, first.id, "queue")
    shown = press(studio, second.id, "queue")
    assert "Waiting for its turn" in shown["status"]
    assert "Place 2 of 2 in the queue: 1 run trains before it." in shown["actions"]
    assert "Place 1 of 2" in press(studio, second.id, "up")["actions"]
    assert "Place 2 of 2" in press(studio, second.id, "down")["actions"]
    assert "Not started" in press(studio, second.id, "cancel")["status"]
    assert studio.scheduler.waiting() == (first.id,)


def test_a_run_goes_on_from_its_newest_checkpoint(studio: Studio, live: RunFolder) -> None:
    steps = [step(number, loss=3.0) for number in range(1, 24)]
    play(live, *opening_events(steps=63), *steps, Failed("memory", "It ran out."), clock=studio.clock)
    leave(studio)
    assert "Start again" in look(studio, live.id)["actions"]
    (live.path / "checkpoints" / "step-21").mkdir(parents=True)
    shown = look(studio, live.id)["actions"]
    assert "Resume from step 21" in shown
    assert "The 2 steps after it are done again." in shown
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    press(studio, live.id, "queue")
    assert workers.jobs[-1] == Train(live.path)


def test_a_run_that_waits_to_go_on_has_no_time_left(studio: Studio, live: RunFolder) -> None:
    """Its pace and its time left stood there, although nothing trained."""
    other = studio.duplicate_run(live.id)
    steps = [step(number, loss=3.0) for number in range(1, 24)]
    play(other, *opening_events(steps=63), *steps, Failed("memory", "It ran out."), clock=studio.clock)
    shown = press(studio, other.id, "queue")
    assert "Waiting for its turn" in shown["status"]
    assert "Time left" not in shown["status"]
    assert "What it has learned stays." in shown["actions"]


def test_what_cannot_be_done_is_a_sentence(studio: Studio) -> None:
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    with pytest.raises(RunError, match="is finished"):
        press(studio, run.id, "queue")
    with pytest.raises(RunError, match="There is no run"):
        press(studio, "20260101-000000-nobody", "stop")
    before = press(studio, run.id, "sing")
    assert "Finished" in before["status"]


def test_a_discarded_run_is_in_the_trash_and_can_be_put_back(studio: Studio, live: RunFolder) -> None:
    """Another run came in its place, as if that one had been discarded."""
    other = finished_run_beside(studio, live)
    leave(studio)
    result = actions.press(studio, view.shared_view(studio), Selection(live.id), Action("discard", live.id))
    assert isinstance(result, Result)
    assert [run.id for run in studio.runs.binned()] == [live.id]
    assert result.updates["run_id"]["value"] is None
    assert [id for _, id in result.updates["run_id"]["choices"]] == [other.id]
    said = view.draw(studio, view.shared_view(studio), result.state)["status"]
    assert f"{result.state.discarded[1]} was discarded." in said
    assert "Put it back" in said
    back = actions.press(studio, view.shared_view(studio), result.state, Action("restore", live.id))
    assert isinstance(back, Result)
    assert (back.state.run_id, back.state.discarded) == (live.id, ())
    assert studio.runs.binned() == ()


def test_the_answers_change_beside_those_of_the_base(studio: Studio, live: RunFolder) -> None:
    early = [Sampled(0, 0, "What <b>turns</b>?", "The lamp is dark."), Sampled(0, 1, "Who?", "Nobody.")]
    play(live, *opening_events(steps=63), *early, clock=studio.clock)
    shown = json.loads(look(studio, live.id)["answers"])
    assert shown["names"] == ["The base model"]
    play(live, step(1, loss=3.0), Sampled(1, 0, "What <b>turns</b>?", "The lamp is bright."), clock=studio.clock)
    play(live, step(2, loss=3.0), Sampled(2, 0, "What <b>turns</b>?", "The lamp is dark."), clock=studio.clock)
    shown = json.loads(look(studio, live.id)["answers"])
    assert shown["names"] == ["After step 1", "After step 2"]
    assert "The lamp is <mark>bright.</mark>" in shown["pages"][0]
    assert "What &lt;b&gt;turns&lt;/b&gt;?" in shown["pages"][0]
    assert "the same" in shown["pages"][1]
    assert "(not asked)" in shown["pages"][1]


def test_the_left_answer_is_the_base_s_only_where_it_is(studio: Studio, live: RunFolder) -> None:
    leave(studio)
    (live.path / "adapter").mkdir()
    (live.path / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")
    further = studio.start_run(RunConfig(start_adapter=live.id), live.origin.dataset_id)
    play(further, *opening_events(steps=63), Sampled(0, 0, "Who?", "Nobody."), clock=studio.clock)
    shown = json.loads(look(studio, further.id)["answers"])
    assert "At its start" in shown["pages"][0]
    assert "The base model" not in shown["pages"][0]


def test_the_check_that_is_kept_is_named_and_shown_first(studio: Studio, live: RunFolder) -> None:
    said = [Sampled(number, 0, "Who?", f"Nobody {number}.") for number in (0, 1, 2)]
    end = Finished("finished", "", 1.0, kept_step=1)
    play(live, *opening_events(steps=2), step(1, loss=3.0), *said, step(2, loss=3.0), end, clock=studio.clock)
    answers = json.loads(look(studio, live.id)["answers"])
    assert answers["first"] == 0, "the answers of a later step are not those of the result"
    assert answers["names"] == ["After step 1, which is kept", "After step 2"]


def test_without_answers_the_page_says_why(studio: Studio, live: RunFolder) -> None:
    assert "No answers yet" in json.loads(look(studio, live.id)["answers"])["empty"]
    play(live, *opening_events(steps=1), step(1, loss=3.0), Finished("finished", "", 1.0), clock=studio.clock)
    assert "This run has no answers to show" in json.loads(look(studio, live.id)["answers"])["empty"]


def test_the_title_knows_how_far_the_run_is(studio: Studio, live: RunFolder) -> None:
    play(live, *opening_events(steps=4), step(1, loss=3.0), clock=studio.clock)
    notice = json.loads(look(studio, live.id)["notices"])
    assert (notice["percent"], notice["working"], notice["ended"]) == (25, True, False)
    play(live, Finished("finished", "", 1.0), clock=studio.clock)
    notice = json.loads(look(studio, live.id)["notices"])
    assert (notice["phase"], notice["working"], notice["ended"]) == ("Finished", False, True)
    assert notice["headline"].startswith("Finished")


def test_all_steps_can_be_taken_as_a_table(studio: Studio, live: RunFolder) -> None:
    play(live, *opening_events(steps=4), step(1, loss=3.0), clock=studio.clock)
    address = take_csv(studio, Action("csv", live.id))
    assert address.startswith(f"studio/download/run/{live.id}/{live.id}-steps.csv?")
    assert address != take_csv(studio, Action("csv", live.id))
    assert (live.exports / f"{live.id}-steps.csv").read_text().splitlines()[1].startswith("1,1.0,3.0,")
    assert take_csv(studio, Action("other", live.id)) is None


def finished_run_beside(studio: Studio, live: RunFolder) -> RunFolder:
    """Let the live run go and finish another one."""
    leave(studio)
    return finished_run(studio, dataset_id=live.origin.dataset_id)


def leave(studio: Studio) -> None:
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()


def test_a_run_at_work_is_shown_unless_another_was_chosen(studio: Studio, live: RunFolder) -> None:
    choices = [("older", "a"), *all_runs(studio)]
    assert at_work(studio) == live.id
    assert keep_or_first(None, choices, rather=live.id) == live.id
    assert keep_or_first("a", choices, rather=live.id) == "a"
    assert keep_or_first("gone", choices) == "a"
    assert runs_with_result(studio) == []


def test_programs_can_ask_for_the_status(studio: Studio, live: RunFolder) -> None:
    play(live, *opening_events(steps=63), step(1, loss=3.0), clock=studio.clock)
    status = status_of(studio, live.id)
    assert (status["status"], status["step"], status["total_steps"], status["loss"]) == ("training", 1, 63, 3.0)
    assert (status["held_out_loss"], status["held_out_part"]) == (None, None)
    play(live, Evaluated(1, 2.0, 24, 100), clock=studio.clock)
    status = status_of(studio, live.id)
    assert (status["held_out_loss"], status["held_out_part"]) == (2.0, [24, 100])
    play(live, Evaluated(1, 2.0, 24, 100, 2.25), clock=studio.clock)
    status = status_of(studio, live.id)
    assert (status["held_out_loss"], status["held_out_part"]) == (2.25, None)
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
