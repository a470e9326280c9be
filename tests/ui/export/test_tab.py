from dataclasses import replace
from typing import Any

import pytest

from studio.config import RunConfig
from studio.errors import ExportError
from studio.events import Failed, Loading, Started
from studio.jobs.exports import GGUF_ADAPTER, export_archive, write_report
from studio.jobs.tasks import Export
from studio.runs.event_log import EventLog
from studio.runs.store import RunFolder
from studio.runs.turns import EVALUATION
from studio.studio import Studio
from studio.ui.api import export_of
from studio.ui.export import cards, view
from studio.ui.export.state import Selection
from studio.ui.export.tab import cancel, delete, prepare
from tests.ui.fake_studio import FakeWorkers, finished_run, write_export


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)


def look(studio: Studio, run_id: str) -> dict[str, Any]:
    return dict(view.draw(studio, Selection(run_id)))


def test_without_a_run_the_cards_say_what_will_come(studio: Studio) -> None:
    shown = look(studio, "")
    assert "No finished run yet" in shown["adapter_status"]
    assert shown["merged_prepare"]["interactive"] is False


def test_nothing_is_said_of_runs_until_one_is_chosen(studio: Studio, run: RunFolder) -> None:
    """A page that was just opened said that there is no finished run yet."""
    assert look(studio, "")["adapter_status"] == ""


def test_preparing_shows_what_the_worker_does(studio: Studio, run: RunFolder) -> None:
    prepare(studio, "merged", Selection(run.id))
    assert look(studio, run.id)["merged_prepare"]["interactive"] is False
    log = EventLog(Export(run.path, "merged").paths.events, studio.clock)
    log.emit(Started(1, "export"))
    log.emit(Loading("Waiting for the run otter, 2 to 4 min", waits_for="run"))
    assert "Evaluate tab" not in look(studio, run.id)["merged_status"]
    log.emit(Loading("Waiting for the evaluation of otter, 2 to 4 min", waits_for=EVALUATION))
    waiting = look(studio, run.id)["merged_status"]
    assert "Waiting for the evaluation of otter, 2 to 4 min" in waiting
    assert "You can stop that on the Evaluate tab." in waiting
    log.emit(Loading("Writing the merged model"))
    log.close()
    shown = look(studio, run.id)
    assert "Writing the merged model" in shown["merged_status"]
    assert "Evaluate tab" not in shown["merged_status"]
    assert shown["merged_prepare"]["value"] == "Preparing the merged model"
    assert shown["adapter_prepare"]["interactive"] is True


def test_a_ready_export_shows_its_check_and_offers_only_its_zip(studio: Studio, run: RunFolder) -> None:
    write_export(run, "adapter")
    shown = look(studio, run.id)
    assert "Loaded back and asked 3 questions: 3 of 3 answers are the same as the run" in shown["adapter_status"]
    assert "differs by at most 2.1e-6 (logits); 1e-4 is allowed. Checked: peft." in shown["adapter_status"]
    assert "18.1 MB" in shown["adapter_status"]
    assert "18,100,000 bytes" in shown["adapter_status"], "other programs count in other units"
    address = f"studio/download/run/{run.id}/{run.id}-adapter.zip"
    assert (shown["adapter_download"]["visible"], shown["adapter_download"]["link"]) == (True, address)
    assert shown["adapter_download"]["value"] == "Download the adapter"
    assert f'"{run.id}-adapter"' in shown["adapter_code"]["value"]
    assert str(studio.settings.home) not in str(shown)
    assert export_of(studio, run.id, "adapter")["download"] == address


def test_a_zip_that_was_changed_since_its_check_is_not_offered(studio: Studio, run: RunFolder) -> None:
    """Its size was shown as that of another file, and its check was another file's."""
    write_export(run, "adapter")
    with export_archive(run, "adapter").open("ab") as archive:
        archive.write(b"more")
    shown = look(studio, run.id)
    assert (shown["adapter_download"]["visible"], shown["adapter_prepare"]["visible"]) == (False, True)


def test_a_full_run_offers_its_model_and_says_why_no_adapter(studio: Studio) -> None:
    config = RunConfig(method="full")
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=config)
    shown = look(studio, run.id)
    assert "so there is no adapter to export" in shown["adapter_status"]
    assert shown["adapter_prepare"]["visible"] is False
    assert shown["merged_prepare"]["value"] == "Prepare the trained model"
    assert shown["merged_download"]["value"] == "Download the trained model"


def test_a_failed_export_can_be_tried_again(studio: Studio, run: RunFolder) -> None:
    prepare(studio, "adapter", Selection(run.id))
    log = EventLog(Export(run.path, "adapter").paths.events, studio.clock)
    log.emit(Started(1, "export"))
    log.emit(Failed("disk", "The disk is full.", "Free some space."))
    log.close()
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()
    shown = look(studio, run.id)
    assert "The disk is full." in shown["adapter_status"]
    assert shown["adapter_prepare"]["value"] == "Prepare the adapter again"


def test_a_gguf_shows_its_check_and_offers_its_file_and_its_modelfile(studio: Studio, run: RunFolder) -> None:
    write_export(run, "gguf-q8_0")
    shown = look(studio, run.id)
    assert "141 of 144 next words are the same as the run" in shown["gguf_status"]
    assert "15 prompts, 12 of them held out" in shown["gguf_status"]
    assert "differs from the run by 2.9e-3 on average" in shown["gguf_status"]
    assert "Ollama itself was not asked." in shown["gguf_status"]
    address = f"studio/download/run/{run.id}/{run.id}-q8_0"
    assert shown["gguf_download"]["link"] == f"{address}.gguf"
    assert shown["gguf_modelfile"]["link"] == f"{address}.Modelfile"
    assert f"ollama create my-model -f {run.id}-q8_0.Modelfile" in shown["gguf_code"]["value"]
    other = dict(view.draw(studio, Selection(run.id, "f16")))
    assert (other["gguf_download"]["visible"], other["gguf_prepare"]["visible"]) == (False, True)
    delete(studio, "gguf", Selection(run.id, "q8_0"))
    assert look(studio, run.id)["gguf_download"]["visible"] is False


def test_the_kinds_of_gguf_are_listed_with_one_recommended(studio: Studio, run: RunFolder) -> None:
    shown = look(studio, run.id)["gguf_kinds"]
    for name in ("F16", "Q8_0", "Q5_K_M", "Q4_K_M"):
        assert name in shown
    assert "Q8_0 is recommended." in shown


def test_a_quantisation_that_no_radio_button_has_is_refused(studio: Studio, run: RunFolder) -> None:
    with pytest.raises(ExportError, match="no quantisation"):
        prepare(studio, "gguf", Selection(run.id, "../../x"))


def test_an_export_that_is_written_can_be_cancelled(studio: Studio, run: RunFolder) -> None:
    prepare(studio, "gguf", Selection(run.id))
    assert look(studio, run.id)["gguf_cancel"]["visible"] is True
    with pytest.raises(ExportError, match="still being written"):
        delete(studio, "gguf", Selection(run.id))
    cancel(studio, "gguf", Selection(run.id))
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()
    shown = look(studio, run.id)
    assert (shown["gguf_cancel"]["visible"], shown["gguf_prepare"]["visible"]) == (False, True)


def test_programs_can_export(studio: Studio, run: RunFolder) -> None:
    assert export_of(studio, run.id, "adapter")["status"] == "working"
    with pytest.raises(ExportError):
        export_of(studio, run.id, "gguf")


def test_an_adapter_alone_is_one_of_the_kinds_of_gguf(studio: Studio, run: RunFolder) -> None:
    write_export(run, "gguf-adapter")
    shown = dict(view.draw(studio, Selection(run.id, "adapter")))
    assert "Added to its base by llama.cpp and asked" in shown["gguf_status"]
    assert "Modelfile" not in shown["gguf_status"]
    assert shown["gguf_modelfile"]["visible"] is False
    assert shown["gguf_download"]["link"] == f"studio/download/run/{run.id}/{run.id}-adapter.gguf"
    assert f"--lora {run.id}-adapter.gguf" in shown["gguf_code"]["value"]
    assert "Adapter alone" in shown["gguf_kinds"]
    config = RunConfig(method="full")
    full = finished_run(studio, dataset_id=run.origin.dataset_id, config=config)
    assert "there is no adapter" in dict(view.draw(studio, Selection(full.id, "adapter")))["gguf_status"]


def test_an_export_says_that_its_run_went_on_since(studio: Studio, run: RunFolder) -> None:
    """It counted as the export of the run, though that had learned more meanwhile."""
    report = write_export(run, "adapter")
    for at_step, words in ((5, False), (4, True), (0, False)):
        write_report(run.exports, replace(report, step=at_step, run_step=at_step))
        shown = look(studio, run.id)["adapter_status"]
        assert ("This export is of step 4. The run went on since, and is at step 5" in shown) == words
        assert look(studio, run.id)["adapter_download"]["visible"] is True


def test_what_ollama_said_stands_beside_the_modelfile(studio: Studio, run: RunFolder) -> None:
    report = write_export(run, "gguf-q8_0")
    assert report.gguf is not None
    for ollama, words in (
        ("same", "gave the same answer"),
        ("other", "gave another answer"),
        ("none", "gave no answer"),
    ):
        write_report(run.exports, replace(report, gguf=replace(report.gguf, ollama=ollama)))
        assert words in look(studio, run.id)["gguf_status"]


def test_each_wish_has_its_file_and_the_steps_that_use_it() -> None:
    """Nothing said which of seven files is whose, nor what to do with one after it was downloaded."""
    said = cards.which()
    assert said.count("<li>") == 3
    assert "To chat with it on your own computer:</strong><span>the GGUF file" in said
    steps = cards.how_to_use("gguf-q8_0")
    assert "Download both files above, the GGUF file and the Modelfile, into one folder" in steps
    assert "Install it from lmstudio.ai" in steps
    assert "<ol>" not in cards.how_to_use(GGUF_ADAPTER)
