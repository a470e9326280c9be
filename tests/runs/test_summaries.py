import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import pytest

from studio.config import RunConfig
from studio.events import Evaluated, Finished
from studio.runs import kept_summaries, listing, summaries
from studio.runs.store import RunFolder
from studio.runs.summaries import Summaries
from studio.runs.summary import SPARK_POINTS, Summary
from studio.studio import Studio
from studio.ui.runs import table
from tests.ui.fake_studio import end_workers, fake_studio, finished_run, opening_events, play, step


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with fake_studio(tmp_path) as opened:
        yield opened


@pytest.fixture
def dataset(studio: Studio) -> str:
    return studio.data.add_sample("order_slips").id


def of(studio: Studio, run: RunFolder, *, fresh: bool = False) -> Summary:
    return next(each for each in studio.summaries.look(fresh=fresh).runs if each.id == run.id)


def test_a_finished_run_is_summed_up(studio: Studio, dataset: str) -> None:
    config = RunConfig(name="otter", rank=4, learning_rate=1e-4, epochs=2)
    run = finished_run(studio, dataset_id=dataset, config=config, steps=60)
    found = of(studio, run)
    assert (found.name, found.status, found.rank, found.learning_rate, found.epochs) == (
        "otter",
        "finished",
        4,
        1e-4,
        2,
    )
    assert (found.dataset, found.model, found.method) == ("A format: order slips", "starter", "lora")
    assert (found.best_loss, found.step, found.total_steps) == (1.2, 60, 60)
    assert len(found.spark) == SPARK_POINTS
    assert (found.spark[0], found.spark[-1]) == (3.0, 0.05)
    assert found.has_result
    assert found.tokens_per_second == 240.0


def test_the_best_loss_is_the_lowest_and_full_training_has_no_rank(studio: Studio, dataset: str) -> None:
    run = studio.start_run(RunConfig(method="full"), dataset)
    losses = [Evaluated(1, 2.0), Evaluated(2, 1.1), Evaluated(3, 1.6)]
    steps = [step(number, loss=2.0) for number in (1, 2, 3)]
    told = [event for pair in zip(steps, losses, strict=True) for event in pair]
    play(run, *opening_events(steps=3), *told, Finished("finished", "Done.", 3.0), clock=studio.clock)
    end_workers(studio)
    assert (of(studio, run).best_loss, of(studio, run).rank) == (1.1, None)


def test_the_best_loss_says_over_how_many_examples_it_is_until_all_are_scored(studio: Studio, dataset: str) -> None:
    run = studio.start_run(RunConfig(), dataset)
    checks = [Evaluated(1, 2.0, 24, 100), Evaluated(2, 1.1, 24, 100)]
    steps = [step(number, loss=2.0) for number in (1, 2)]
    told = [event for pair in zip(steps, checks, strict=True) for event in pair]
    play(run, *opening_events(steps=3), *told, clock=studio.clock)
    assert (of(studio, run).best_loss, of(studio, run).best_part) == (1.1, (24, 100))
    play(run, Evaluated(2, 1.1, 24, 100, 1.3), Finished("finished", "Done.", 3.0), clock=studio.clock)
    end_workers(studio)
    assert (of(studio, run, fresh=True).best_loss, of(studio, run).best_part) == (1.3, None)


def test_each_state_is_told_as_the_page_of_the_run_tells_it(studio: Studio, dataset: str) -> None:
    live = studio.start_run(RunConfig(), dataset)
    waiting = studio.start_run(RunConfig(), dataset)
    draft = studio.duplicate_run(live.id)
    for run in (live, waiting, draft):
        assert of(studio, run).status == studio.scheduler.view(run.id).status
    assert of(studio, live).is_at_work
    assert (of(studio, waiting).place, of(studio, draft).status) == (1, "draft")
    end_workers(studio)
    assert of(studio, live).status == studio.scheduler.view(live.id).status == "lost"


def test_a_run_at_work_is_looked_at_each_time(studio: Studio, dataset: str) -> None:
    run = studio.start_run(RunConfig(), dataset)
    play(run, *opening_events(steps=9), step(1, loss=3.0), clock=studio.clock)
    before = studio.summaries.look()
    assert of(studio, run).step == 1
    assert studio.summaries.look() is before, "nothing is new"
    play(run, step(2, loss=2.5), clock=studio.clock)
    after = studio.summaries.look()
    assert (of(studio, run).step, after.number) == (2, before.number + 1)


def test_the_queue_is_followed(studio: Studio, dataset: str) -> None:
    runs = [studio.start_run(RunConfig(), dataset) for _ in range(3)]
    assert [of(studio, run).place for run in runs] == [0, 1, 2]
    studio.scheduler.queue.move(runs[2].id, -1)
    assert [of(studio, run).place for run in runs] == [0, 2, 1]
    studio.scheduler.queue.remove(runs[2].id)
    assert (of(studio, runs[1]).place, of(studio, runs[2]).status) == (1, "draft")


def test_a_new_name_a_deleted_run_and_a_run_put_back_are_seen(studio: Studio, dataset: str) -> None:
    run = finished_run(studio, dataset_id=dataset)
    of(studio, run)
    studio.runs.describe(run.id, name="Heron", note="the good one")
    assert (of(studio, run, fresh=True).name, of(studio, run).note) == ("Heron", "the good one")
    studio.delete_run(run.id)
    assert studio.summaries.look(fresh=True).runs == ()
    assert studio.summaries.read([run.id]) == ()
    studio.runs.restore(run.id)
    assert of(studio, run, fresh=True).name == "Heron"


def test_what_another_server_wrote_is_seen(studio: Studio, dataset: str) -> None:
    """A run that rests is known by its folder alone: whoever changes it changes how that looks."""
    run = finished_run(studio, dataset_id=dataset)
    of(studio, run)
    play(run, Evaluated(6, 0.25), clock=studio.clock)
    assert of(studio, run, fresh=True).best_loss == 0.25


def test_a_run_that_rests_is_read_once(studio: Studio, dataset: str) -> None:
    run = finished_run(studio, dataset_id=dataset)
    for path in (run.events_path, run.path):
        os.utime(path, (1_700_000_000, 1_700_000_000))  # changed long ago
    before = of(studio, run, fresh=True)
    assert of(studio, run, fresh=True) is before


def test_many_runs_are_read_beside_the_page(studio: Studio, dataset: str) -> None:
    """The first look reads for a quarter of a second at most; the rows that a page shows are read when it asks."""
    runs = [finished_run(studio, dataset_id=dataset, steps=3) for _ in range(4)]
    hurried = _later(studio, clock=_ticks(0.4))
    with hurried._turn:  # nothing is read beside it meanwhile
        first = hurried.look()
        assert first.unread == len(runs)
        assert {run.name for run in first.runs} == {run.name for run in runs}
        assert {run.model for run in first.runs} == {"starter", ""}, "of the last ones only their names are known"
        assert {round(run.created) for run in first.runs} == {round(run.origin.created) for run in runs}
        assert hurried.read([runs[0].id])[0].status == "finished"
        assert hurried.look().unread == len(runs) - 1
    assert hurried.read_all().unread == 0


@pytest.fixture
def kept(studio: Studio, dataset: str, monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    """Runs that an earlier studio has read beside its page, and kept what it knew of them."""
    monkeypatch.setattr(summaries, "_WORTH_KEEPING", 3)
    runs = [finished_run(studio, dataset_id=dataset, steps=3) for _ in range(4)]
    for run in runs:
        for path in (run.events_path, run.path):
            os.utime(path, (1_700_000_000, 1_700_000_000))  # changed long ago
    _later(studio, clock=_ticks(1.0)).read_all()
    assert (studio.settings.home / kept_summaries.NAME).exists()
    return runs


def _later(studio: Studio, **options: Any) -> Summaries:
    """Return what another studio on the same folder would know."""
    return Summaries(studio.runs, waiting=studio.scheduler.waiting, view=studio.scheduler.view, **options)


def _ids_kept(studio: Studio) -> set[str]:
    return {each.summary.id for block in kept_summaries.read(studio.settings.home) for each in block}


def _never(*arguments: object) -> NoReturn:
    raise AssertionError("this run is known")


def test_what_a_studio_knew_of_very_many_runs_is_not_read_again(
    studio: Studio, kept: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = studio.summaries.read_all().runs
    monkeypatch.setattr(summaries.summary, "of_rest", _never)
    monkeypatch.setattr(summaries.summary, "of_settings", _never)
    assert _later(studio).look().runs == expected


def test_a_run_that_changed_since_or_is_new_or_gone_is_read_as_it_is(
    studio: Studio, kept: list[RunFolder], dataset: str
) -> None:
    studio.runs.describe(kept[0].id, name="another name")
    studio.delete_run(kept[1].id)
    new = finished_run(studio, dataset_id=dataset, steps=3)
    found = {run.id: run for run in _later(studio).look().runs}
    assert found.keys() == {kept[0].id, kept[2].id, kept[3].id, new.id}
    assert (found[kept[0].id].name, found[new.id].status) == ("another name", "finished")


def test_what_is_kept_is_read_beside_the_page_where_it_is_long(
    studio: Studio, kept: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start at a hundred thousand runs read all of it before the page was there."""
    expected = studio.summaries.read_all().runs
    monkeypatch.setattr(kept_summaries, "_BLOCK_LINES", 1)
    studio.summaries._keep()
    assert len(list(kept_summaries.read(studio.settings.home))) == len(kept)
    monkeypatch.setattr(summaries.summary, "of_rest", _never)
    hurried = _later(studio, clock=_ticks(1.0))
    with hurried._turn:  # nothing is read beside it meanwhile
        first = hurried.look()
        assert (len(first.runs), first.unread) == (len(kept), len(kept) - 1)
        assert [run.id for run in first.runs if run.status] == [max(run.id for run in kept)], "the newest come first"
    assert hurried.resting() == {run.id for run in kept}
    assert hurried.read_all().runs == expected


def test_what_is_kept_is_believed_up_to_where_it_is_damaged(
    studio: Studio, kept: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_summaries, "_BLOCK_LINES", 2)
    studio.summaries.read_all()
    studio.summaries._keep()
    path = studio.settings.home / kept_summaries.NAME
    newest = sorted((run.id for run in kept), reverse=True)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[-2] = lines[-2].replace("finished", "stopped")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert _ids_kept(studio) == set(newest[:2])
    assert _later(studio).read_all().runs == studio.summaries.read_all().runs


def test_changes_are_looked_for_beside_the_page_where_that_takes_long(
    studio: Studio, kept: list[RunFolder], dataset: str
) -> None:
    later = _later(studio, clock=_ticks(11.0))  # each search seems to take long, and the next one is due
    later.read_all()
    if later._reader is not None:  # the last look has begun another search
        later._reader.join()
    play(kept[0], Evaluated(6, 0.25), clock=studio.clock)
    new = studio.start_run(RunConfig(), dataset)
    with later._turn:
        seen = {run.id: run for run in later.look().runs}
        assert seen.keys() == {run.id for run in (*kept, new)}, "what is new is there at once"
        assert seen[kept[0].id].best_loss == 1.2
    found = {run.id: run for run in later.read_all().runs}
    assert found[kept[0].id].best_loss == 0.25


def test_a_run_of_which_something_is_asked_is_looked_at_when_a_studio_starts(
    studio: Studio, kept: list[RunFolder]
) -> None:
    """What is kept says so: the folders of all others need not be looked at."""
    (kept[1].path / "stop.request").write_text("keep", encoding="utf-8")
    (kept[2].path / "evaluation.wish").write_text("0", encoding="utf-8")
    for run in kept:
        os.utime(run.path, (1_700_000_001, 1_700_000_001))
    for _ in range(2):
        later = _later(studio, clock=_ticks(1.0))
        later.read_all()
        assert later.resting() == {kept[0].id, kept[3].id}
        assert _ids_kept(studio) == {run.id for run in kept}


def test_what_was_changed_a_moment_ago_is_not_kept(studio: Studio, kept: list[RunFolder]) -> None:
    """Some file systems tell changes apart by two seconds: another one in the same moment would never be seen."""
    os.utime(kept[2].events_path)
    os.utime(kept[3].path)
    time.sleep(0.2)  # older than what may change without looking any different
    path = studio.settings.home / kept_summaries.NAME
    path.unlink()
    _later(studio, clock=_ticks(1.0)).read_all()
    assert _ids_kept(studio) == {kept[0].id, kept[1].id}


def test_what_is_kept_is_read_once_though_no_run_is_left(
    studio: Studio, kept: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = _later(studio)
    later.look()
    for run in kept:
        studio.delete_run(run.id)
    monkeypatch.setattr(kept_summaries, "read", _never)
    assert later.look(fresh=True).runs == ()
    assert later.look(fresh=True).runs == ()


def test_runs_are_read_again_once_a_disk_is_back(studio: Studio, dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [finished_run(studio, dataset_id=dataset, steps=3) for _ in range(4)]
    later = _later(studio, clock=_ticks(1.0))
    with monkeypatch.context() as patched:
        patched.setattr(later, "_settle", _never)
        assert later.read_all().unread == len(runs)
    assert later.look(fresh=True).unread == len(runs)
    assert later.read_all().unread == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("finished", "stopped", 1),
        lambda text: text.replace("curve", "curves", 1),
        lambda text: text.replace("[", "{", 1),
        lambda text: "[" * 100_000,
        lambda text: "",
        lambda text: "\n".join(text.splitlines()[:-1]),
        lambda text: text.splitlines()[0] + '\n[1, 2]\n7\n""\n',
    ],
)
def test_kept_summaries_that_are_damaged_or_of_another_version_are_not_believed(
    studio: Studio, kept: list[RunFolder], damage: Callable[[str], str]
) -> None:
    path = studio.settings.home / kept_summaries.NAME
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert _ids_kept(studio) == set()
    assert _later(studio).look().runs == studio.summaries.read_all().runs


ODD = ("x", "zzz", 1e300, -1.0, -1, 5, 2.5, True, None, [1], [1, 2, 3], ["a", 2], {}, "V{p")


@pytest.mark.parametrize("field", [each.name for each in fields(Summary)])
def test_kept_summaries_with_values_of_another_kind_are_thrown_away_whole_and_read_again(
    studio: Studio, kept: list[RunFolder], field: str
) -> None:
    """A text where a time belongs, or half a number in a curve, raised at every look at the page."""
    expected = studio.summaries.read_all().runs
    path = studio.settings.home / kept_summaries.NAME
    form, *lines = path.read_text(encoding="utf-8").splitlines()
    place, thrown = 4 + [each.name for each in fields(Summary)].index(field), 0
    for odd in ODD:
        first = json.loads(lines[0])
        first[place] = odd
        block = "".join(f"{each}\n" for each in (json.dumps(first), *lines[1:-1]))
        digest = json.dumps(hashlib.sha256(block.encode()).hexdigest())
        path.write_text(f"{form}\n{block}{digest}\n", encoding="utf-8")
        is_thrown = _ids_kept(studio) == set()
        thrown += is_thrown
        seen = _later(studio).look().runs
        page = listing.find(seen, listing.Query())
        str(table.table(page, listing.Query(), chosen=(), opened="", opened_group="", unread=0, all_runs=len(seen)))
        assert seen == expected or not is_thrown, odd
    assert thrown >= 8, "hardly anything was noticed"


def test_a_disk_that_takes_no_summaries_is_no_trouble(studio: Studio, kept: list[RunFolder]) -> None:
    path = studio.settings.home / kept_summaries.NAME
    path.unlink()
    path.with_name(f"{path.name}.tmp").mkdir()
    path.mkdir()
    assert _later(studio, clock=_ticks(1.0)).read_all().unread == 0


def _ticks(seconds: float) -> Callable[[], float]:
    now = [0.0]

    def clock() -> float:
        now[0] += seconds
        return now[0]

    return clock


def test_a_damaged_folder_is_listed_as_damaged(studio: Studio, dataset: str) -> None:
    run, other = finished_run(studio, dataset_id=dataset), finished_run(studio, dataset_id=dataset)
    studio.summaries.look()
    (run.path / "origin.json").write_text("{", encoding="utf-8")
    (run.path / "about.json").write_text("{}", encoding="utf-8")
    for _ in range(2):
        found = {each.id: each for each in studio.summaries.look(fresh=True).runs}
        assert (found[other.id].status, found[run.id].status) == ("finished", "damaged")
        assert "origin.json is missing or damaged" in found[run.id].trouble
    studio.delete_run(run.id)
    assert [each.id for each in studio.summaries.look(fresh=True).runs] == [other.id]
