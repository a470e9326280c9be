import pytest

from studio.events import (
    Evaluated,
    Event,
    Failed,
    Finished,
    Loaded,
    Loading,
    Noted,
    Prepared,
    Record,
    Resumed,
    Sampled,
    Saved,
    Started,
    Stepped,
    Stopping,
    Unknown,
)
from studio.runs.view import RunView, died_twice, headline, seconds_left, status

STARTED = Started(process_id=4, job="train")
LOADED = Loaded(parameters=100, trainable=10, device="cpu", precision="fp32", target_modules=("q_proj",))
PREPARED = Prepared(
    train_examples=90, validation_examples=10, left_out=0, tokens=900, learned_tokens=400, total_steps=60
)
FINISHED = Finished(status="finished", summary="Finished after 60 steps; the adapter is saved.", seconds=290.0)
STOPPED = Finished(status="stopped", summary="Stopped.", seconds=90.0)
FAILED = Failed(cause="diverged", message="The loss is not a number any more.", hint="Lower the learning rate.")


def step(number: int, loss: float = 2.0) -> Stepped:
    return Stepped(
        step=number, epoch=0.1, loss=loss, learning_rate=1e-4, grad_norm=0.5, tokens_per_second=250.5, memory_gib=1.25
    )


def steps(last: int) -> list[Event]:
    return [step(number) for number in range(1, last + 1)]


def fold(*events: Event, every: float = 4.0) -> RunView:
    """Fold events that come `every` so many seconds, the first at time 0."""
    view = RunView()
    for place, event in enumerate(events):
        view.apply(Record(place + 1, place * every, event))
    return view


def timed_steps(times: list[float], *, total: int = 60) -> RunView:
    view = fold(STARTED, LOADED, Prepared(90, 10, 0, 900, 400, total), every=0.0)
    for place, time in enumerate(times):
        view.apply(Record(10 + place, time, step(place + 1)))
    return view


TRAINING = [STARTED, LOADED, PREPARED, *steps(3)]


@pytest.mark.parametrize(
    ("events", "alive", "more", "expected"),
    [
        ([], False, {"launched": False}, "draft"),
        ([], False, {"launched": False, "queued": True}, "queued"),
        ([], False, {}, "lost"),
        ([], True, {}, "preparing"),
        ([STARTED], True, {}, "preparing"),
        ([STARTED], False, {}, "lost"),
        ([STARTED, Loading("Starting PyTorch")], True, {}, "preparing"),
        ([STARTED, LOADED], True, {}, "preparing"),
        ([STARTED, PREPARED, Loading("Loading the base model")], True, {}, "preparing"),
        ([STARTED, LOADED, PREPARED], True, {}, "training"),
        (TRAINING, True, {}, "training"),
        (TRAINING, True, {"queued": True}, "training"),
        (TRAINING, False, {}, "lost"),
        (TRAINING, False, {"queued": True}, "queued"),
        (TRAINING, True, {"stop_asked": True}, "stopping"),
        (TRAINING, False, {"stop_asked": True}, "stopped"),
        ([STARTED, LOADED, PREPARED, *steps(60), Loading("Saving the adapter")], True, {}, "training"),
        ([*TRAINING, Stopping()], True, {}, "stopping"),
        ([*TRAINING, Stopping()], False, {}, "lost"),
        ([*TRAINING, Stopping(), STOPPED], True, {}, "stopped"),
        ([*TRAINING, Stopping(), STOPPED], True, {"silent": True}, "preparing"),
        ([*TRAINING, Stopping(), STOPPED], False, {"queued": True}, "queued"),
        ([*TRAINING, FINISHED], False, {"stop_asked": True}, "finished"),
        ([*TRAINING, FINISHED], True, {}, "finished"),
        ([*TRAINING, FAILED], False, {}, "failed"),
        ([*TRAINING, FAILED, STARTED], True, {}, "preparing"),
        ([*TRAINING, STARTED], True, {}, "preparing"),
        ([*TRAINING, STARTED, LOADED, PREPARED], True, {}, "training"),
        ([STARTED, STOPPED, STARTED, LOADED, PREPARED], True, {}, "training"),
    ],
)
def test_status(events: list[Event], alive: bool, more: dict[str, bool], expected: str) -> None:
    assert status(fold(*events), alive=alive, **more) == expected


def test_a_run_that_goes_on_shows_nothing_beyond_the_step_that_it_goes_on_from() -> None:
    view = fold(*TRAINING, Evaluated(3, 2.0), Sampled(3, 0, "Why?", "So."), STARTED, LOADED, PREPARED, Resumed(1))
    assert [each.step for each in view.steps] == [1]
    assert (view.evaluations, view.samples, view.first_step, len(view.step_times)) == ([], [], 1, 1)
    view = fold(*TRAINING, STARTED, LOADED, PREPARED, Resumed(1), step(2))
    assert [each.step for each in view.steps] == [1, 2]


def test_answers_that_are_given_again_stand_once() -> None:
    """A run that started over before its first checkpoint showed the answers before its first step twice."""
    asked = [Sampled(0, 0, "Why?", "So."), Sampled(0, 1, "Who?", "I.")]
    again = [Sampled(0, 0, "Why?", "Thus."), Sampled(0, 1, "Who?", "You.")]
    assert fold(STARTED, *asked, STARTED, *again).samples == again
    assert fold(STARTED, *asked, STARTED, again[0]).samples == again[:1]


def test_the_time_between_two_workers_is_not_worked() -> None:
    view = RunView()
    assert view.seconds_at_work is None
    for seq, (time, event) in enumerate([(10, STARTED), (14, step(1)), (1000, STARTED), (1006, step(2))], start=1):
        view.apply(Record(seq, time, event))
    assert view.seconds_at_work == 4 + 6
    view.apply(Record(9, 900, FINISHED))  # the clock was set back
    assert view.seconds_at_work == 4


def test_where_workers_died_is_remembered() -> None:
    assert fold(*TRAINING).deaths == []
    once = fold(*TRAINING, STARTED, LOADED, PREPARED, Resumed(2))
    assert (once.deaths, died_twice(once)) == ([3], False)
    assert died_twice(fold(*TRAINING, STARTED, LOADED, PREPARED, Resumed(2), step(3)))
    assert fold(*TRAINING, STOPPED, STARTED).deaths == []


def test_the_fold_keeps_what_was_said() -> None:
    note, saved = Noted("info", "No chat template."), Saved(step=2, path="adapter")
    view = fold(STARTED, note, LOADED, PREPARED, Evaluated(0, 3.0), *steps(2), Evaluated(2, 2.0), saved, FINISHED)
    assert (view.started, view.loaded, view.prepared, view.finished) == (STARTED, LOADED, PREPARED, FINISHED)
    assert view.steps == steps(2)
    assert view.evaluations == [Evaluated(0, 3.0), Evaluated(2, 2.0)]
    assert view.notes == [note]
    assert (view.step, view.total_steps, view.saved_step, view.last_seq) == (2, 60, 2, 10)
    assert (view.taken_up_at, view.step_times, view.ended_at) == (0.0, [20.0, 24.0], 36.0)


def test_loading_is_over_when_something_follows() -> None:
    loading = Loading("Loading the base model", 3, 9)
    assert fold(STARTED, loading).loading == loading
    for event in (LOADED, PREPARED, step(1), FINISHED, FAILED):
        assert fold(STARTED, loading, event).loading is None


def test_an_unknown_kind_changes_nothing_but_the_number_and_the_time() -> None:
    known, more = fold(STARTED, *steps(2)), fold(STARTED, *steps(2), Unknown("Applauded"))
    assert more.last_seq == known.last_seq + 1
    more.last_seq, more.heard_at = known.last_seq, known.heard_at
    assert more == known


def test_a_record_is_taken_in_once() -> None:
    view = fold(STARTED, *steps(2))
    view.apply(Record(3, 9.0, step(2)))
    assert view == fold(STARTED, *steps(2))


def test_a_run_taken_up_again_forgets_the_steps_that_are_done_again() -> None:
    view = fold(STARTED, PREPARED, *steps(5), Evaluated(5, 2.0), STARTED, PREPARED, step(4, 1.0), Evaluated(4, 1.5))
    assert [each.step for each in view.steps] == [1, 2, 3, 4]
    assert view.steps[-1].loss == 1.0
    assert view.evaluations == [Evaluated(4, 1.5)]
    assert len(view.step_times) == 4
    assert seconds_left(view, 1e6) is None


def test_time_left_is_not_told_before_three_steps_or_without_a_plan() -> None:
    assert seconds_left(timed_steps([10.0, 14.0]), 14.0) is None
    assert seconds_left(timed_steps([10.0, 14.0, 18.0]), 18.0) is not None
    assert seconds_left(fold(STARTED, *steps(5)), 20.0) is None
    assert seconds_left(fold(STARTED, LOADED, PREPARED, *steps(5), FINISHED), 40.0) is None


def test_time_left_follows_the_pace_and_the_clock() -> None:
    view = timed_steps([4.0 * place for place in range(1, 13)])
    assert seconds_left(view, 48.0) == pytest.approx(48 * 4)
    assert seconds_left(view, 50.0) == pytest.approx(48 * 4 - 2)
    # A step that is overdue does not make the rest of the run shorter.
    assert seconds_left(view, 4_000.0) == pytest.approx(47 * 4)
    assert seconds_left(view, 0.0) == pytest.approx(48 * 4)
    assert seconds_left(timed_steps([1.0, 2.0, 3.0], total=3), 3.0) == 0.0


def test_time_left_counts_regular_pauses_and_shrugs_off_one_long_one() -> None:
    with_evaluations = [float(place + 5 * (place // 10)) for place in range(1, 51)]
    assert seconds_left(timed_steps(with_evaluations, total=150), with_evaluations[-1]) == pytest.approx(150, rel=0.1)
    slept = [float(place + (7200 if place > 20 else 0)) for place in range(1, 51)]
    left = seconds_left(timed_steps(slept, total=150), slept[-1])
    assert left is not None
    assert left < 200


def test_time_left_follows_a_change_of_pace() -> None:
    slower = [float(place) for place in range(1, 101)] + [100.0 + 10.0 * place for place in range(1, 61)]
    assert seconds_left(timed_steps(slower, total=170), slower[-1]) == pytest.approx(100)


BEGUN = [STARTED, LOADED, PREPARED]


@pytest.mark.parametrize(
    ("events", "state", "expected"),
    [
        ([], "preparing", "Starting the worker."),
        ([], "draft", "Not started yet. Put it in the queue when it shall train."),
        (
            [*BEGUN, Saved(3, "checkpoints/step-3")],
            "queued",
            "Waiting for its turn, to go on after step 3. The disk is full.",
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
        ([*BEGUN, *steps(12)], "training", "Training: step 12 of 60, about 3 minutes left."),
        (
            [*BEGUN, *steps(60), Loading("Saving the adapter")],
            "training",
            "Training: step 60 of 60 is done. Saving the adapter.",
        ),
        ([*BEGUN, *steps(30), Stopping()], "stopping", "Stopping after step 30. This takes a moment."),
        ([*BEGUN, Stopping()], "stopping", "Stopping before the first step. This takes a moment."),
        (
            [*BEGUN, *steps(30), Stopping(), Saved(30, "adapter"), STOPPED],
            "stopped",
            "Stopped by you after step 30. The result is usable.",
        ),
        ([*BEGUN, STOPPED], "stopped", "Stopped by you before the first step. There was nothing to keep."),
        (
            [*BEGUN, Evaluated(0, 3.0), *steps(60), Evaluated(60, 1.42), Saved(60, "adapter"), FINISHED],
            "finished",
            "Finished: 60 steps in about 5 minutes. Held-out loss fell from 3.00 to 1.42. The result is usable.",
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
            "The run ended without a word after step 40. The disk is full. What was saved up to step 30 is usable.",
        ),
        ([STARTED], "lost", "The run ended without a word before the first step. The disk is full."),
    ],
)
def test_headline(events: list[Event], state: str, expected: str) -> None:
    view = fold(*events)
    now = view.step_times[-1] if view.steps else 0.0
    assert headline(view, state, now, reason="The disk is full.") == expected
