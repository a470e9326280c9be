import json
from typing import Any

import gradio as gr
import pytest

from studio.config import RunConfig
from studio.errors import StudioError
from studio.events import Finished
from studio.models.blend_kinds import KINDS
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.compare import blend as compare_blend
from tests.ui.fake_studio import FakeWorkers, finished_run, play


@pytest.fixture
def runs(studio: Studio) -> tuple[RunFolder, RunFolder]:
    dataset = studio.data.add_sample("order_slips").id
    made = [finished_run(studio, dataset_id=dataset, config=RunConfig(name=name)) for name in ("otter", "heron")]
    for run in made:
        adapter = {"r": 16, "lora_alpha": 16, "target_modules": ["q_proj"], "peft_type": "LORA"}
        (run.path / "adapter" / "adapter_config.json").write_text(json.dumps(adapter), encoding="utf-8")
    return made[0], made[1]


def form(*adapters: tuple[str | None, float | None], kind: str = "svd", name: str = "") -> dict[str, Any]:
    filled = [*adapters, *[(None, 0.5)] * 4][:4]
    values: dict[str, Any] = {"kind": kind, "name": name}
    for place, (adapter, weight) in enumerate(filled, start=1):
        values |= {f"adapter_{place}": adapter, f"weight_{place}": weight}
    return values


def test_every_slot_offers_the_adapters_and_the_first_two_are_filled(
    studio: Studio, runs: tuple[RunFolder, RunFolder]
) -> None:
    slots = compare_blend.refresh(studio, [None] * 4)
    assert {slots[0]["value"], slots[1]["value"]} == {f"run:{run.id}" for run in runs}
    assert [slot["value"] for slot in slots[2:]] == [None, None]
    assert ("None", "") in slots[2]["choices"]
    assert ("None", "") not in slots[0]["choices"]
    chosen = [f"run:{runs[0].id}", None, None, "run:gone"]
    assert [slot["value"] for slot in compare_blend.refresh(studio, chosen)] == [chosen[0], None, None, None]


def test_a_blend_is_begun_and_watched(studio: Studio, runs: tuple[RunFolder, RunFolder]) -> None:
    id, said = compare_blend.start(
        studio, **form((f"run:{runs[0].id}", 0.7), ("", 0.1), (f"run:{runs[1].id}", 0.3), name="mixed")
    )
    assert "mixed is being blended" in said
    parents = json.loads((studio.runs.get(id).path / "parents.json").read_text(encoding="utf-8"))
    assert [(each["name"], each["weight"]) for each in parents["parents"]] == [("otter", 0.7), ("heron", 0.3)]
    shown, drawn, *choices = compare_blend.watch(studio, id, ("", ""), None, None)
    assert "being blended" in shown
    assert choices == [gr.skip()] * 2, "it is not ready"
    assert compare_blend.watch(studio, id, drawn, None) == [gr.skip()] * 3
    assert compare_blend.watch(studio, "gone", drawn, None) == ["", ("", ""), gr.skip()]
    assert compare_blend.watch(studio, "", ("", ""), None) == [gr.skip()] * 3

    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()
    blend = studio.runs.get(id)
    (blend.path / "adapter").mkdir()
    (blend.path / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")
    play(blend, Finished("finished", "Two adapters became one.", 1.0), clock=studio.clock)
    studio.summaries.look(fresh=True)
    shown, drawn, first, second = compare_blend.watch(studio, id, drawn, None, None)
    assert "mixed is ready" in shown
    assert f"run:{id}" in [key for _, key in first["choices"]]
    assert first == second
    assert compare_blend.watch(studio, id, drawn, None) == [gr.skip()] * 3, "it is a choice once and for all"


def test_what_cannot_be_blended_is_a_sentence(studio: Studio, runs: tuple[RunFolder, RunFolder]) -> None:
    first, second = (f"run:{run.id}" for run in runs)
    with pytest.raises(gr.Error, match="at least two"):
        compare_blend.start(studio, **form((first, 1.0)))
    with pytest.raises(gr.Error, match="needs a weight"):
        compare_blend.start(studio, **form((first, 1.0), (second, None)))
    with pytest.raises(StudioError):
        compare_blend.start(studio, **form((first, 0.0), (second, 0.0)))


def test_each_way_of_blending_says_what_it_does() -> None:
    assert KINDS["ties_svd"].help in compare_blend.help_of("ties_svd")
    assert compare_blend.help_of(None) == ""
