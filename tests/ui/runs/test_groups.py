"""Runs that were started together, on the Runs tab: one line in the table, and beside each other when it is opened."""

from dataclasses import replace
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.events import Evaluated, Finished, Saved
from studio.jobs.automatic_evaluations import request_path
from studio.jobs.evaluation_report import Estimate, EvaluationReport, Figure, ScoredRow, write_evaluation
from studio.jobs.variants import variants
from studio.runs import summaries
from studio.runs.store import RunFolder
from studio.runs.summaries import Summaries
from studio.studio import Studio
from studio.ui.kit.actions import Action
from studio.ui.runs import actions
from studio.ui.runs.view import Selection
from tests.ui.fake_studio import FakeWorkers, opening_events, play, step
from tests.ui.runs.test_tab import end_workers, look, press


@pytest.fixture
def runs(studio: Studio) -> tuple[RunFolder, ...]:
    """Three runs that were started together; the first is at work."""
    data = studio.data.add_sample("order_slips")
    planned = variants(RunConfig(name="tone"), [(data.id, data.name)], {"rank": (8, 16, 32)})
    return studio.start_group(planned)


def group_of(runs: tuple[RunFolder, ...]) -> str:
    group = runs[0].origin.group
    assert group is not None
    return group.id


def end(studio: Studio, run: RunFolder, loss: float) -> None:
    """Let the run at work finish, and the next one start."""
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")
    last = (Evaluated(2, loss), Saved(2, "adapter"), Finished("finished", "Done.", 12.0))
    play(run, *opening_events(steps=2), step(1, loss=3.0), step(2, loss=2.0), *last, clock=studio.clock)
    end_workers(studio)
    studio.tick()


def test_a_group_is_one_line_that_opens(studio: Studio, runs: tuple[RunFolder, ...]) -> None:
    table = look(studio)["table"]
    assert table.count("<tr") == 2, "the head and the group"
    assert "3 runs together" in table
    assert "0 of 3 done" in table
    for run, loss in zip(runs[:2], (1.5, 1.2), strict=True):
        end(studio, run, loss)
    group = group_of(runs)
    shown = press(studio, "group", group)
    assert 'best so far: <span translate="no">rank 16</span>' in shown["table"]
    assert "2 of 3 done" in shown["table"]
    card = shown["group"]
    assert "They differ in Rank." in card
    assert "Best so far: rank 16, with a held-out loss of 1.200." in card
    assert "Whether that is more than luck is not known yet." in card
    assert card.index("rank 16") < card.index("rank 8") < card.index("rank 32")
    assert card.count('ls-good"><i aria-hidden="true"></i>Best<') == 1
    closed = press(studio, "group", group, selection=shown["selection"])
    assert closed["group"] == ""


def test_who_searches_sees_the_runs_themselves(studio: Studio, runs: tuple[RunFolder, ...]) -> None:
    assert look(studio, Selection(text="rank 16"))["table"].count("<tr") == 2
    assert "tone, rank 16" in look(studio, Selection(text="rank 16"))["table"]
    assert look(studio, Selection(state="waiting"))["table"].count("<tr") == 3


def test_curves_are_laid_over_each_other(studio: Studio, runs: tuple[RunFolder, ...]) -> None:
    for run, loss in zip(runs, (1.5, 1.2, 1.3), strict=True):
        end(studio, run, loss)
    shown = press(studio, "curves", group_of(runs))
    assert [each["name"] for each in shown["chart"]["curves"]] == ["rank 16", "rank 32", "rank 8"]
    assert "Remove rank 16" in shown["differences"]


def test_the_rest_is_stopped_removed_and_queued_again(studio: Studio, runs: tuple[RunFolder, ...]) -> None:
    end(studio, runs[0], 1.5)
    group = group_of(runs)
    card = press(studio, "group", group)["group"]
    assert "Stop the rest" in card
    assert "Remove the rest from the queue" in card
    shown = press(studio, "unqueue-rest", group, selection=Selection(group=group))
    assert shown["said"].count("1 run removed from the queue.")
    assert "Remove the rest from the queue" not in shown["group"]
    shown = press(studio, "queue-rest", group, selection=Selection(group=group))
    assert "1 run added to the queue." in shown["said"]
    shown = press(studio, "stop-rest", group, selection=Selection(group=group))
    assert "1 run will stop and keep what was learned. 1 run removed from the queue." in shown["said"]
    assert runs[1].stop_wanted == "keep"
    assert studio.scheduler.waiting() == ()


@pytest.mark.parametrize("verb", ["unqueue-rest", "stop-rest"])
def test_what_lets_others_go_first_does_not_come_back(studio: Studio, runs: tuple[RunFolder, ...], verb: str) -> None:
    """It is at work and in the queue at once."""
    play(runs[0], *opening_events(steps=2), step(1, loss=3.0), clock=studio.clock)
    studio.scheduler.nearly_done_seconds = 0.0
    studio.scheduler.give_way(runs[0].id)
    assert (runs[0].stop_wanted, studio.scheduler.view(runs[0].id).status) == ("give-way", "stopping")
    assert runs[0].id in studio.scheduler.waiting()
    group = group_of(runs)
    for run in runs[1:]:
        studio.scheduler.queue.remove(run.id)
    before = press(studio, "group", group)
    assert "Stop the rest" in before["group"]
    assert "Remove the rest from the queue" in before["group"]
    selection = Selection(group=group)
    said = press(studio, verb, group, selection=selection)["said"]
    assert studio.scheduler.waiting() == ()
    if verb == "stop-rest":
        assert "1 run will stop and keep what was learned. 0 runs removed from the queue." in said
        assert runs[0].stop_wanted == "keep"
    else:
        assert "1 run removed from the queue." in said
    after = look(studio, selection, before["drawn"])["group"]
    assert "Stop the rest" not in after
    assert "Remove the rest from the queue" not in after


def test_a_group_that_was_just_started_is_shown(studio: Studio, runs: tuple[RunFolder, ...]) -> None:
    shown = actions.open_group(studio, Selection(text="old"), group=group_of(runs))
    assert (shown.state.group, shown.state.text) == (group_of(runs), "")
    assert "3 runs started together" in shown.state.said
    assert shown.updates["tabs"]["selected"] == "runs"
    assert actions.open_group(studio, Selection(), group="nothing").state == Selection()


def test_a_group_goes_on_without_what_was_deleted_and_with_what_was_put_back(
    studio: Studio, runs: tuple[RunFolder, ...], tmp_path: Path
) -> None:
    for run, loss in zip(runs, (1.5, 1.2, 1.3), strict=True):
        end(studio, run, loss)
    archive = studio.archive_run(runs[1].id)
    kept = tmp_path / "best.zip"
    kept.write_bytes(archive.read_bytes())
    studio.delete_run(runs[1].id)
    group = group_of(runs)
    card = press(studio, "group", group)["group"]
    assert "2 of 2 runs done" in card
    assert "Best: rank 32" in card
    studio.import_run(kept)
    studio.runs.restore(runs[1].id)
    card = press(studio, "group", group)["group"]
    assert "3 of 3 runs done" in card, "what was imported stands for itself"
    for run in runs[1:]:
        studio.delete_run(run.id)
    for run in studio.runs.all():
        if run.id != runs[0].id:
            studio.delete_run(run.id)
    assert "tone, rank 8" in look(studio)["table"], "one that is alone stands for itself"
    assert press(studio, "group", "no-such-group")["group"] == ""


def report(run: RunFolder, losses: list[float]) -> None:
    """Write what an evaluation leaves, as far as a group is compared by it."""
    figure = Figure("loss", "Loss", "loss", False, len(losses), Estimate(1.0, 1.0, 1.0))
    made = EvaluationReport(
        *("end", run.id, run.name, "starter", "lora", "d", "D", "x", "held-out", "y", len(losses), len(losses)),
        *("text", "loss", (figure,), (), None, 1.0, 1.0, "cpu", "fp32", 0, ()),
    )
    write_evaluation(run, made, tuple(ScoredRow(n, "", "", "", "", tuned_loss=loss) for n, loss in enumerate(losses)))


def test_how_sure_it_is_shows_once_the_runs_are_evaluated(studio: Studio, runs: tuple[RunFolder, ...]) -> None:
    """The reports come after the runs have ended, when nothing else of them changes."""
    for run, loss in zip(runs, (1.5, 1.2, 1.3), strict=True):
        end(studio, run, loss)
    before = look(studio, Selection(group=group_of(runs)))
    assert "not known yet" in before["group"]
    for run, loss in zip(runs, (1.5, 1.2, 1.3), strict=True):
        report(run, [loss + 0.1 * number for number in range(12)])
    after = look(studio, Selection(group=group_of(runs)), before["drawn"])
    assert "It is clearly better than all others, on 12 held-out rows." in after["group"]


def test_a_run_whose_evaluation_is_called_off_is_named(studio: Studio, runs: tuple[RunFolder, ...]) -> None:
    """Nothing else of it changes then, nor of what is in its folder of evaluations."""
    studio.settings = replace(studio.settings, evaluate=True)
    for run, loss in zip(runs, (1.5, 1.2, 1.3), strict=True):
        end(studio, run, loss)
        request_path(run).write_text("0", encoding="utf-8")
    before = look(studio, Selection(group=group_of(runs)))
    assert "is known once they are evaluated" in before["group"]
    studio.evaluations.automatic.call_off(runs[0])
    after = look(studio, Selection(group=group_of(runs)), before["drawn"])
    assert "not known without an evaluation of rank 8, which you can start" in after["group"]


def test_a_duplicate_is_no_part_of_the_group(studio: Studio, runs: tuple[RunFolder, ...]) -> None:
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    copy = actions._act(studio, Action("duplicate", runs[2].id), Selection()).opened
    assert studio.runs.get(copy).origin.group is None


@pytest.fixture
def unread(studio: Studio, runs: tuple[RunFolder, ...], monkeypatch: pytest.MonkeyPatch) -> tuple[RunFolder, ...]:
    """The runs of a group in a studio that has tens of thousands and has just started: only names are known."""
    monkeypatch.setattr(summaries, "_FIRST_SECONDS", -1.0)
    monkeypatch.setattr(summaries, "_SETTINGS_SECONDS", 0.0)
    monkeypatch.setattr(Summaries, "_read_beside", lambda self: None)
    studio.summaries = Summaries(
        studio.runs, waiting=lambda: (), view=studio.scheduler.view, places=studio.scheduler.places
    )
    assert not any(run.group for run in studio.summaries.look().runs)
    return runs


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("stop-rest", "1 run will stop and keep what was learned. 2 runs removed from the queue."),
        ("unqueue-rest", "2 runs removed from the queue. They stay in the table."),
        ("curves", ""),
    ],
)
def test_what_is_done_to_a_group_reaches_the_runs_that_are_not_read_yet(
    studio: Studio, unread: tuple[RunFolder, ...], verb: str, said: str
) -> None:
    """Only those that a look had read were stopped, and the sentence counted no others."""
    group = group_of(unread)
    for run in unread:
        play(run, *opening_events(steps=2), step(1, loss=2.0), Evaluated(1, 1.0), clock=studio.clock)
    found = actions.press(studio, Selection(), Action(verb, group))
    assert found.said == said
    assert len(found.chosen) == (3 if verb == "curves" else 0)
    assert len(studio.scheduler.waiting()) == (2 if verb == "curves" else 0)


def test_the_others_of_a_group_are_queued_though_they_are_not_read_yet(
    studio: Studio, unread: tuple[RunFolder, ...]
) -> None:
    studio.scheduler.queue.remove(*(run.id for run in unread))
    found = actions.press(studio, Selection(), Action("queue-rest", group_of(unread)))
    assert found.said == "2 runs added to the queue."
    assert len(studio.scheduler.waiting()) == 2


def test_a_group_is_compared_whole_though_its_runs_are_not_read_yet(
    studio: Studio, unread: tuple[RunFolder, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = look(studio, Selection(group=group_of(unread)))["group"]
    assert all(f"rank {rank}" in card for rank in (8, 16, 32))
    monkeypatch.setattr(summaries, "_names", lambda *_: pytest.fail("the folders of all runs are looked at again"))
    assert look(studio, Selection(group=group_of(unread)))["group"] == card
