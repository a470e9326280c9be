"""The export worker on a finished run: both kinds, checked, and a report written last."""

import shutil
import signal
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.events import Failed, Finished, Saved
from studio.runs.reports import read_report
from studio.runs.store import RunFolder
from tests.workers.conftest import events, wait_for

Start = Callable[..., "subprocess.Popen[str]"]
MakeRun = Callable[..., RunFolder]


def trained(make_run: MakeRun, start: Start, **settings: object) -> RunFolder:
    run = make_run(learning_rate=5e-3, **settings)
    assert start("train", str(run.path)).wait() == 0
    return run


@pytest.mark.parametrize("method", ["lora", "qlora"], ids=["fp32", "nf4"])
def test_both_exports_of_a_run_load_in_plain_libraries_and_agree(
    make_run: MakeRun, start: Start, tiny_model: Path, tmp_path: Path, method: str
) -> None:
    run = trained(make_run, start, method=method)
    for kind in ("adapter", "merged"):
        assert start("export", str(run.path), kind).wait() == 0
        assert isinstance(events(run.exports / f"{kind}.events.jsonl")[-1], Finished)
        report = read_report(run.exports, kind)
        assert report is not None
        assert report.largest_difference < 1e-4
        assert report.same_answers == report.answers == 3
        assert report.archive_bytes == Path(report.archive).stat().st_size
        zipfile.ZipFile(report.archive).extractall(tmp_path / kind)
    (adapter,) = (tmp_path / "adapter").iterdir()
    (merged,) = (tmp_path / "merged").iterdir()
    ids = torch.tensor([[5, 6, 7, 8]])
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(adapter))
    plain = AutoModelForCausalLM.from_pretrained(merged)
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    assert torch.allclose(adapted(input_ids=ids).logits, plain(input_ids=ids).logits, atol=1e-4)
    assert not torch.allclose(base(input_ids=ids).logits, plain(input_ids=ids).logits, atol=1e-2)
    assert AutoTokenizer.from_pretrained(merged).chat_template


def test_an_export_that_answers_differently_is_not_offered(make_run: MakeRun, start: Start) -> None:
    """The adapter was swapped on the disk for another one: the check against the run must find it out."""
    run, other = trained(make_run, start), trained(make_run, start, seed=7)
    assert run.result is not None
    assert other.result is not None
    shutil.copy(other.result / "adapter_model.safetensors", run.result / "adapter_model.safetensors")
    assert start("export", str(run.path), "adapter", stderr=subprocess.DEVNULL).wait() == 1
    failed = events(run.exports / "adapter.events.jsonl")[-1]
    assert isinstance(failed, Failed)
    assert "does not answer like the run" in failed.message
    assert read_report(run.exports, "adapter") is None
    assert not list(run.exports.glob("*.zip"))


def test_a_run_that_was_killed_can_still_be_exported(make_run: MakeRun, start: Start) -> None:
    run = make_run(rows=64, batch_size=1, epochs=3)
    worker = start("train", str(run.path))
    wait_for(run.events_path, Saved)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert start("export", str(run.path), "adapter").wait() == 0
    assert read_report(run.exports, "adapter") is not None
