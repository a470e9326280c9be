import gradio as gr
import pytest

from studio.config import RunConfig
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.compare import model_choices
from tests.ui.fake_studio import finished_run


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=RunConfig(name="otter"))


def with_checkpoint(run: RunFolder, step: int) -> None:
    run.checkpoint(step).mkdir(parents=True)
    (run.checkpoint(step) / "adapter_config.json").write_text("{}", encoding="utf-8")


def test_bases_runs_and_checkpoints_are_offered_by_names_that_tell_them_apart(studio: Studio, run: RunFolder) -> None:
    with_checkpoint(run, 4)
    labels = [label for label, _ in model_choices.offered(studio)]
    assert labels[0] == "Starter model, untrained"
    assert labels[1].startswith("otter · A format: order slips · ")
    assert labels[2] == "otter, step 4 · checkpoint"


def test_the_newest_run_is_chosen_and_not_its_checkpoint(studio: Studio, run: RunFolder) -> None:
    with_checkpoint(run, 4)
    assert model_choices.preset(studio) == [f"base:{run.id}", f"run:{run.id}"]
    other = finished_run(studio, dataset_id=run.origin.dataset_id)
    assert model_choices.preset(studio)[1] == f"run:{other.id}"
    assert model_choices.preset(studio, run.id) == [f"base:{other.id}", f"run:{run.id}"]
    assert model_choices.preset(studio, "nobody") == [None, None]


def test_what_is_gone_is_no_choice(studio: Studio, run: RunFolder) -> None:
    assert model_choices.find(studio, "run:nobody") is None
    assert model_choices.find(studio, None) is None
    assert [key for _, key in model_choices.offered(studio, ["run:nobody", None])] == [
        f"base:{run.id}",
        f"run:{run.id}",
    ]


def test_strengths_belong_to_adapters(studio: Studio, run: RunFolder) -> None:
    base, tuned = model_choices.chosen(studio, model_choices.preset(studio), [0.4, 0.4])
    assert (base.is_adapter, base.true_strength) == (False, 1.0)
    assert (tuned.is_adapter, tuned.true_strength) == (True, 0.4)
    with pytest.raises(gr.Error, match="Pane 1 has no model"):
        model_choices.chosen(studio, [None, f"run:{run.id}"], [None, None])


def test_only_models_of_one_base_stand_beside_each_other(studio: Studio, run: RunFolder) -> None:
    packed = finished_run(studio, dataset_id=run.origin.dataset_id, config=RunConfig(name="heron", method="qlora"))
    first = model_choices.find(studio, f"run:{run.id}")
    other = model_choices.find(studio, f"run:{packed.id}")
    assert first is not None
    assert other is not None
    assert model_choices.apart(first, first, 0) == ""
    assert "Pane 3 (heron)" in model_choices.apart(first, other, 2)
    assert [model.run_id for model in model_choices.beside(studio, other)] == [packed.id, packed.id]
