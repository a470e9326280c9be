import pytest

from studio.config import RunConfig
from studio.studio import Studio
from studio.ui.compare import blend, chat_view
from studio.ui.compare.blend import Blending
from studio.ui.compare.chat_state import Chat
from studio.ui.evaluate import tab as evaluate
from studio.ui.export import view as export
from studio.ui.kit import run_choices
from studio.ui.train import view as train
from tests.ui.fake_studio import finished_run


@pytest.fixture
def dataset(studio: Studio) -> str:
    return studio.data.add_sample("order_slips").id


def test_the_newest_are_offered_and_the_one_that_is_shown(studio: Studio, dataset: str) -> None:
    """Ten thousand choices were sent to each of three choosers whenever a page was opened."""
    for _ in range(4):
        finished_run(studio, dataset_id=dataset)
    ordered = [run.id for run in studio.runs.all()]
    assert [id for _, id in run_choices.all_runs(studio, most=2)] == ordered[:2]
    assert [id for _, id in run_choices.all_runs(studio, most=2, also=ordered[3])] == [*ordered[:2], ordered[3]]
    assert [id for _, id in run_choices.runs_with_result(studio, most=2, also=ordered[2])] == ordered[:3]
    assert len(run_choices.all_runs(studio, most=2, also="nobody")) == 2


def test_only_runs_with_a_result_are_offered_for_it(studio: Studio, dataset: str) -> None:
    run = finished_run(studio, dataset_id=dataset)
    draft = studio.duplicate_run(run.id)
    assert {id for _, id in run_choices.all_runs(studio)} == {run.id, draft.id}
    assert [id for _, id in run_choices.runs_with_result(studio)] == [run.id]


def test_a_choice_names_the_run_its_data_and_its_time(studio: Studio, dataset: str) -> None:
    run = finished_run(studio, dataset_id=dataset, config=RunConfig(name="otter"))
    studio.runs.describe(run.id, name="heron")
    (label, id) = run_choices.all_runs(studio)[0]
    assert (id, label.split(" · ")[:2]) == (run.id, ["heron", "A format: order slips"])


def test_a_chooser_without_choices_says_what_is_missing() -> None:
    assert run_choices.offer([], None, otherwise=run_choices.NO_RUN)["choices"] == [(run_choices.NO_RUN, "")]
    assert run_choices.offer([], None, otherwise=run_choices.NO_RUN)["value"] == ""
    some = run_choices.offer([("otter", "id")], "id", otherwise=run_choices.NO_RUN)
    assert (some["choices"], some["value"]) == ([("otter", "id")], "id")


def test_in_an_empty_studio_no_chooser_of_a_run_is_empty(studio: Studio) -> None:
    for refresh in (train.refresh_runs, evaluate.refresh_runs, export.refresh_runs):
        shown = refresh(studio, None)
        assert [value for _, value in shown["choices"]] == [shown["value"]] == [""]
    for updates in (
        blend.refresh(studio, Blending()).updates,
        chat_view.panes(studio, Chat()),
    ):
        choosers = [each for name, each in updates.items() if name.startswith(("adapter", "model"))]
        assert all(each["value"] in dict(map(reversed, each["choices"])) for each in choosers)
