import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.config import RunConfig, settings
from studio.errors import ConfigError, DataError, ModelError, RunError
from studio.events import Failed
from studio.jobs.jobs import JobState
from studio.jobs.places.book import Check, Place
from studio.jobs.places.protocol import Facts
from studio.jobs.tasks import Train
from studio.models.layout import LinearLayer, ModelLayout
from studio.models.presets import BALANCED, THOROUGH
from studio.planning import fitting
from studio.planning.forecasts import Forecasts
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.app import build_app
from studio.ui.configure import view
from studio.ui.configure.actions import after_start, download_model, press, start_run
from studio.ui.configure.draft import Draft, read, written
from studio.ui.configure.plan_card import learners
from studio.ui.configure.state import Selection, settle
from studio.ui.configure.tab import shown
from studio.ui.configure.view import advanced_label
from studio.ui.kit import form, sent_values
from studio.ui.kit.actions import Action
from studio.ui.kit.drawn import Drawn
from studio.ui.kit.exchange import Exchange, Form
from tests.patience import PATIENCE_SECONDS
from tests.planning.fake_forecasts import Oracle
from tests.ui.fake_studio import FakeWorkers, finished_run


def form_values(**changes: Any) -> dict[str, Any]:
    values = {setting.name: form.shown(setting.name, setting.default) for setting in settings()}
    return {**values, **changes}


class Page:
    """An open Configure tab: what its fields hold, and all that it shows."""

    def __init__(self, studio: Studio, facts: ModelFacts) -> None:
        self.exchange = Exchange(
            Selection(),
            partial(view.draw, studio, facts),
            partial(settle, studio, facts),
            forms={"settings": Form(tuple(CONTROLS), form.read_config, shown)},
        )
        self.values: dict[str, Any] = {name: form_values()[name] for name in CONTROLS}
        self.values |= {**dict.fromkeys(INPUTS), "preset": BALANCED, "draft": written(Draft())}
        self.values |= {"selection": Selection(), "drawn": Drawn()}

    def act(self, action: Callable[[Selection], Any]) -> dict[str, Any]:
        """Do something, and draw what follows; return what was sent."""
        return {**self._send(action), **self.look()}

    def look(self, **held: Any) -> dict[str, Any]:
        """Draw with these values in the fields; return what was sent."""
        self.values |= held
        return self._send(lambda selection: selection)

    def _send(self, action: Callable[[Selection], Any]) -> dict[str, Any]:
        asked = self.exchange.take_in(self.values, INPUTS)
        sent = self.exchange.answer(asked, action(asked.now))
        for name, each in sent.items():
            value = each.get("value", self.values.get(name)) if isinstance(each, dict) and "__type__" in each else each
            if name in self.values:
                self.values[name] = value
        seen = {name: each for name, each in sent.items() if name not in ("selection", "drawn", "draft")}
        return seen | {"plan": sent["forecast"] + sent["details"]} if "forecast" in seen and "details" in seen else seen

    @property
    def selection(self) -> Selection:
        found = self.values["selection"]
        assert isinstance(found, Selection)
        return found


CONTROLS = (*form.FIRST, *form.ADVANCED, *form.HELD_OUT)
INPUTS = ("preset", "taken_from", "dataset_id", "validation_dataset_id", "price", "draft")


def drawing(studio: Studio, facts: ModelFacts, **held: Any) -> dict[str, Any]:
    """Draw a page that was just opened, with these values in its fields; return what was sent."""
    return Page(studio, facts).look(**held)


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
    assert {*CONTROLS, *form.TERMINAL_ONLY} == {setting.name for setting in settings()}


def test_the_form_gives_back_the_defaults() -> None:
    assert form.read_config(form_values()) == RunConfig()


def test_the_nodes_of_a_place_are_offered_where_its_check_found_several(studio: Studio, facts: ModelFacts) -> None:
    studio.places.add(Place("lab", "ray", address="http://10.0.0.7:8265"))
    page = Page(studio, facts)
    assert page.look(place="lab")["nodes"]["visible"] is False
    studio.places.keep_check("lab", Check(1.0, facts=Facts(nodes=3)))
    offered = page.look()["nodes"]
    assert (offered["choices"], offered["visible"]) == ([1, 2, 3], True)
    chosen = page.look(nodes=2, place="")["nodes"]
    assert (chosen["choices"], chosen["visible"]) == ([1, 2], True), "what is chosen could not be taken back"
    with pytest.raises(ConfigError, match="asks for 2 nodes, and this machine is one"):
        studio.places.require(page.selection.settings.place, nodes=page.selection.settings.nodes)


def test_faults_stand_under_their_own_field() -> None:
    verdicts = form.check_form(**form_values(rank=0, epochs=None), dataset_id="x")
    wrong = {each["message"] for each in verdicts if not each["is_valid"]}
    assert wrong == {"Rank must be between 1 and 512; found 0.", "Epochs is empty. Enter a whole number."}
    assert len(verdicts) == len(settings()) + 1


def test_changes_under_advanced_are_counted() -> None:
    changed = RunConfig(alpha=64, dropout=0.5, seed=1, rank=16)
    assert form.changed(changed) == 2
    assert form.changed(changed, usual={"alpha": 64}) == 1
    assert [advanced_label(number) for number in (0, 2)] == ["Advanced", "Advanced: 2 changed"]


def test_settings_that_say_nothing_beside_the_method_are_hidden() -> None:
    full, packed = RunConfig(method="full"), RunConfig(method="qlora-8bit")
    assert [name for name in form.ADVANCED if not form.applies(name, RunConfig())] == ["chosen_modules", "other_base"]
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
    page = Page(studio, facts)
    sent = page.look(dataset_id=dataset.id)
    assert "Learns from 162 examples; 18 are held out to check it." in sent["plan"]
    assert "About 63 steps" in sent["plan"]
    assert "This machine is being measured" in sent["plan"]
    assert page.look() == {}


def test_without_the_model_the_count_waits(bare_studio: Studio) -> None:
    facts = ModelFacts(bare_studio)
    sent = drawing(bare_studio, facts)
    assert "not on this machine yet" in sent["model_state"]
    assert sent["download"]["visible"] is True
    assert "not known yet" in sent["plan"]


def test_a_model_on_the_hub_is_counted_without_fetching_it(bare_studio: Studio) -> None:
    selection: list[str] = []
    layer = LinearLayer("model.layers.0.self_attn.q_proj", 100, 60)

    def ask(model: str) -> ModelLayout:
        selection.append(model)
        return ModelLayout(parameters=1_000_000, layers=(layer,))

    facts = ModelFacts(bare_studio, ask_hub=ask)
    config = RunConfig(model="someone/model", rank=2)
    deadline = time.monotonic() + PATIENCE_SECONDS
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
    values = {"targets": "chosen", "chosen_modules": ["down_proj"]}
    assert drawing(studio, facts, **values)["chosen_modules"]["choices"][-1] == "down_proj"
    away = drawing(studio, facts, **values, model="./nothing-here")["chosen_modules"]
    assert away["choices"] == ["down_proj"]


@pytest.mark.parametrize("model", ["./no-such-folder", "hello world!"])
def test_a_model_that_cannot_be_is_neither_fetched_nor_started(studio: Studio, facts: ModelFacts, model: str) -> None:
    dataset = studio.data.add_sample("order_slips")
    sent = drawing(studio, facts, dataset_id=dataset.id, model=model)
    assert sent["download"]["visible"] is False
    assert sent["start"] == {**sent["start"], "value": "Correct the base model first", "interactive": False}
    assert "cannot be used as it stands" in sent["plan"]
    assert "downloaded first" not in sent["plan"]


def test_a_failed_fetch_can_be_tried_again(bare_studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = ModelFacts(bare_studio, ask_hub=lambda model: ModelLayout(1, ()))
    failed = JobState("failed", "No.", failed=Failed("model", "The Hub has no such model.", "Look at its name."))
    monkeypatch.setattr(bare_studio.models, "state", lambda name: failed)
    dataset = bare_studio.data.add_sample("order_slips")
    for model, label in (
        ("some/model", "Correct the base model first"),
        ("starter", "Download the starter model first"),
    ):
        sent = drawing(bare_studio, facts, dataset_id=dataset.id, model=model)
        assert sent["download"] == {**sent["download"], "visible": True, "value": "Try again"}
        assert sent["start"] == {**sent["start"], "value": label, "interactive": False}


def test_an_empty_model_is_missing_and_not_the_servers_folder(studio: Studio, facts: ModelFacts) -> None:
    dataset = studio.data.add_sample("order_slips")
    sent = drawing(studio, facts, dataset_id=dataset.id, model=" ")
    assert "No base model is chosen." in sent["model_state"]
    assert sent["download"]["visible"] is False
    assert sent["start"]["value"] == "Correct the base model first"
    download_model(studio, Page(studio, facts).selection)
    assert facts.where("").folder is None


def test_what_is_too_long_does_not_count_in_the_plan(studio: Studio, facts: ModelFacts, mixed_lengths: Path) -> None:
    dataset = studio.data.add(mixed_lengths)
    parts = fitting.parts(facts, RunConfig(validation_share=0.0), dataset.id)
    assert (parts.train, parts.held_out, parts.too_long) == (9, 0, 3)
    split = fitting.parts(facts, RunConfig(), dataset.id)
    assert split.train + split.held_out == 9
    page = Page(studio, facts)
    plan = page.look(dataset_id=dataset.id, validation_share=0.0, batch_size=1, epochs=1, max_length=500)["plan"]
    assert "Learns from 9 examples; none is held out to check it. 3 are skipped: longer than 500 tokens." in plan
    assert "About 9 steps" in plan
    none = drawing(studio, facts, dataset_id=dataset.id, max_length=8)["plan"]
    assert "No example to learn from fits into 8 tokens." in none
    assert "About" not in none


def test_a_run_at_work_is_waited_for(studio: Studio, facts: ModelFacts) -> None:
    dataset = studio.data.add_sample("order_slips")
    page = Page(studio, facts)
    assert "waits for its turn" not in page.look(dataset_id=dataset.id)["details"]
    studio.start_run(RunConfig(name="first"), dataset.id)
    assert "The run first is training." in page.look()["details"]


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
    page = Page(studio, facts)
    assert "value" not in page.look(dataset_id=dataset.id)["rank"]
    assert page.look(epochs=9)["advanced"] == gr.update(label="Advanced: 1 changed")
    sent = page.act(partial(press, facts, action=Action("preset", THOROUGH)))
    assert sent["rank"] == gr.update(visible=True, value=32) or sent["rank"] == 32
    assert sent["alpha"] == 64
    assert "epochs" not in sent
    assert "Epochs: 9" in sent["reasons"]
    assert "Back to 5" in sent["reasons"]
    assert "An adapter of rank 32" in sent["details"]


def test_the_suggestions_follow_the_data(studio: Studio, facts: ModelFacts, mixed_lengths: Path) -> None:
    """The longest of these has more than 512 tokens; there are only a few."""
    dataset = studio.data.add(mixed_lengths)
    sent = drawing(studio, facts, dataset_id=dataset.id)
    assert sent["max_length"]["value"] > 512
    assert sent["batch_size"]["value"] == 4
    assert "skipped" not in sent["plan"]


def test_the_forecast_is_drawn_for_what_the_form_will_hold(
    studio: Studio, foreseen: ModelFacts, oracle: Oracle
) -> None:
    dataset = studio.data.add_sample("order_slips")
    sent = drawing(studio, foreseen, dataset_id=dataset.id, price=3.0)
    assert "Fits" in sent["plan"]
    assert "<dd>10 to 30 min</dd>" in sent["plan"]
    assert "costs 0.56 to 1.44 at 3 an hour" in sent["plan"]
    assert "up to 3 min" in sent["presets"]
    assert "15 to 50 min" in sent["presets"]
    assert sent["methods"].count("<tr") == 4
    workload = next(found for _, found in oracle.asked if found is not None)
    assert (workload.examples, workload.held_out_examples) == (162, 18)
    assert 0 < workload.learned_tokens < workload.tokens
    assert workload.longest < workload.tokens < workload.longest * 162


def test_without_data_the_memory_is_estimated_all_the_same(studio: Studio, foreseen: ModelFacts) -> None:
    plan = drawing(studio, foreseen)["plan"]
    assert "<dd>1.0 GB</dd>" in plan
    assert "once there is data" in plan


def test_free_memory_that_moves_a_little_draws_nothing(studio: Studio, foreseen: ModelFacts, oracle: Oracle) -> None:
    page = Page(studio, foreseen)
    page.look()
    assert oracle.machine is not None
    oracle.machine = replace(oracle.machine, memory_bytes=oracle.machine.memory_bytes + 9_000_000)
    assert page.look() == {}
    oracle.machine = replace(oracle.machine, memory_bytes=1_100_000_000)
    assert "Tight" in page.look()["forecast"]


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
    assert "Rank must be" in sent["plan"]
    assert "Memory" not in sent["plan"]
    assert sent["methods"].count("<tr") == 4


def test_qlora_is_chosen_where_only_that_fits(studio: Studio, foreseen: ModelFacts, oracle: Oracle) -> None:
    oracle.needs = {"lora": 9_000_000_000}
    sent = drawing(studio, foreseen)
    assert sent["method"]["value"] == "qlora"
    assert "LoRA would need 9.0 GB, and 8.0 GB are free" in sent["reasons"]


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
    assert "Continues from first course" in chosen["plan"]
    assert drawing(studio, facts, method="full")["start_adapter"]["visible"] is False


def test_a_run_to_go_on_from_that_is_gone_stays_on_offer(studio: Studio, facts: ModelFacts) -> None:
    offered = drawing(studio, facts, start_adapter="20260101-gone")["start_adapter"]
    assert offered["choices"][-1] == ("20260101-gone", "20260101-gone")
    assert offered["visible"] is True


def test_what_a_button_sets(studio: Studio, foreseen: ModelFacts, oracle: Oracle) -> None:
    page = Page(studio, foreseen)
    page.look(rank=20, epochs=9)

    def pressed(verb: str, key: str = "") -> Selection:
        page.act(partial(press, foreseen, action=Action(verb, key)))
        return page.selection

    assert pressed("preset", "quick").preset == "quick"
    assert pressed("back", "rank").settings.rank == 8
    assert page.values["rank"] == 8
    assert page.values["epochs"] == 9
    assert pressed("back", "all").settings.epochs == 1
    oracle.needs = {"lora": 9 * 10**9, "qlora": 9 * 10**9}
    assert pressed("remedy").settings.max_length == 256
    assert pressed("method", "full").settings.method == "full"
    assert press(foreseen, page.selection, Action("data")).updates["tabs"]["selected"] == "data"


@pytest.mark.parametrize(
    ("verb", "key"), [("preset", "best"), ("back", "model"), ("method", "magic"), ("remedy", ""), ("", "")]
)
def test_what_is_not_on_offer_sets_nothing(studio: Studio, foreseen: ModelFacts, verb: str, key: str) -> None:
    page = Page(studio, foreseen)
    page.look()
    assert page.act(partial(press, foreseen, action=Action(verb, key))) == {}


def test_what_was_set_survives_a_reload(studio: Studio, foreseen: ModelFacts) -> None:
    """The price came back after it was cleared, and a half-filled form was gone."""
    dataset = studio.data.add_sample("order_slips")
    page = Page(studio, foreseen)
    page.look(dataset_id=dataset.id, name="otter", rank=20, price=2.5, sample_prompts="Why?")
    assert "at 2.5 an hour" in page.act(partial(press, foreseen, action=Action("preset", "quick")))["forecast"]
    page.look(epochs=None)
    again = Page(studio, foreseen)
    again.look(dataset_id=dataset.id, draft=page.values["draft"])
    assert [again.values[name] for name in ("name", "rank", "price", "sample_prompts", "epochs")] == [
        *("otter", 20, 2.5, "Why?", 1)
    ]
    assert again.selection.preset == "quick"
    assert [each.field for each in again.selection.following.theirs] == ["rank"]
    again.look(price=None)
    assert read(again.values["draft"]).price is None


def test_a_draft_that_the_browser_has_not_read_yet_is_not_written_over(studio: Studio, facts: ModelFacts) -> None:
    """A component on a tab that was never opened is not there, and sent nothing: the empty form took its place."""
    page = Page(studio, facts)
    page.look(draft=None, rank=20)
    assert page.values["draft"] is None
    page.look(draft=written(Draft("quick", None, {"name": "otter", "rank": 8})))
    assert (page.selection.settings.name, page.selection.settings.rank, page.selection.preset) == ("otter", 20, "quick")


def test_a_run_that_was_started_takes_its_name_with_it(studio: Studio, foreseen: ModelFacts) -> None:
    page = Page(studio, foreseen)
    page.look(name="otter", rank=20)
    assert page.act(after_start)["name"] == ""
    assert page.values["rank"] == 20


@pytest.mark.parametrize("price", [-1.0, 1e300, float("nan"), "much"])
def test_a_price_that_cannot_be_one_is_none(studio: Studio, foreseen: ModelFacts, price: Any) -> None:
    dataset = studio.data.add_sample("order_slips")
    assert "an hour" not in drawing(studio, foreseen, dataset_id=dataset.id, price=price)["plan"]


def test_a_page_that_was_just_opened_knows_the_data_set_before_it_is_chosen(
    studio: Studio, foreseen: ModelFacts
) -> None:
    dataset = studio.data.add_sample("order_slips")
    first = drawing(studio, foreseen)
    assert dataset.name in first["data"]
    assert "No data set yet" not in first["data"] + first["details"]
    assert first["start"]["value"] == "Start training"


def test_an_empty_price_stays_empty(studio: Studio, facts: ModelFacts) -> None:
    """The page shows 0 for a number that is nothing."""
    page = Page(studio, facts)
    page.look(draft=written(Draft("quick", None)), price="")
    assert page.values["price"] == ""
    assert page.selection.price_per_hour is None
    (price,) = [each for each in build_app(studio).blocks.values() if each.elem_id == "price"]
    assert isinstance(price, gr.Number)
    assert price.value == ""
    assert sent_values.fitting(price, "") is None
