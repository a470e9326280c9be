"""The export worker on a finished run: both kinds, checked, and a report written last."""

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.compare.chat_protocol import BASE, Answered, Ask, Leave, Open, PaneRequest, Token
from studio.data.example_files import read_examples
from studio.data.examples import Message
from studio.events import Failed, Finished, Saved
from studio.jobs.exports import export_archive, export_folder, read_report
from studio.jobs.snippets import LONGEST_ANSWER, snippet
from studio.jobs.tasks import Chat, Export, Train
from studio.ml.reference import load_reference, save_reference
from studio.runs.store import RunFolder
from studio.workers.train import REFERENCE
from tests.warm import ONE_THREAD
from tests.workers.conftest import Start, events, wait_for
from tests.workers.test_chat import Conversation

MakeRun = Callable[..., RunFolder]
BETWEEN = "-- the next --"
OFFLINE = {**os.environ, **ONE_THREAD, "HF_HUB_OFFLINE": "1"}


def trained(make_run: MakeRun, start: Start, **settings: object) -> RunFolder:
    run = make_run(learning_rate=5e-3, **settings)
    assert start(Train(run.path)).wait() == 0
    return run


@pytest.mark.parametrize("method", ["lora", "qlora"], ids=["fp32", "nf4"])
def test_both_exports_of_a_run_load_in_plain_libraries_and_agree(
    make_run: MakeRun, start: Start, tiny_model: Path, tmp_path: Path, method: str
) -> None:
    run = trained(make_run, start, method=method)
    for kind in ("adapter", "merged"):
        assert start(Export(run.path, kind)).wait() == 0
        assert isinstance(events(run.exports / f"{kind}.events.jsonl")[-1], Finished)
        report = read_report(run.exports, kind)
        assert report is not None
        assert report.largest_difference < 1e-4
        assert report.same_answers == report.answers == 3
        assert report.step == report.run_step == 4
        assert report.archive_bytes == export_archive(run, kind).stat().st_size
        zipfile.ZipFile(export_archive(run, kind)).extractall(tmp_path / kind)
    (adapter,) = (tmp_path / "adapter").iterdir()
    (merged,) = (tmp_path / "merged").iterdir()
    ids = torch.tensor([[5, 6, 7, 8]])
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(adapter))
    plain = AutoModelForCausalLM.from_pretrained(merged)
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    assert torch.allclose(adapted(input_ids=ids).logits, plain(input_ids=ids).logits, atol=1e-4)
    assert not torch.allclose(base(input_ids=ids).logits, plain(input_ids=ids).logits, atol=1e-2)
    assert AutoTokenizer.from_pretrained(merged).chat_template


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("precision", "kinds"), [("fp32", ("adapter", "merged")), ("bf16", ("adapter",))])
def test_the_code_that_goes_with_an_export_prints_the_answer_of_the_page(
    make_run: MakeRun, start: Start, tiny_model: Path, tmp_path: Path, precision: str, kinds: tuple[str, ...]
) -> None:
    """It loaded the adapter in fp32 and asked nothing: in bf16 two of four answers were not those of the page."""
    run = trained(make_run, start, epochs=4, precision=precision)
    (example, *_) = read_examples(run.validation_path)
    chat = start(Chat(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    page = Conversation(chat)
    page.say(Open(model=str(tiny_model), bits=0, precision=precision))
    question = (Message("user", example.messages[0].content),)
    panes = tuple(PaneRequest(adapter, question) for adapter in (BASE, str(run.result)))
    page.say(Ask(id=1, panes=panes, temperature=0.0, top_p=1.0, max_new_tokens=LONGEST_ANSWER, seed=1))
    said = page.hear_until(Answered, times=2)
    base, tuned = ("".join(each.text for each in said if isinstance(each, Token) and each.pane == n) for n in (0, 1))
    assert base != tuned

    page.say(Leave())

    shutil.copytree(tiny_model, tmp_path / "used" / tiny_model.name)  # the base, as it is called elsewhere
    lines = []
    for kind in kinds:
        assert start(Export(run.path, kind)).wait() == 0
        zipfile.ZipFile(export_archive(run, kind)).extractall(tmp_path / "used")
        readme = (tmp_path / "used" / export_folder(run, kind).name / "README.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
        assert code == snippet(run, kind), "the page shows the same lines"
        lines.append(code)
    # One process for all of them, because reading the libraries takes longer than all else.
    command = [sys.executable, "-c", f"\nprint({BETWEEN!r})\n".join(lines)]
    done = subprocess.run(command, cwd=tmp_path / "used", env=OFFLINE, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split(f"{BETWEEN}\n") == [f"{tuned}\n"] * len(kinds)


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
def test_a_full_run_gives_its_model_away_and_no_adapter(
    make_run: MakeRun, start: Start, tiny_model: Path, tmp_path: Path, stored: str
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_model, base)
    AutoModelForCausalLM.from_pretrained(base, dtype=stored).save_pretrained(base)
    run = trained(make_run, start, method="full", model=str(base))
    assert start(Export(run.path, "adapter"), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(run.exports / "adapter.events.jsonl")[-1]
    assert isinstance(failed, Failed)
    assert "trained the whole model" in failed.message

    assert start(Export(run.path, "merged")).wait() == 0
    report = read_report(run.exports, "merged")
    assert report is not None
    assert report.largest_difference <= (report.tolerance if stored == "bfloat16" else 0)
    assert report.same_answers == report.answers == 3
    zipfile.ZipFile(export_archive(run, "merged")).extractall(tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert unpacked.name == f"{run.id}-model"
    model = AutoModelForCausalLM.from_pretrained(unpacked)
    assert str(model.dtype) == f"torch.{stored}"
    ids = torch.tensor([[5, 6, 7, 8]])
    assert run.result is not None
    assert torch.equal(
        model(input_ids=ids).logits, AutoModelForCausalLM.from_pretrained(run.result)(input_ids=ids).logits
    )
    assert AutoTokenizer.from_pretrained(unpacked).chat_template
    assert "every weight was trained" in (unpacked / "README.md").read_text(encoding="utf-8")


def test_an_export_is_checked_in_the_precision_of_the_run(make_run: MakeRun, start: Start, start_cold: Start) -> None:
    """What "auto" means is the machine's: an fp32 run was loaded back in bf16 elsewhere, and seemed to differ."""
    run = trained(make_run, start, precision="fp32")
    config = run.path / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"fp32"', '"bf16"'), encoding="utf-8")
    assert start_cold(Export(run.path, "adapter")).wait() == 0
    report = read_report(run.exports, "adapter")
    assert report is not None
    assert report.largest_difference < 1e-4


@pytest.mark.parametrize(
    "settings",
    [{"dora": True, "train_embeddings": True}, {"initialisation": "pissa", "precision": "fp32"}],
    ids=["dora", "pissa"],
)
def test_a_run_of_another_kind_of_adapter_is_exported(
    make_run: MakeRun, start: Start, settings: dict[str, object]
) -> None:
    """A DoRA run ended in an error when its answers were asked for, after all of its steps."""
    run = trained(make_run, start, **settings)
    for kind in ("adapter", "merged"):
        assert start(Export(run.path, kind)).wait() == 0
        report = read_report(run.exports, kind)
        assert report is not None
        assert report.same_answers == report.answers == 3


def test_an_export_that_answers_differently_is_not_offered(make_run: MakeRun, start: Start) -> None:
    """The adapter was changed on the disk: the check against the run must find it out, in bf16 too."""
    run = trained(make_run, start, precision="bf16")
    assert run.result is not None
    weights, settings = run.result / "adapter_model.safetensors", run.result / "adapter_config.json"
    whole, written = weights.read_bytes(), settings.read_text(encoding="utf-8")
    assert start(Export(run.path, "merged")).wait() == 0
    tensors = load_file(weights)
    name = next(name for name in tensors if "lora_B" in name)
    for fault in ("scaled", "zeroed", "alpha"):
        weights.write_bytes(whole)
        if fault == "alpha":
            settings.write_text(written.replace('"lora_alpha": 32', '"lora_alpha": 33'), encoding="utf-8")
        else:
            share = {"scaled": 1.02, "zeroed": 0.0}[fault]
            save_file({**tensors, name: tensors[name] * share}, weights, metadata={"format": "pt"})
        kind = "merged" if fault == "zeroed" else "adapter"
        assert start(Export(run.path, kind), stderr=subprocess.DEVNULL).wait() == 1
        failed = events(run.exports / f"{kind}.events.jsonl")[-1]
        assert isinstance(failed, Failed)
        assert "does not answer like the run" in failed.message
        assert not export_archive(run, kind).exists()
    assert read_report(run.exports, "adapter") is None


@pytest.mark.parametrize(("method", "kind"), [("lora", "adapter"), ("full", "merged")])
def test_a_run_that_was_killed_can_still_be_exported(make_run: MakeRun, start: Start, method: str, kind: str) -> None:
    run = make_run(rows=64, batch_size=1, epochs=3, method=method)
    worker = start(Train(run.path))
    wait_for(run.events_path, Saved)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert start(Export(run.path, kind)).wait() == 0
    report = read_report(run.exports, kind)
    assert report is not None
    assert "the run left" in report.checked_with
    assert run.result is not None
    assert report.step == int(run.result.name.removeprefix("step-")) <= report.run_step
    assert not list(export_folder(run, kind).glob("progress*"))


def test_a_run_on_an_8_bit_base_is_exported_and_a_damaged_one_is_not(make_run: MakeRun, start: Start) -> None:
    """Its logits may be off by what rounding does; its files may not."""
    run = trained(make_run, start, method="qlora-8bit", precision="bf16")
    assert start(Export(run.path, "adapter")).wait() == 0
    report = read_report(run.exports, "adapter")
    assert report is not None
    assert report.largest_difference <= report.tolerance
    assert run.result is not None
    weights = run.result / "adapter_model.safetensors"
    tensors = load_file(weights)
    name = next(name for name in tensors if "lora_B" in name)
    save_file({**tensors, name: tensors[name] * 1.02}, weights, metadata={"format": "pt"})
    assert start(Export(run.path, "adapter"), stderr=subprocess.DEVNULL).wait() == 1
    assert not export_archive(run, "adapter").exists()


def test_the_answers_of_an_older_run_are_asked_again_exactly(make_run: MakeRun, start: Start) -> None:
    """They were rounded as the training was, which hid errors of some hundredths."""
    run = trained(make_run, start, precision="bf16")
    kept = load_reference(run.path / REFERENCE)
    assert kept.exact
    save_reference(replace(kept, exact=False, learned=""), run.path / REFERENCE)
    assert start(Export(run.path, "adapter")).wait() == 0
    assert load_reference(run.path / REFERENCE).exact
    report = read_report(run.exports, "adapter")
    assert report is not None
    assert report.tolerance < 0.01
    assert "the run left" in report.checked_with
