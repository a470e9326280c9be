import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.config import RunConfig, settings
from studio.errors import DataError, ModelError, RunError
from studio.events import Failed
from studio.jobs.jobs import JobState
from studio.jobs.tasks import Train
from studio.models.layout import LinearLayer, ModelLayout
from studio.models.presets import THOROUGH
from studio.planning import fitting
from studio.planning.forecasts import Forecasts
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.configure.actions import fetch_model, press, redraw, start_run
from studio.ui.configure.plan_card import learners
from studio.ui.configure.view import LED, PARTS, Drawn, more_label
from studio.ui.kit import form
from studio.ui.kit.actions import Action
from tests.planning.fake_forecasts import Oracle
from tests.ui.fake_studio import FakeWorkers, finished_run


def form_values(**changes: Any) -> dict[str, Any]:
    values = {setting.name: setting.default for setting in settings()}
    return {**values, "chosen_modules": [], **changes}


def drawing(
    studio: Studio, facts: ModelFacts, *, dataset_id: str | None = None, drawn: Drawn | None = None, **given: Any
) -> dict[str, Any]:
    """Draw, and name what was sent; `given` are settings and what else the page holds."""
    page = {
        name: given.pop(name) for name in ("validation_dataset_id", "preset", "price", "kept_price") if name in given
    }
    sent = redraw(studio, facts, dataset_id=dataset_id, drawn=drawn, **page, **form_values(**given))
    return dict(zip((*PARTS, *LED, "price", "drawn"), sent, strict=True))


def held(sent: dict[str, Any]) -> dict[str, Any]:
    """Return what the form holds once the page has what was sent."""
    return vars(sent["drawn"].tab_state.selection.settings)


def is_skipped(update: Any) -> bool:
    return bool(update == gr.skip())


@pytest.fixture
def facts(studio: Studio) -> ModelFacts:
    """A reading that knows neither machine nor model."""
    return ModelFacts(studio, forecasts=Forecasts())


@pytest.fixture
def oracle() -> Oracle:
    return Oracle()


@pytest.fixture
def foreseen(studio: Studio, oracle: Oracle) -> ModelFacts:
    """A reading that knows machine and model."""
    return ModelFacts(studio, forecasts=oracle.forecasts())


def test_every_setting_has_its_control() -> None:
    assert {*form.START, *form.SIMPLE, *form.MORE, *form.HELD_OUT, *form.TERMINAL_ONLY} == {
        setting.name for setting in settings()
    }


def test_the_form_gives_back_the_defaults() -> None:
    assert form.read_config(form_values()) == RunConfig()


def test_faults_stand_under_their_own_field() -> None:
    verdicts = form.check_form(**form_values(rank=0, epochs=None), dataset_id="x")
    wrong = {each["message"] for each in verdicts if not each["is_valid"]}
    assert wrong == {"Rank must lie between 1 and 512; found 0.", "Epochs is empty. Give a whole number."}
    assert len(verdicts) == len(settings()) + 1


def test_changes_behind_more_settings_are_counted() -> None:
    changed = RunConfig(alpha=64, dropout=0.5, seed=1, rank=4)
    assert form.changed(changed) == 2
    assert form.changed(changed, usual={"alpha": 64}) == 1
    assert more_label(1) == "More settings (1 changed)"


def test_settings_that_say_nothing_beside_the_method_are_hidden() -> None:
    full, packed = RunConfig(method="full"), RunConfig(method="qlora-8bit")
    assert [name for name in form.MORE if not form.applies(name, RunConfig())] == ["chosen_modules", "other_base"]
    assert form.applies("other_base", RunConfig(start_adapter="a-run"))
    assert not any(form.applies(name, full) for name in form.ADAPTER_ONLY)
    assert form.applies("learning_rate", full)
    assert not form.applies("dora", packed)
    assert form.applies("dora", RunConfig(method="qlora-8bit", dora=True))
    assert form.applies("chosen_modules", RunConfig(targets="chosen"))
    assert [form.applies("data_parallel", full, devices=number) for number in (None, 1, 2)] == [True, False, True]


def test_a_hidden_setting_at_fault_can_be_corrected() -> None:
    assert form.applies("rank", RunConfig(method="full", rank=0))
    assert form.applies("start_adapter", RunConfig(method="full", start_adapter="x"))


def test_the_start_button_names_what_is_missing(studio: Studio, facts: ModelFacts) -> None:
    start = drawing(studio, facts)["start"]
    assert start["value"] == "Choose a data set first"
    assert start["interactive"] is False
    dataset = studio.data.add_sample("order_slips")
    start = drawing(studio, facts, dataset_id=dataset.id, rank=0)["start"]
    assert start["value"] == "Correct the rank first"
    start = drawing(studio, facts, dataset_id=dataset.id)["start"]
    assert start["value"] == "Start training"
    assert start["interactive"] is True


def test_the_trainable_parameters_follow_rank_and_targets(facts: ModelFacts) -> None:
    """Two blocks of three layers 8 x 16, of which two are attention: r * (8 + 16) each."""
    assert learners(facts, RunConfig(rank=2)).trainable == 6 * 2 * 24
    assert learners(facts, RunConfig(rank=4, targets="attention")).trainable == 4 * 4 * 24
    only = learners(facts, RunConfig(rank=2, targets="chosen", chosen_modules=("up_proj",)))
    assert only.trainable == 2 * 2 * 24
    assert only.modules == ("up_proj",)


def test_modules_can_be_chosen_from_the_model_itself(studio: Studio, facts: ModelFacts) -> None:
    chosen = drawing(studio, facts, targets="chosen")["chosen_modules"]
    assert chosen["visible"] is True
    assert set(chosen["choices"]) == {"q_proj", "v_proj", "up_proj"}


def test_the_plan_says_what_will_happen(studio: Studio, facts: ModelFacts) -> None:
    dataset = studio.data.add_sample("order_slips")
    sent = drawing(studio, facts, dataset_id=dataset.id)
    assert "Learns from 162 examples; 18 are held out to check it." in sent["plan"]
    assert "About 63 steps" in sent["plan"]
    assert "This machine is being measured" in sent["plan"]
    again = drawing(studio, facts, dataset_id=dataset.id, drawn=sent["drawn"], **held(sent))
    assert all(is_skipped(each) for each in again.values())


def test_without_the_model_the_count_waits(bare_studio: Studio) -> None:
    facts = ModelFacts(bare_studio)
    sent = drawing(bare_studio, facts)
    assert "not on this machine yet" in sent["model_state"]
    assert sent["fetch"]["visible"] is True
    assert "not known yet" in sent["plan"]


def test_a_model_on_the_hub_is_counted_without_fetching_it(bare_studio: Studio) -> None:
    selection: list[str] = []
    layer = LinearLayer("model.layers.0.self_attn.q_proj", 100, 60)

    def ask(model: str) -> ModelLayout:
        selection.append(model)
        return ModelLayout(parameters=1_000_000, layers=(layer,))

    facts = ModelFacts(bare_studio, ask_hub=ask)
    config = RunConfig(model="someone/model", rank=2)
    deadline = time.monotonic() + 5
    while learners(facts, config).trouble and time.monotonic() < deadline:
        time.sleep(0.01)
    assert learners(facts, config).trainable == 2 * (100 + 60)
    assert selection == ["someone/model"]


def test_a_model_that_the_hub_does_not_know_is_asked_for_once(bare_studio: Studio) -> None:
    selection: list[str] = []

    def ask(model: str) -> ModelLayout:
        selection.append(model)
        raise ModelError("The Hub cannot be reached.")

    facts = ModelFacts(bare_studio, ask_hub=ask)
    for _ in range(5):
        assert learners(facts, RunConfig(model="someone/model")).trouble
        time.sleep(0.01)
    assert selection == ["someone/model"]


def test_start_starts_at_once(studio: Studio) -> None:
    dataset = studio.data.add_sample("order_slips")
    id = start_run(studio, dataset_id=dataset.id, **form_values(name="first try"))
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    assert workers.jobs == [Train(studio.runs.get(id).path)]
    assert studio.runs.get(id).config.name == "first try"


def test_start_without_data_says_so(studio: Studio) -> None:
    with pytest.raises(gr.Error, match="No data set"):
        start_run(studio, dataset_id=None, **form_values())


def test_a_module_that_the_model_does_not_have_stays_on_offer(studio: Studio, facts: ModelFacts) -> None:
    """Without it the value is not among the choices: that froze the tab once the model was changed."""
    values = form_values(targets="chosen", chosen_modules=["down_proj"])
    assert drawing(studio, facts, **values)["chosen_modules"]["choices"][-1] == "down_proj"
    away = drawing(studio, facts, **{**values, "model": "./nothing-here"})["chosen_modules"]
    assert away["choices"] == ["down_proj"]


@pytest.mark.parametrize("model", ["./no-such-folder", "hello world!"])
def test_a_model_that_cannot_be_is_neither_fetched_nor_started(studio: Studio, facts: ModelFacts, model: str) -> None:
    dataset = studio.data.add_sample("order_slips")
    sent = drawing(studio, facts, dataset_id=dataset.id, model=model)
    assert sent["fetch"]["visible"] is False
    assert sent["start"] == {**sent["start"], "value": "Correct the base model first", "interactive": False}
    assert "cannot be used as it stands" in sent["plan"]
    assert "fetched first" not in sent["plan"]


def test_a_failed_fetch_can_be_tried_again(bare_studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = ModelFacts(bare_studio, ask_hub=lambda model: ModelLayout(1, ()))
    failed = JobState("failed", "No.", failed=Failed("model", "The Hub has no such model.", "Look at its name."))
    monkeypatch.setattr(bare_studio.models, "state", lambda name: failed)
    dataset = bare_studio.data.add_sample("order_slips")
    for model, label in (("some/model", "Correct the base model first"), ("starter", "Fetch the starter model first")):
        sent = drawing(bare_studio, facts, dataset_id=dataset.id, model=model)
        assert sent["fetch"] == {**sent["fetch"], "visible": True, "value": "Try again"}
        assert sent["start"] == {**sent["start"], "value": label, "interactive": False}


def test_an_empty_model_is_missing_and_not_the_servers_folder(studio: Studio, facts: ModelFacts) -> None:
    dataset = studio.data.add_sample("order_slips")
    sent = drawing(studio, facts, dataset_id=dataset.id, model=" ")
    assert "No base model is chosen." in sent["model_state"]
    assert sent["fetch"]["visible"] is False
    assert sent["start"]["value"] == "Correct the base model first"
    fetch_model(studio, " ")
    assert facts.where("").folder is None


def test_what_is_too_long_does_not_count_in_the_plan(studio: Studio, facts: ModelFacts, mixed_lengths: Path) -> None:
    dataset = studio.data.add(mixed_lengths)
    parts = fitting.parts(facts, RunConfig(validation_share=0.0), dataset.id)
    assert (parts.train, parts.held_out, parts.too_long) == (9, 0, 3)
    split = fitting.parts(facts, RunConfig(), dataset.id)
    assert split.train + split.held_out == 9
    values = form_values(validation_share=0.0, batch_size=1, epochs=1, max_length=500)
    plan = drawing(studio, facts, dataset_id=dataset.id, **values)["plan"]
    assert "Learns from 9 examples; none is held out to check it. 3 are left out: longer than 500 tokens." in plan
    assert "About 9 steps" in plan
    none = drawing(studio, facts, dataset_id=dataset.id, max_length=8)["plan"]
    assert "No example to learn from fits into 8 tokens." in none
    assert "About" not in none


def test_a_run_at_work_is_waited_for(studio: Studio, facts: ModelFacts) -> None:
    dataset = studio.data.add_sample("order_slips")
    alone = drawing(studio, facts, dataset_id=dataset.id)
    assert "waits its turn" not in alone["plan"]
    studio.start_run(RunConfig(name="first"), dataset.id)
    sent = drawing(studio, facts, dataset_id=dataset.id, drawn=alone["drawn"])
    assert "The run first is at work." in sent["plan"]


def test_data_whose_columns_nobody_assigned_cannot_be_started(
    studio: Studio, facts: ModelFacts, tmp_path: Path
) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "\n".join(f"{n},{n * n}" for n in range(9)) + "\n")
    dataset = studio.data.add(path)
    sent = drawing(studio, facts, dataset_id=dataset.id)
    assert sent["start"] == {**sent["start"], "value": "Assign the columns of your data first", "interactive": False}
    assert "Do this on the Data tab." in sent["plan"]
    with pytest.raises(DataError, match="not ready"):
        start_run(studio, dataset_id=dataset.id, **form_values())


def test_another_data_set_is_held_out(studio: Studio, facts: ModelFacts, table: Path) -> None:
    dataset, other = studio.data.add_sample("order_slips"), studio.data.add(table)
    ids = {"dataset_id": dataset.id, "validation_dataset_id": other.id}
    sent = drawing(studio, facts, **ids)
    assert "Learns from 180 examples; 10 are held out from mixed to check it." in sent["plan"]
    run = studio.runs.get(start_run(studio, **ids, **form_values()))
    assert len(run.validation_path.read_text().splitlines()) == 10


def test_a_data_set_that_was_deleted_is_none(studio: Studio, facts: ModelFacts) -> None:
    sent = drawing(studio, facts, dataset_id="gone", validation_dataset_id="gone")
    assert sent["start"]["value"] == "Choose a data set first"


def test_a_preset_fills_what_nobody_touched(studio: Studio, facts: ModelFacts) -> None:
    dataset = studio.data.add_sample("order_slips")
    first = drawing(studio, facts, dataset_id=dataset.id)
    assert "value" not in first["rank"]
    sent = drawing(
        studio, facts, dataset_id=dataset.id, drawn=first["drawn"], preset=THOROUGH, **{**held(first), "epochs": 9}
    )
    assert sent["rank"]["value"] == 32
    assert sent["alpha"]["value"] == 64
    assert is_skipped(sent["epochs"])
    assert "Epochs 9" in sent["reasons"]
    assert "Back to 5" in sent["reasons"]
    assert "An adapter of rank 32" in sent["plan"]
    assert is_skipped(sent["more"])


def test_the_suggestions_follow_the_data(studio: Studio, facts: ModelFacts, mixed_lengths: Path) -> None:
    """The longest of these has more than 512 tokens; there are only a few."""
    dataset = studio.data.add(mixed_lengths)
    sent = drawing(studio, facts, dataset_id=dataset.id)
    assert sent["max_length"]["value"] > 512
    assert sent["batch_size"]["value"] == 4
    assert "left out" not in sent["plan"]


def test_the_forecast_is_drawn_for_what_the_form_will_hold(
    studio: Studio, foreseen: ModelFacts, oracle: Oracle
) -> None:
    dataset = studio.data.add_sample("order_slips")
    sent = drawing(studio, foreseen, dataset_id=dataset.id, price=3.0)
    assert "Fits" in sent["plan"]
    assert "<dd>about 16 min</dd>" in sent["plan"]
    assert "costs about 0.80 at 3 an hour" in sent["plan"]
    assert "about 1 min" in sent["presets"]
    assert "about 27 min" in sent["presets"]
    assert sent["methods"].count("<tr") == 4
    workload = next(found for _, found in oracle.asked if found is not None)
    assert (workload.examples, workload.held_out_examples) == (162, 18)
    assert 0 < workload.learned_tokens < workload.tokens
    assert workload.longest < workload.tokens < workload.longest * 162


def test_without_data_the_memory_is_estimated_all_the_same(studio: Studio, foreseen: ModelFacts) -> None:
    plan = drawing(studio, foreseen)["plan"]
    assert "Needs 1.0 GB" in plan
    assert "once there is data" in plan


def test_free_memory_that_moves_a_little_draws_nothing(studio: Studio, foreseen: ModelFacts, oracle: Oracle) -> None:
    first = drawing(studio, foreseen)
    assert oracle.machine is not None
    oracle.machine = replace(oracle.machine, memory_bytes=oracle.machine.memory_bytes + 9_000_000)
    assert all(is_skipped(each) for each in drawing(studio, foreseen, drawn=first["drawn"], **held(first)).values())
    oracle.machine = replace(oracle.machine, memory_bytes=1_100_000_000)
    assert "Tight" in drawing(studio, foreseen, drawn=first["drawn"], **held(first))["plan"]


def test_a_model_that_cannot_be_read_says_why(studio: Studio, foreseen: ModelFacts, oracle: Oracle) -> None:
    oracle.trouble = "This model is no decoder."
    sent = drawing(studio, foreseen)
    assert "This model is no decoder." in sent["plan"]
    assert "Not known yet" in sent["methods"]


def test_a_machine_that_cannot_be_measured_says_so(studio: Studio) -> None:
    def fail() -> None:
        raise RunError("This machine could not be measured.")

    sent = drawing(studio, ModelFacts(studio, forecasts=Forecasts(machine=fail)))
    assert "This machine could not be measured. So memory and time cannot be estimated." in sent["plan"]


def test_faults_stand_alone_and_the_methods_stay(studio: Studio, foreseen: ModelFacts) -> None:
    sent = drawing(studio, foreseen, rank=0)
    assert "Rank must lie" in sent["plan"]
    assert "Needs" not in sent["plan"]
    assert sent["methods"].count("<tr") == 4


def test_qlora_is_chosen_where_only_that_fits(studio: Studio, foreseen: ModelFacts, oracle: Oracle) -> None:
    oracle.needs = {"lora": 9_000_000_000}
    sent = drawing(studio, foreseen)
    assert sent["method"]["value"] == "qlora"
    assert "LoRA would need 9.0 GB of the 8.0 GB here" in sent["reasons"]


def test_full_fine_tuning_hides_the_adapter(studio: Studio, foreseen: ModelFacts) -> None:
    sent = drawing(studio, foreseen, method="full")
    assert sent["adapter"] == gr.update(visible=False)
    assert sent["rank"] == gr.update(visible=False)
    assert sent["learning_rate"] == gr.update(visible=True, value=5e-5)
    assert "The whole model learns" in sent["plan"]
    assert learners(foreseen, RunConfig(method="full")).trainable == learners(foreseen, RunConfig(method="full")).total


def test_runs_of_the_same_model_can_be_gone_on_from(studio: Studio, facts: ModelFacts) -> None:
    assert drawing(studio, facts)["start_adapter"]["visible"] is False
    dataset = studio.data.add_sample("order_slips")
    run = finished_run(studio, dataset_id=dataset.id, config=RunConfig(name="first course"))
    studio.runs.create(
        RunConfig(model="someone/else"), dataset_id="", dataset_name="", dataset_sha256="", train=(), validation=()
    )
    finished_run(studio, dataset_id=dataset.id, config=RunConfig(name="whole", method="full"))
    offered = drawing(studio, facts)["start_adapter"]
    assert offered["visible"] is True
    assert [id for _, id in offered["choices"]] == ["", run.id]
    chosen = drawing(studio, facts, start_adapter=run.id)
    assert "Goes on from first course" in chosen["plan"]
    assert drawing(studio, facts, method="full")["start_adapter"]["visible"] is False


def test_a_run_to_go_on_from_that_is_gone_stays_on_offer(studio: Studio, facts: ModelFacts) -> None:
    offered = drawing(studio, facts, start_adapter="20260101-gone")["start_adapter"]
    assert offered["choices"][-1] == ("20260101-gone", "20260101-gone")
    assert offered["visible"] is True


def pressed(drawn: Drawn | None, verb: str, key: str = "") -> dict[str, Any]:
    names = ("method", "epochs", "rank", "max_length")
    return dict(zip(("preset", *names), press(names, Action(verb, key), drawn=drawn), strict=True))


def test_what_a_button_sets(studio: Studio, foreseen: ModelFacts, oracle: Oracle) -> None:
    oracle.needs = {"lora": 9 * 10**9, "qlora": 9 * 10**9}
    drawn = drawing(studio, foreseen, rank=20)["drawn"]
    assert pressed(drawn, "preset", "quick")["preset"] == "quick"
    back = pressed(drawn, "back", "rank")
    assert back["rank"] == gr.update(value=16)
    assert is_skipped(back["epochs"])
    assert pressed(drawn, "back", "all")["epochs"] == gr.update(value=3)
    assert pressed(drawn, "remedy")["max_length"] == gr.update(value=256)
    assert pressed(drawn, "method", "full")["method"] == gr.update(value="full")


@pytest.mark.parametrize(
    ("verb", "key"), [("preset", "best"), ("back", "model"), ("method", "magic"), ("remedy", ""), ("", "")]
)
def test_what_is_not_on_offer_sets_nothing(verb: str, key: str) -> None:
    assert all(is_skipped(each) for each in pressed(None, verb, key).values())


def test_the_price_comes_back_after_a_reload(studio: Studio, foreseen: ModelFacts) -> None:
    dataset = studio.data.add_sample("order_slips")
    sent = drawing(studio, foreseen, dataset_id=dataset.id, price=0, kept_price=2.5)
    assert sent["price"] == 2.5
    assert "at 2.5 an hour" in sent["plan"]
    gone = drawing(studio, foreseen, dataset_id=dataset.id, drawn=sent["drawn"], price=None, kept_price=2.5)
    assert is_skipped(gone["price"])
    assert "an hour" not in gone["plan"]


@pytest.mark.parametrize("price", [-1.0, 1e300, float("nan"), "much"])
def test_a_price_that_cannot_be_one_is_none(studio: Studio, foreseen: ModelFacts, price: Any) -> None:
    dataset = studio.data.add_sample("order_slips")
    assert "an hour" not in drawing(studio, foreseen, dataset_id=dataset.id, price=price)["plan"]
