import json

import gradio as gr
import pytest

from studio.config import RunConfig
from studio.errors import StudioError
from studio.events import Finished
from studio.models.blend_kinds import KINDS
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.compare import blend as compare_blend
from studio.ui.compare.blend import Blending
from studio.ui.kit.exchange import Result
from tests.ui.fake_studio import FakeWorkers, finished_run, play


@pytest.fixture
def runs(studio: Studio) -> tuple[RunFolder, RunFolder]:
    dataset = studio.data.add_sample("order_slips").id
    made = [finished_run(studio, dataset_id=dataset, config=RunConfig(name=name)) for name in ("otter", "heron")]
    for run in made:
        adapter = {"r": 16, "lora_alpha": 16, "target_modules": ["q_proj"], "peft_type": "LORA"}
        (run.path / "adapter" / "adapter_config.json").write_text(json.dumps(adapter), encoding="utf-8")
    return made[0], made[1]


def form(*adapters: tuple[str | None, float | None], name: str = "") -> Blending:
    filled = {}
    for place, (adapter, weight) in enumerate(adapters, start=1):
        filled |= {f"adapter_{place}": adapter, f"weight_{place}": weight}
    return Blending(kind="svd", name=name, **filled)  # type: ignore[arg-type]


def test_every_slot_offers_the_adapters_and_the_first_two_are_filled(
    studio: Studio, runs: tuple[RunFolder, RunFolder]
) -> None:
    filled = compare_blend.refresh(studio, Blending())
    assert {filled.state.adapter_1, filled.state.adapter_2} == {f"run:{run.id}" for run in runs}
    assert filled.state.adapters[2:] == (None, None)
    assert ("None", "") in filled.updates["adapter_3"]["choices"]
    assert ("None", "") not in filled.updates["adapter_1"]["choices"]
    chosen = compare_blend.refresh(studio, Blending(adapter_1=f"run:{runs[0].id}", adapter_4="run:gone"))
    assert chosen.state.adapters == (f"run:{runs[0].id}", None, None, None)
    assert chosen.updates["adapter_4"]["value"] == "", "which is the choice of none"


def test_a_blend_is_begun_and_watched(studio: Studio, runs: tuple[RunFolder, RunFolder]) -> None:
    filled = form((f"run:{runs[0].id}", 0.7), ("", 0.1), (f"run:{runs[1].id}", 0.3), name="mixed")
    begun = compare_blend.start(studio, filled)
    assert "mixed is being merged" in compare_blend.draw(studio, begun)["state"]
    parents = json.loads((studio.runs.get(begun.run_id).path / "parents.json").read_text(encoding="utf-8"))
    assert [(each["name"], each["weight"]) for each in parents["parents"]] == [("otter", 0.7), ("heron", 0.3)]
    for waiting in (begun, Blending(run_id="gone"), Blending()):
        assert compare_blend.watch(studio, waiting, model_1=None) == waiting, "it is not ready"
    assert compare_blend.draw(studio, Blending(run_id="gone"))["state"] == ""

    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()
    blend = studio.runs.get(begun.run_id)
    (blend.path / "adapter").mkdir()
    (blend.path / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")
    play(blend, Finished("finished", "Two adapters became one.", 1.0), clock=studio.clock)
    studio.summaries.look(fresh=True)
    assert "mixed is ready" in compare_blend.draw(studio, begun)["state"]
    ready = compare_blend.watch(studio, begun, model_1=None, model_2=None)
    assert isinstance(ready, Result)
    assert f"run:{begun.run_id}" in [key for _, key in ready.updates["model_1"]["choices"]]
    assert ready.updates["model_1"] == ready.updates["model_2"]
    again = compare_blend.watch(studio, ready.state, model_1=None, model_2=None)
    assert again == ready.state, "it is a choice once and for all"


def test_what_cannot_be_blended_is_a_sentence(studio: Studio, runs: tuple[RunFolder, RunFolder]) -> None:
    first, second = (f"run:{run.id}" for run in runs)
    with pytest.raises(gr.Error, match="at least two"):
        compare_blend.start(studio, form((first, 1.0)))
    with pytest.raises(gr.Error, match="needs a weight"):
        compare_blend.start(studio, form((first, 1.0), (second, None)))
    with pytest.raises(StudioError):
        compare_blend.start(studio, form((first, 0.0), (second, 0.0)))


def test_each_way_of_blending_says_what_it_does() -> None:
    assert KINDS["ties_svd"].help in compare_blend.help_of("ties_svd")
    assert compare_blend.help_of("") == ""
