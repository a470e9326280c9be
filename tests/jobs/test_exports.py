from dataclasses import replace
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.errors import ExportError
from studio.events import Failed, Finished, Loading, Started
from studio.jobs.exports import (
    GGUF_KINDS,
    ExportReport,
    delete_export,
    export_archive,
    export_folder,
    export_state,
    exported_files,
    gguf_kind,
    kinds_of,
    quantisation_of,
    read_report,
    start_export,
    write_report,
)
from studio.jobs.jobs import Jobs
from studio.jobs.tasks import Export
from studio.runs import lock
from studio.runs.store import RunFolder, RunStore

EXAMPLE = Example((Message("user", "?"), Message("assistant", "!")))
REPORT = ExportReport(
    kind="adapter",
    folder_bytes=10,
    archive_bytes=5,
    largest_difference=1e-6,
    tolerance=1e-4,
    same_answers=4,
    answers=4,
    checked_with="peft",
)
STARTED = Started(1, "export")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunStore(tmp_path).create(
        RunConfig(), dataset_id="d", dataset_name="D", dataset_sha256="", train=[EXAMPLE], validation=[]
    )
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "adapter_config.json").write_text("{}")
    return run


@pytest.fixture
def jobs(fake_launch) -> Jobs:
    return Jobs(fake_launch)


def write_archive(run: RunFolder) -> ExportReport:
    export_archive(run, "adapter").write_bytes(bytes(REPORT.archive_bytes))
    write_report(run.exports, REPORT)
    return REPORT


def test_an_export_from_start_to_end(jobs: Jobs, run: RunFolder, fake_launch, say) -> None:
    events = Export(run.path, "adapter").paths.events
    assert export_state(jobs, run, "adapter").status == "none"
    assert start_export(jobs, run, "adapter").status == "working"
    say(events, STARTED, Loading("Packing the zip"))
    state = start_export(jobs, run, "adapter")
    assert (state.status, state.sentence) == ("working", "Packing the zip")
    report = write_archive(run)
    say(events, Finished("finished", "Done.", 2.0))
    fake_launch.end()
    state = start_export(jobs, run, "adapter")
    assert (state.status, state.result) == ("ready", report)
    assert fake_launch.tasks == [Export(run.path, "adapter")]


def test_a_failed_export_says_why_and_can_be_started_again(jobs: Jobs, run: RunFolder, fake_launch, say) -> None:
    start_export(jobs, run, "adapter")
    say(Export(run.path, "adapter").paths.events, STARTED, Failed("disk", "The disk is full.", "Free some."))
    fake_launch.end(1)
    state = export_state(jobs, run, "adapter")
    assert (state.status, state.sentence) == ("failed", "The disk is full.")
    assert state.failed is not None
    assert state.failed.hint == "Free some."
    assert start_export(jobs, run, "adapter").status == "working"


def test_one_kind_can_be_started_as_soon_as_the_other_is_ready(jobs: Jobs, run: RunFolder, fake_launch) -> None:
    """A finished export's process holds its lock a moment longer, and that refused the next kind."""
    start_export(jobs, run, "adapter")
    assert export_state(jobs, run, "merged").status == "none"
    assert start_export(jobs, run, "merged").status == "working"


def test_an_export_whose_file_is_gone_can_be_made_again(jobs: Jobs, run: RunFolder) -> None:
    write_archive(run)
    assert export_state(jobs, run, "adapter").status == "ready"
    export_archive(run, "adapter").unlink()
    assert export_state(jobs, run, "adapter").status == "none"
    assert start_export(jobs, run, "adapter").status == "working"


def test_a_full_run_has_no_adapter_to_export(tmp_path: Path, jobs: Jobs, fake_launch) -> None:
    run = RunStore(tmp_path).create(
        RunConfig(method="full"), dataset_id="d", dataset_name="D", dataset_sha256="", train=[EXAMPLE], validation=[]
    )
    (run.path / "model").mkdir()
    (run.path / "model" / "config.json").write_text("{}")
    assert kinds_of(run) == ("merged", *GGUF_KINDS)
    state = export_state(jobs, run, "adapter")
    assert state.status == "absent"
    assert "no adapter to export" in state.sentence
    with pytest.raises(ExportError, match="trained the whole model"):
        start_export(jobs, run, "adapter")
    assert start_export(jobs, run, "merged").status == "working"


def test_a_run_in_training_is_not_exported(jobs: Jobs, run: RunFolder) -> None:
    with lock.holding(run.lock_path), pytest.raises(ExportError, match="still training"):
        start_export(jobs, run, "adapter")


def test_a_run_without_an_adapter_is_not_exported(jobs: Jobs, run: RunFolder) -> None:
    (run.path / "adapter" / "adapter_config.json").unlink()
    with pytest.raises(ExportError, match="no adapter"):
        start_export(jobs, run, "adapter")


def test_an_unknown_kind_is_a_sentence(jobs: Jobs, run: RunFolder) -> None:
    with pytest.raises(ExportError, match="no export 'onnx'") as caught:
        export_state(jobs, run, "onnx")
    assert "adapter, merged" in caught.value.hint


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    write_report(tmp_path, REPORT)
    assert read_report(tmp_path, "adapter") == REPORT
    assert read_report(tmp_path, "merged") is None
    write_report(tmp_path, replace(REPORT, answers=4))
    assert read_report(tmp_path, "adapter") == replace(REPORT, answers=4)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter.json"]


def test_a_damaged_report_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "adapter.json").write_text('{"kind":"adap', encoding="utf-8")
    assert read_report(tmp_path, "adapter") is None
    (tmp_path / "adapter.json").write_text('{"kind":"adapter"}', encoding="utf-8")
    assert read_report(tmp_path, "adapter") is None


def test_a_folder_that_cannot_be_written_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be written"):
        write_report(tmp_path / "none", REPORT)
    (tmp_path / "adapter.json").mkdir()
    with pytest.raises(ExportError, match="cannot be written"):
        write_report(tmp_path, REPORT)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter.json"]


def test_a_number_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_report(tmp_path, replace(REPORT, largest_difference=float("nan")))
    assert list(tmp_path.iterdir()) == []


def write_gguf(run: RunFolder, quantisation: str = "q8_0") -> str:
    kind = gguf_kind(quantisation)
    run.exports.mkdir(parents=True, exist_ok=True)
    for path in exported_files(run, kind):
        path.write_bytes(bytes(5))
    write_report(run.exports, replace(REPORT, kind=kind))
    return kind


def test_each_quantisation_is_a_file_of_its_own_with_a_modelfile(jobs: Jobs, run: RunFolder) -> None:
    kind = write_gguf(run)
    assert [path.name for path in exported_files(run, kind)] == [f"{run.id}-q8_0.gguf", f"{run.id}-q8_0.Modelfile"]
    assert export_state(jobs, run, kind).ready
    assert export_state(jobs, run, gguf_kind("q4_k_m")).status == "none"
    assert (quantisation_of(kind), quantisation_of("merged")) == ("q8_0", "")
    with pytest.raises(ExportError, match="no quantisation 'q3_k_s'"):
        gguf_kind("q3_k_s")


def test_an_export_is_deleted_with_all_that_belongs_to_it(jobs: Jobs, run: RunFolder) -> None:
    write_archive(run)
    export_folder(run, "adapter").mkdir()
    kind = write_gguf(run)
    kept = write_gguf(run, "f16")
    for each in ("adapter", kind):
        delete_export(jobs, run, each)
        assert export_state(jobs, run, each).status == "none"
    left = sorted(path.name for path in run.exports.iterdir())
    assert left == sorted(["gguf-f16.json", *(path.name for path in exported_files(run, kept))])


def test_an_export_is_not_deleted_while_it_is_written(jobs: Jobs, run: RunFolder) -> None:
    start_export(jobs, run, "gguf-f16")
    with pytest.raises(ExportError, match="still being written"):
        delete_export(jobs, run, "gguf-f16")
