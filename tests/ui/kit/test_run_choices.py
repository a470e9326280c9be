import pytest

from studio.config import RunConfig
from studio.studio import Studio
from studio.ui.kit import run_choices
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
