import pytest

from studio.events import (
    Checking,
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
    SpeedUps,
    Started,
    Stepped,
    Stopping,
    Unknown,
)
from studio.runs.view import RunView, died_twice, status

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


BEGUN: list[Event] = [STARTED, LOADED, PREPARED]
TRAINING = [*BEGUN, *steps(3)]


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
    assert view.seconds_at_work == 4 + 6


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
    assert (view.seconds_at_work, view.step_times, view.ended_at) == (36.0, [20.0, 24.0], 36.0)


def test_loading_is_over_when_something_follows() -> None:
    loading = Loading("Loading the base model", 3, 9)
    assert fold(STARTED, loading).loading == loading
    for event in (LOADED, PREPARED, SpeedUps(()), step(1), FINISHED, FAILED):
        assert fold(STARTED, loading, event).loading is None


def test_a_check_is_over_when_its_result_is_there() -> None:
    """The page said that the first step was on its way, for a minute of checks before it."""
    checking = Checking(0, "Asking the 3 prompts to watch", 8, 24, "words")
    assert fold(*BEGUN, checking, Noted("info", "By the way.")).checking == checking
    for event in (Evaluated(0, 2.0), Sampled(0, 0, "Why?", "So."), step(1), STOPPED):
        assert fold(*BEGUN, checking, event).checking is None


def test_the_step_that_is_kept_may_be_asked_after_later_ones() -> None:
    view = fold(*BEGUN, Sampled(0, 0, "Why?", "A."), Sampled(4, 0, "Why?", "C."), Sampled(2, 0, "Why?", "B."))
    assert [(each.step, each.answer) for each in view.samples] == [(0, "A."), (2, "B."), (4, "C.")]


def test_an_unknown_kind_changes_nothing_but_the_number_and_the_time() -> None:
    known, more = fold(STARTED, *steps(2)), fold(STARTED, *steps(2), Unknown("Applauded"))
    assert more.last_seq == known.last_seq + 1
    more.last_seq, more.time = known.last_seq, known.time
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


def test_the_loss_over_all_examples_joins_the_check_of_its_step() -> None:
    checks = [Evaluated(0, 3.0, 12, 30, 3.2), step(1), Evaluated(1, 2.0, 12, 30), step(2), Evaluated(2, 2.5, 12, 30)]
    view = fold(*BEGUN, *checks, Evaluated(1, 2.0, 12, 30, 2.2), Finished("finished", "", 9.0, kept_step=1))
    assert view.evaluations == [checks[0], Evaluated(1, 2.0, 12, 30, 2.2), checks[-1]]
    assert view.kept_evaluation == Evaluated(1, 2.0, 12, 30, 2.2)
    again = fold(*BEGUN, *checks, Resumed(0), Evaluated(0, 3.0, 12, 30, 3.2), step(1))
    assert again.evaluations == checks[:1]


def test_the_result_is_that_of_the_step_that_is_kept() -> None:
    """After an early end the page told the loss of the last step, and the model was that of an earlier one."""
    events = [*BEGUN, Evaluated(0, 3.0), step(1), Evaluated(1, 2.0), step(2), Evaluated(2, 2.5)]
    last = fold(*events)
    assert (last.kept_step, last.kept_evaluation) == (2, Evaluated(2, 2.5))
    kept = fold(*events, Finished("finished", "", 9.0, kept_step=1))
    assert (kept.kept_step, kept.kept_evaluation) == (1, Evaluated(1, 2.0))
    assert fold(*BEGUN, step(1)).kept_evaluation is None
