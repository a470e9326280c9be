"""What is said of a run in a sentence, wherever it is."""

import pytest

from studio.events import (
    Checking,
    Evaluated,
    Event,
    Finished,
    Loading,
    Record,
    Saved,
    Stopping,
)
from studio.runs.headlines import headline
from studio.runs.view import RunView
from tests.runs.test_view import BEGUN, FAILED, FINISHED, LOADED, STARTED, STOPPED, fold, step, steps


@pytest.mark.parametrize(
    ("events", "state", "expected"),
    [
        ([], "preparing", "Starting the worker."),
        ([], "draft", "Not started yet. Add it to the queue to train it."),
        (
            [*BEGUN, Saved(3, "checkpoints/step-3")],
            "queued",
            "Waiting for its turn, to resume after step 3. The disk is full.",
        ),
        ([STARTED], "preparing", "Starting: the libraries are being loaded."),
        ([STARTED, Loading("Starting PyTorch")], "preparing", "Starting PyTorch."),
        (
            [STARTED, Loading("Downloading the starter model", 45_000_000, 92_900_000, "bytes")],
            "preparing",
            "Downloading the starter model (45.0 MB of 92.9 MB).",
        ),
        ([STARTED, Loading("reading rows", 12, 1200)], "preparing", "Reading rows (12 of 1,200)."),
        ([STARTED, LOADED], "preparing", "Preparing the data."),
        (BEGUN, "training", "Training: the first step of 60 is on its way."),
        ([*BEGUN, *steps(2)], "training", "Training: step 2 of 60."),
        ([*BEGUN, *steps(12)], "training", "Training: step 12 of 60, 3 min 12 s left."),
        (
            [*BEGUN, Checking(0, "Asking the 3 prompts to watch", 8, 24, "words")],
            "training",
            "Before training: Asking the 3 prompts to watch (8 of 24 words).",
        ),
        (
            [*BEGUN, *steps(2), Checking(2, "Scoring 10 held-out examples", 0, 10, "examples")],
            "training",
            "Training: step 2 of 60. Scoring 10 held-out examples (0 of 10 examples).",
        ),
        (
            [*BEGUN, *steps(60), Loading("Saving the adapter")],
            "training",
            "Training: step 60 of 60 is done. Saving the adapter.",
        ),
        (
            [*BEGUN, *steps(30), Stopping()],
            "stopping",
            "Stopping as soon as the step that it is at is done. The disk is full. This takes a moment.",
        ),
        ([*BEGUN, Stopping()], "stopping", "Stopping before the first step. The disk is full. This takes a moment."),
        (
            [*BEGUN, *steps(30), Stopping(), Saved(30, "adapter"), STOPPED],
            "stopped",
            "Stopped by you after step 30 of 60. What it learned is saved. It was not checked on held-out examples, so "
            "how good it is was not measured.",
        ),
        ([*BEGUN, STOPPED], "stopped", "Stopped by you before the first step. There was nothing to keep."),
        (
            [*BEGUN, Evaluated(0, 3.0), *steps(60), Evaluated(60, 1.42), Saved(60, "adapter"), FINISHED],
            "finished",
            "Finished: 60 steps in 4 min 24 s. Held-out loss fell from 3.00 to 1.42.",
        ),
        ([STARTED, FINISHED], "finished", FINISHED.summary),
        (
            [*BEGUN, *steps(12), FAILED],
            "failed",
            "Failed after step 12. The loss is not a number any more. Lower the learning rate. Nothing was saved.",
        ),
        (
            [STARTED, FAILED],
            "failed",
            "Failed before the first step. The loss is not a number any more. Lower the learning rate.",
        ),
        (
            [*BEGUN, *steps(30), Saved(30, "checkpoints/step-30"), *[step(number) for number in range(31, 41)]],
            "lost",
            "The run ended without a word after step 40. The disk is full. What it learned up to step 30 is saved.",
        ),
        ([STARTED], "lost", "The run ended without a word before the first step. The disk is full."),
    ],
)
def test_headline(events: list[Event], state: str, expected: str) -> None:
    view = fold(*events)
    now = view.step_times[-1] if view.steps else 0.0
    assert headline(view, state, now, reason="The disk is full.") == expected


def test_after_an_early_end_everything_is_said_of_the_step_that_is_kept() -> None:
    checks = [Evaluated(0, 3.0), *steps(30), Evaluated(30, 2.1), *[step(n) for n in range(31, 51)], Evaluated(50, 2.6)]
    early = Finished("finished", "", 9.0, kept_step=30)
    said = headline(fold(*BEGUN, *checks, Saved(30, "adapter"), early), "finished", 0.0)
    assert said == (
        "Finished early, after 50 of 60 steps in 3 min 48 s: nothing more was gained. Step 30 is kept, where it "
        "scored best. Held-out loss fell from 3.00 to 2.10."
    )


def test_a_stop_before_a_check_says_that_nothing_was_measured() -> None:
    """It said that the result is usable, when the one score was that of the base model."""
    before = [*BEGUN, Evaluated(0, 3.05), *steps(7), Saved(7, "adapter"), STOPPED]
    said = headline(fold(*before), "stopped", 0.0)
    assert "usable" not in said
    assert "only check was before the first step (held-out loss 3.05)" in said
    later = [*BEGUN, Evaluated(0, 3.05), *steps(10), Evaluated(10, 2.5), step(11), Saved(11, "adapter"), STOPPED]
    assert "Held-out loss fell from 3.05 to 2.50 at step 10, its last check." in headline(fold(*later), "stopped", 0.0)


def test_losses_over_a_part_of_the_examples_say_so_and_are_held_against_no_others() -> None:
    before = [*BEGUN, Evaluated(0, 3.05, 12, 30, 3.3), *steps(10), Evaluated(10, 2.5, 12, 30)]
    stopped = headline(fold(*before, step(11), Saved(11, "adapter"), STOPPED), "stopped", 0.0)
    over = "(over 12 of 30 held-out examples)"
    assert f"Held-out loss fell from 3.05 to 2.50 at step 10, its last check {over}." in stopped
    kept = [Evaluated(10, 2.5, 12, 30, 2.7), Saved(10, "adapter"), FINISHED]
    assert headline(fold(*before, *kept), "finished", 0.0).endswith("Held-out loss fell from 3.30 to 2.70.")
    only = headline(
        fold(*BEGUN, Evaluated(0, 3.05, 12, 30, 3.3), step(1), Saved(1, "adapter"), STOPPED), "stopped", 0.0
    )
    assert "(held-out loss 3.30)" in only


def test_waiting_is_no_work() -> None:
    """A run that waited nine minutes and worked six was said to have taken fifteen."""
    events: list[tuple[float, Event]] = [
        (0, STARTED),
        (1, Loading("Waiting for another run to finish")),
        (541, Loading("Starting PyTorch")),
        (550, LOADED),
        (551, BEGUN[-1]),
        (700, step(1)),
        (901, step(60)),
        (901, Saved(60, "adapter")),
        (901, FINISHED),
    ]
    view = RunView()
    for seq, (time, event) in enumerate(events, start=1):
        view.apply(Record(seq, time, event))
    assert view.time.waiting == 540
    assert view.seconds_at_work == 361
    assert "in 6 min 1 s (and 9 min of waiting)." in headline(view, "finished", 0.0)
