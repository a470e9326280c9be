from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.errors import ExportError
from studio.events import Failed, Finished, Loading, Started
from studio.jobs.export_report import ExportReport, write_report
from studio.jobs.exports import Exports, export_archive, kinds_of
from studio.runs import lock
from studio.runs.launcher import export_paths
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
def exports(fake_launch) -> Exports:
    return Exports(launch=fake_launch)


def write_archive(run: RunFolder) -> ExportReport:
    export_archive(run, "adapter").write_bytes(b"zip")
    write_report(run.exports, REPORT)
    return REPORT


def test_an_export_from_start_to_end(exports: Exports, run: RunFolder, fake_launch, say) -> None:
    events = export_paths(run.exports, "adapter").events
    assert exports.state(run, "adapter").status == "none"
    assert exports.start(run, "adapter").status == "working"
    say(events, STARTED, Loading("Packing the zip"))
    state = exports.start(run, "adapter")
    assert (state.status, state.sentence) == ("working", "Packing the zip")
    report = write_archive(run)
    say(events, Finished("finished", "Done.", 2.0))
    fake_launch.end()
    state = exports.start(run, "adapter")
    assert (state.status, state.report) == ("ready", report)
    assert fake_launch.calls == [["export", str(run.path), "adapter"]]


def test_a_failed_export_says_why_and_can_be_started_again(exports: Exports, run: RunFolder, fake_launch, say) -> None:
    exports.start(run, "adapter")
    say(export_paths(run.exports, "adapter").events, STARTED, Failed("disk", "The disk is full.", "Free some."))
    fake_launch.end(1)
    state = exports.state(run, "adapter")
    assert (state.status, state.sentence) == ("failed", "The disk is full.")
    assert state.failed is not None
    assert state.failed.hint == "Free some."
    assert exports.start(run, "adapter").status == "working"


def test_one_kind_can_be_started_as_soon_as_the_other_is_ready(exports: Exports, run: RunFolder, fake_launch) -> None:
    """A finished export's process holds its lock a moment longer, and that refused the next kind."""
    exports.start(run, "adapter")
    assert exports.state(run, "merged").status == "none"
    assert exports.start(run, "merged").status == "working"


def test_an_export_whose_file_is_gone_can_be_made_again(exports: Exports, run: RunFolder) -> None:
    write_archive(run)
    assert exports.state(run, "adapter").status == "ready"
    export_archive(run, "adapter").unlink()
    assert exports.state(run, "adapter").status == "none"
    assert exports.start(run, "adapter").status == "working"


def test_a_full_run_has_no_adapter_to_export(tmp_path: Path, exports: Exports, fake_launch) -> None:
    run = RunStore(tmp_path).create(
        RunConfig(method="full"), dataset_id="d", dataset_name="D", dataset_sha256="", train=[EXAMPLE], validation=[]
    )
    (run.path / "model").mkdir()
    (run.path / "model" / "config.json").write_text("{}")
    assert kinds_of(run) == ("merged",)
    state = exports.state(run, "adapter")
    assert state.status == "absent"
    assert "no adapter to take away" in state.sentence
    with pytest.raises(ExportError, match="trained the whole model"):
        exports.start(run, "adapter")
    assert exports.start(run, "merged").status == "working"


def test_a_run_in_training_is_not_exported(exports: Exports, run: RunFolder) -> None:
    with lock.holding(run.lock_path), pytest.raises(ExportError, match="still training"):
        exports.start(run, "adapter")


def test_a_run_without_an_adapter_is_not_exported(exports: Exports, run: RunFolder) -> None:
    (run.path / "adapter" / "adapter_config.json").unlink()
    with pytest.raises(ExportError, match="no adapter"):
        exports.start(run, "adapter")


def test_an_unknown_kind_is_a_sentence(exports: Exports, run: RunFolder) -> None:
    with pytest.raises(ExportError, match="no export 'onnx'") as caught:
        exports.state(run, "onnx")
    assert "adapter, merged" in caught.value.hint
