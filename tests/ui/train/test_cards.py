from studio.config import RunConfig
from studio.events import Skipped, SpeedUps
from studio.jobs.jobs import JobState
from studio.studio import Studio
from studio.ui.train import cards
from tests.jobs.test_evaluations import REPORT
from tests.ui.fake_studio import opening_events, play


def test_what_the_engine_left_out_is_said_with_its_reason(studio: Studio) -> None:
    run = studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
    told = SpeedUps(("packing",), ("fused-optimizer: it is another <optimiser>",), "varlen attention")
    play(run, *opening_events(steps=3), told, Skipped(1, 2, 512.0), clock=studio.clock)
    text = cards.own_settings(studio.scheduler.view(run.id))
    assert "packing; attention: varlen attention" in text
    assert "fused-optimizer: it is another &lt;optimiser&gt;" in text
    assert "2 steps, whose gradient was too large for fp16" in text


def test_the_end_of_a_run_says_how_good_it_became() -> None:
    said = {
        REPORT.headline: JobState("ready", "", result=REPORT),
        "It could not be evaluated: Too large.": JobState("failed", "Too large."),
        "It is being evaluated. Base model: writing answers, 3 of 5.": JobState(
            "working", "Base model: writing answers", done=3, total=5
        ),
        "It is evaluated in a moment.": JobState("waiting", "It is evaluated in a moment."),
    }
    for text, state in said.items():
        assert text in str(cards.evaluation_line(state))
    assert str(cards.evaluation_line(JobState("none", "Not evaluated yet."))) == ""
