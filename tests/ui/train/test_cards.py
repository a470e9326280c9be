import json

from studio.config import RunConfig
from studio.events import (
    Evaluated,
    Event,
    Finished,
    Forecasted,
    Loading,
    Measured,
    Resumed,
    Sampled,
    Saved,
    Skipped,
    SpeedUps,
    Started,
)
from studio.jobs.jobs import JobState
from studio.jobs.verdicts import summary
from studio.runs.event_log import EventLog
from studio.studio import Studio
from studio.ui.train import answers_view, cards
from tests.jobs.test_evaluations import REPORT
from tests.ui.fake_studio import opening_events, play, step


def test_what_the_engine_left_out_is_said_with_its_reason(studio: Studio) -> None:
    run = studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
    told = SpeedUps(("packing",), ("fused-optimizer: it is another <optimiser>",), "varlen attention")
    play(run, *opening_events(steps=3), told, Skipped(1, 2, 512.0), clock=studio.clock)
    text = cards.own_settings(studio.scheduler.view(run.id))
    assert "packing; attention: varlen attention" in text
    assert "fused-optimizer: it is another &lt;optimiser&gt;" in text
    assert "2 steps, whose gradient was too large for fp16" in text


def test_a_loss_over_a_part_of_the_examples_says_so(studio: Studio) -> None:
    run = studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
    play(run, *opening_events(steps=3), Evaluated(0, 3.0, 24, 100, 3.2), step(1, loss=3.0), clock=studio.clock)
    assert "<dd>3.200</dd>" in str(cards.status_panel(studio.scheduler.view(run.id)))
    play(run, Evaluated(1, 2.5, 24, 100), step(2, loss=2.0), clock=studio.clock)
    state = studio.scheduler.view(run.id)
    assert "over 24 of 100 held-out examples" in str(cards.status_panel(state))
    text = "24 of 100 held-out examples at the checks in between, the same each time; all 100 at the start and the end"
    assert text in str(cards.own_settings(state))
    end = (Evaluated(1, 2.5, 24, 100, 2.75), Finished("finished", "", 9.0, kept_step=1))
    play(run, *end, clock=studio.clock)
    shown = str(cards.status_panel(studio.scheduler.view(run.id)))
    assert "<dd>2.750</dd>" in shown
    assert "24 of 100" not in shown


def test_what_was_measured_stands_beside_what_was_estimated(studio: Studio) -> None:
    """It said "the forecast was -11% off"; and the time was that of the last leg."""
    run = studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
    records: list[tuple[float, Event]] = [
        (0, Started(1, "train")),
        (1, Loading("Waiting for another run to finish")),
        (541, Loading("Starting PyTorch")),
        (550, Forecasted(2.0, 160.0, 100.0, 250.0)),
        *((551.0, event) for event in opening_events(steps=2)[1:]),
        (600, step(1, loss=3.0)),
        (610, Evaluated(1, 2.0)),
        (900, Started(2, "train")),
        *((905.0, event) for event in opening_events(steps=2)[1:]),
        (905, Resumed(1)),
        (1001, step(2, loss=2.0)),
        (1002, Measured(2.5, 102.0)),
        (1003, Finished("finished", "", 103.0)),
    ]
    times = iter([1_790_000_000.0 + time for time, _ in records])
    log = EventLog(run.events_path, clock=lambda: next(times))
    for _, event in records:
        log.emit(event)
    log.close()
    text = str(cards.own_settings(studio.scheduler.view(run.id)))
    assert "2.7 GB at the peak; the estimate was 20 % too low" in text
    assert "2 min 53 s; the estimate was 8 % too low" in text
    assert "training 2 min 43 s, checks 10 s, waiting for other work 9 min" in text


def test_before_its_steps_a_run_says_what_it_is_estimated_to_take(studio: Studio) -> None:
    run = studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
    told = Forecasted(1.25, 160.0, 130.0, 290.0)
    play(run, opening_events(steps=3)[0], told, Loading("Loading the base model"), clock=studio.clock)
    shown = str(cards.status_panel(studio.scheduler.view(run.id)))
    assert "<dt>Estimated time</dt><dd>2 to 5 min</dd>" in shown
    assert "<dt>Estimated memory</dt><dd>1.3 GB</dd>" in shown


def test_the_log_of_a_good_run_tells_its_story(studio: Studio) -> None:
    """It was empty."""
    run = studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
    play(run, *opening_events(steps=3), step(1, loss=3.0), Evaluated(1, 2.5), clock=lambda: 1_790_000_000.0)
    state = studio.scheduler.view(run.id)
    told = cards.log_text(state, JobState("ready", "", result=REPORT)).splitlines()
    assert told[0].endswith("  The run started.")
    assert told[0][2] == told[0][5] == ":"
    assert told[-2].endswith("After step 1 the held-out loss is 2.50.")
    assert told[-1].endswith(f"The run is evaluated: {summary(REPORT).text}")
    assert cards.log_text(state, written="A warning.").endswith("\n\nWhat the libraries wrote:\nA warning.")


def test_the_end_of_a_run_says_how_good_it_became() -> None:
    said = {
        summary(REPORT).text: JobState("ready", "", result=REPORT),
        "It could not be evaluated: Too large.": JobState("failed", "Too large."),
        "It is being evaluated. Base model: writing answers, 3 of 5.": JobState(
            "working", "Base model: writing answers", done=3, total=5
        ),
        "It is evaluated in a moment.": JobState("waiting", "It is evaluated in a moment."),
    }
    for text, state in said.items():
        assert text in str(cards.evaluation_line(state))
    assert str(cards.evaluation_line(JobState("none", "Not evaluated yet."))) == ""


def test_a_run_whose_answers_are_of_no_use_is_not_plainly_good(studio: Studio) -> None:
    """A run whose loss fell from 3.77 to 2.82 was green, and its answers made no sense."""
    for end, is_said in ((2.82, True), (1.2, False)):
        run = studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
        events = (Evaluated(0, 3.77), step(1, loss=3.5), step(2, loss=2.9), Evaluated(2, end), Saved(2, "adapter"))
        play(run, *opening_events(steps=2), *events, Finished("finished", "", 9.0, kept_step=2), clock=studio.clock)
        state = studio.scheduler.view(run.id)
        assert (cards.NOT_READY in str(cards.status_panel(state))) is is_said
        assert not is_said or "What could make it better" in str(cards.advice_card(state))


def test_beside_the_answers_of_the_models_stands_the_one_of_the_data(studio: Studio) -> None:
    """How the answers change showed those of the base and of the run, and not what was right."""
    run = studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
    asked = (Sampled(0, 0, "When?", "Who?", "At <nine>."), Sampled(0, 1, "Own prompt", "Yes"))
    play(run, *opening_events(steps=2), *asked, clock=studio.clock)
    page = json.loads(answers_view.payload(studio.scheduler.view(run.id)))["pages"][0]
    assert page.count("Your answer") == 1
    assert "At &lt;nine&gt;." in page
