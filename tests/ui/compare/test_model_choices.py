import gradio as gr
import pytest

from studio.compare.pane_models import find_model, first_pair
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


def test_what_is_gone_is_no_choice(studio: Studio, run: RunFolder) -> None:
    assert find_model(studio, "run:nobody") is None
    assert find_model(studio, None) is None
    assert [key for _, key in model_choices.offered(studio, ["run:nobody", None])] == [
        f"base:{run.id}",
        f"run:{run.id}",
    ]


def test_strengths_belong_to_adapters(studio: Studio, run: RunFolder) -> None:
    base, tuned = model_choices.chosen(studio, first_pair(studio), [0.4, 0.4])
    assert (base.is_adapter, base.true_strength) == (False, 1.0)
    assert (tuned.is_adapter, tuned.true_strength) == (True, 0.4)
    with pytest.raises(gr.Error, match="Model 1 is not chosen"):
        model_choices.chosen(studio, [None, f"run:{run.id}"], [None, None])
