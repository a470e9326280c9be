"""What a run's log tells: a good run had an empty one."""

from studio.events import (
    Evaluated,
    Finished,
    Forecasted,
    Loading,
    Noted,
    Resumed,
    Sampled,
    Saved,
    SpeedUps,
)
from studio.runs.story import MOST_LINES
from tests.runs.test_view import BEGUN, FAILED, LOADED, PREPARED, STARTED, fold, steps


def test_a_good_run_is_told_from_its_start_to_its_end() -> None:
    view = fold(
        STARTED,
        Loading("Waiting for the run otter, about 3 min"),
        Loading("Downloading the starter model", 0, 90, "bytes"),
        Loading("Downloading the starter model", 60, 90, "bytes"),
        Loading("Turning the examples into tokens, 0 of 100"),
        Forecasted(1.5, 90.0, 60.0, 170.0),
        LOADED,
        Loading("Trying out what makes the training faster"),
        SpeedUps(("packing", "fast-attention")),
        PREPARED,
        Evaluated(0, 3.0),
        Sampled(0, 0, "Why?", "So."),
        Sampled(0, 1, "Who?", "I."),
        *steps(10),
        Saved(10, "checkpoints/step-10"),
        Noted("info", "By the way."),
        Evaluated(60, 1.5),
        Loading("Saving what was learned"),
        Saved(60, "adapter"),
        Finished("finished", "Finished after 60 steps.", 290.0),
    )
    assert [line.text for line in view.story.lines] == [
        "The run started.",
        "Waiting for the run otter, about 3 min.",
        "Downloading the starter model.",
        "Estimated: 1 to 3 min of training.",
        "The base model is loaded: 10 of its numbers learn, on cpu, fp32.",
        "Trying out what makes the training faster.",
        "It trains with 2 speed-ups.",
        "The data is ready: 90 examples to learn from, 10 held out; 60 steps.",
        "Before the first step the held-out loss is 3.00.",
        "Before the first step the prompts to watch are answered.",
        "A checkpoint is saved, of step 10.",
        "By the way.",
        "After step 60 the held-out loss is 1.50.",
        "Saving what was learned.",
        "The result is saved, of step 60.",
        "Finished after 60 steps.",
    ]
    assert [line.time for line in view.story.lines][:2] == [0.0, 4.0]


def test_what_went_wrong_is_told_too() -> None:
    view = fold(*BEGUN, Resumed(3), FAILED)
    assert [line.text for line in view.story.lines][-2:] == [
        "It continues after step 3.",
        "The loss is not a number any more. Lower the learning rate.",
    ]


def test_the_story_of_a_long_run_stays_short() -> None:
    saved = fold(*BEGUN, *[Saved(number, f"checkpoints/step-{number}") for number in range(1, 90)])
    assert [line.text for line in saved.story.lines][3:] == ["A checkpoint is saved, of step 89."]
    told = fold(*BEGUN, *[Noted("info", str(number)) for number in range(MOST_LINES + 50)])
    assert len(told.story.lines) == MOST_LINES


def test_a_check_says_over_which_examples_its_loss_is() -> None:
    checks = [Evaluated(0, 3.0, 24, 1000, 3.1), Evaluated(10, 2.0, 24, 1000), Evaluated(10, 2.0, 24, 1000, 2.2)]
    assert [line.text for line in fold(*checks).story.lines] == [
        "Before the first step the held-out loss is 3.10 over all 1,000 examples, and 3.00 over the 24 of them that "
        "each check scores.",
        "After step 10 the loss over 24 of 1,000 held-out examples is 2.00.",
        "After step 10 the held-out loss is 2.20 over all 1,000 examples, and 2.00 over the 24 of them that each check "
        "scores.",
    ]
