"""The export of a GGUF by a real worker: written, asked, put on the shelf whole, or not at all."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError
from studio.events import Failed, Finished, Loading
from studio.jobs.evaluation_report import EvaluationReport, read_rows, rows_path
from studio.jobs.evaluation_report import read_report as read_evaluation
from studio.jobs.exports import (
    GGUF_ADAPTER,
    NO_ANSWER,
    export_archive,
    export_modelfile,
    export_state,
    gguf_kind,
    read_report,
)
from studio.jobs.jobs import Jobs
from studio.jobs.tasks import Evaluate, Export, Train
from studio.ml.gguf_prompts import OWN
from studio.runs.launcher import Worker
from studio.runs.store import RunFolder
from studio.workers.base_model import load_renderer
from studio.workers.gguf_export import ensure_room
from studio.workers.gguf_score import score_beside, scored_rows
from studio.workers.modelfile import modelfile, template_of
from tests.tiny_model import write_tiny_gguf_base
from tests.warm import ONE_THREAD
from tests.workers.conftest import Start, events, wait_for

MakeRun = Callable[..., RunFolder]
TRIMMING = """{% for message in messages %}<|im_start|>{{ message['role'] }}
{{ message['content'] | trim }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf_base(tmp_path_factory.mktemp("gguf") / "base")


def trained(make_run: MakeRun, start: Start, base: Path, **settings: object) -> RunFolder:
    run = make_run(learning_rate=5e-3, model=str(base), **settings)
    assert start(Train(run.path)).wait() == 0
    return run


def hidden(run: RunFolder) -> list[str]:
    return [path.name for path in run.exports.iterdir() if path.name.startswith(".")]


def test_a_run_becomes_a_file_that_answers_like_it(make_run: MakeRun, start: Start, base: Path) -> None:
    """The second of a kind takes the place of the first."""
    run = trained(make_run, start, base)
    kind = gguf_kind("f16")
    run.exports.mkdir(exist_ok=True)
    export_archive(run, kind).write_bytes(b"an earlier one")
    assert start(Export(run.path, kind)).wait() == 0
    said = events(Export(run.path, kind).paths.events)
    assert isinstance(said[-1], Finished)
    assert "Loading it with llama.cpp and asking it" in [each.what for each in said if isinstance(each, Loading)]
    report = read_report(run.exports, kind)
    assert report is not None
    assert report.gguf is not None
    check = report.gguf
    assert (check.prompts, check.held_out) == (7, 4)
    assert check.same_tokens == check.tokens > 6
    assert check.divergence <= check.allowed < 1e-4
    assert report.same_answers == report.answers == 6
    file = export_archive(run, kind)
    assert file.read_bytes()[:4] == b"GGUF"
    assert report.archive_bytes == file.stat().st_size
    lines = export_modelfile(run, kind).read_text(encoding="utf-8").splitlines()
    assert f"FROM ./{file.name}" in lines
    assert 'PARAMETER stop "<|im_end|>"' in lines
    assert "PARAMETER num_ctx 2048" in lines, "the model reads no more"
    assert check.has_template
    assert "Ollama itself was not asked" in lines[1]
    assert hidden(run) == []


def test_a_file_is_scored_on_the_rows_that_the_run_was_scored_on(make_run: MakeRun, start: Start, base: Path) -> None:
    run = trained(make_run, start, base, held_out=10, epochs=4)
    renderer = load_renderer(base)
    assert scored_rows(run, renderer) is None
    assert start(Evaluate(run.path, "end", probes=False)).wait() == 0
    kind = gguf_kind("f16")
    assert start(Export(run.path, kind)).wait() == 0
    report = read_report(run.exports, kind)
    assert report is not None
    assert report.gguf is not None
    score = report.gguf.score
    assert score is not None
    assert score.base is not None
    rows = read_rows(run, "end")
    assert score.rows == len(rows) == 10
    assert score.base.value == pytest.approx(sum(row.tuned_score or 0.0 for row in rows) / 10)
    assert score.tuned.value == pytest.approx(
        score.base.value, abs=0.05
    )  # the run was scored in the format of its base
    found = scored_rows(run, renderer)
    assert found is not None
    expected = [renderer.prompt((Message("user", row.expected),)) for row in found.rows]
    assert score_beside(found, lambda questions: [[] for _ in questions], renderer).tuned.value == 0
    assert score_beside(found, lambda questions: [list(ids) for ids in expected], renderer).tuned.value > 0
    assert run.result is not None
    os.utime(run.result, (report_time := rows_path(run, _end(run)).stat().st_mtime + 60, report_time))
    assert scored_rows(run, renderer) is None, "it went on since"


def _end(run: RunFolder) -> EvaluationReport:
    report = read_evaluation(run, "end")
    assert report is not None
    return report


def test_an_adapter_alone_answers_like_the_run_and_at_scale_0_like_the_base(
    make_run: MakeRun, start: Start, base: Path
) -> None:
    run = trained(make_run, start, base, epochs=4)
    assert start(Export(run.path, GGUF_ADAPTER)).wait() == 0
    report = read_report(run.exports, GGUF_ADAPTER)
    assert report is not None
    assert report.gguf is not None
    check = report.gguf
    assert check.same_tokens == check.tokens > 6
    assert check.base_same_tokens == check.base_tokens > 6
    assert check.divergence <= check.allowed < 1e-4
    file = export_archive(run, GGUF_ADAPTER)
    assert report.archive_bytes == file.stat().st_size < 200_000, "no weight of the base is in it"
    assert not file.with_suffix(".Modelfile").exists()
    assert hidden(run) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dora": True}, "is a DoRA run"),
        ({"train_embeddings": True}, "trained its word table and output head as a whole"),
        ({"method": "full"}, "trained the whole model"),
    ],
    ids=str,
)
def test_what_a_gguf_of_an_adapter_cannot_carry_is_a_sentence(
    make_run: MakeRun, start: Start, base: Path, settings: dict[str, object], words: str
) -> None:
    run = trained(make_run, start, base, epochs=1, **settings)
    assert start(Export(run.path, GGUF_ADAPTER), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(Export(run.path, GGUF_ADAPTER).paths.events)[-1]
    assert isinstance(failed, Failed)
    assert words in failed.message
    assert failed.hint
    assert not export_archive(run, GGUF_ADAPTER).exists()


KILLED = [
    (gguf_kind("f16"), "Writing the GGUF (F16)", "Merging the adapter into the base"),
    (gguf_kind("f16"), "Loading it with llama.cpp and asking it", "Writing the GGUF (F16)"),
    (GGUF_ADAPTER, "Loading the base with llama.cpp and asking it without the adapter", ""),
]


@pytest.mark.parametrize(("kind", "killed_at", "made"), KILLED)
def test_one_that_was_killed_offers_nothing_and_the_next_goes_on_from_what_it_had_made(
    make_run: MakeRun, start: Start, base: Path, kind: str, killed_at: str, made: str
) -> None:
    run = trained(make_run, start, base)
    task = Export(run.path, kind)
    worker = start(task)
    wait_for(task.paths.events, Loading, what=killed_at)
    worker.kill()
    worker.wait()
    jobs = Jobs(lambda task: Worker(process_id=None, exit_code=lambda: -9))
    assert export_state(jobs, run, kind).result is None
    assert not export_archive(run, kind).exists()
    written = [path.stat().st_ino for path in run.exports.glob(".*/file/*.gguf")]
    before = len(events(task.paths.events))
    assert start(task).wait() == 0
    said = [event.what for event in events(task.paths.events)[before:] if isinstance(event, Loading)]
    assert killed_at in said
    assert made not in said
    assert hidden(run) == []
    assert not written or written == [export_archive(run, kind).stat().st_ino]
    assert export_state(jobs, run, kind).result is not None


def test_a_full_run_becomes_a_file_of_k_quants(make_run: MakeRun, start: Start, base: Path) -> None:
    run = trained(make_run, start, base, method="full")
    kind = gguf_kind("q4_k_m")
    assert start(Export(run.path, kind)).wait() == 0
    report = read_report(run.exports, kind)
    assert report is not None
    assert report.gguf is not None
    assert 0 < report.gguf.divergence < report.gguf.allowed
    assert report.gguf.fell_back > report.gguf.tensors / 2, "its width is 64"


def test_a_base_that_no_gguf_can_carry_is_a_sentence(make_run: MakeRun, start: Start, tiny_model: Path) -> None:
    run = trained(make_run, start, tiny_model)
    kind = gguf_kind("q8_0")
    assert start(Export(run.path, kind), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(Export(run.path, kind).paths.events)[-1]
    assert isinstance(failed, Failed)
    assert "cannot carry the tokenizer of this model" in failed.message
    assert not export_archive(run, kind).exists()
    assert read_report(run.exports, kind) is None
    assert hidden(run) == []


def test_a_run_whose_adapter_was_changed_gives_no_file(make_run: MakeRun, start: Start, base: Path) -> None:
    run = trained(make_run, start, base)
    assert run.result is not None
    settings = run.result / "adapter_config.json"
    settings.write_text(settings.read_text().replace('"lora_alpha": 32', '"lora_alpha": 33'), encoding="utf-8")
    kind = gguf_kind("f16")
    assert start(Export(run.path, kind), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(Export(run.path, kind).paths.events)[-1]
    assert isinstance(failed, Failed)
    assert "does not answer like the run" in failed.message
    assert not export_archive(run, kind).exists()


def test_one_that_is_cancelled_leaves_nothing_and_keeps_the_earlier(
    make_run: MakeRun, start: Start, base: Path
) -> None:
    run = trained(make_run, start, base)
    kind = gguf_kind("q4_k_m")
    run.exports.mkdir(exist_ok=True)
    export_archive(run, kind).write_bytes(b"an earlier one")
    worker = start(Export(run.path, kind))
    wait_for(Export(run.path, kind).paths.events, Loading, what="Writing the GGUF")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    last = events(Export(run.path, kind).paths.events)[-1]
    assert isinstance(last, Finished)
    assert last.status == "stopped"
    assert hidden(run) == []
    assert export_archive(run, kind).read_bytes() == b"an earlier one"


def test_too_little_disk_or_memory_is_said_before(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"takes about .* of space on the disk, and 1\.0 kB are free"):
        ensure_room(tmp_path, base, kind="gguf-q8_0", free=1000, memory=2**40)
    with pytest.raises(ExportError, match="of memory, and"):
        ensure_room(tmp_path, base, kind="gguf-q8_0", free=2**40, memory=2**20)


def test_a_template_that_ollama_cannot_be_given_is_left_out(base: Path, tmp_path: Path) -> None:
    """It trims what is said, so a question with spaces around it would come out as another."""
    renderer = ChatRenderer.load(base)
    found = template_of(renderer, OWN)
    assert found is not None
    for conversation in OWN:
        assert found.fill(conversation) == renderer.prompt_text(conversation)
    assert found.fill((Message("tool", "4"),)) is None
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (tmp_path / name).write_bytes((base / name).read_bytes())
    (tmp_path / "chat_template.jinja").write_text(TRIMMING, encoding="utf-8")
    assert template_of(ChatRenderer.load(tmp_path), OWN) is None
    text = modelfile(file="x.gguf", name="a\nb", template=None, stops=['"'], context=0, longest=9000)
    assert "TEMPLATE" not in text.replace("no TEMPLATE", "")
    assert "# a b, made with" in text
    assert "stop" not in text.lower().split("from ./")[1]
    assert "num_ctx 9000" in text


def test_an_ollama_on_the_machine_is_asked_with_the_modelfile(
    make_run: MakeRun, start: Start, start_cold: Start, base: Path, tmp_path: Path
) -> None:
    """One that is broken: the file is offered, and the Modelfile says so."""
    run = trained(make_run, start, base)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ollama"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    kind = gguf_kind("f16")
    environment = {**os.environ, **ONE_THREAD, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    assert start_cold(Export(run.path, kind), env=environment, stderr=subprocess.DEVNULL).wait() == 0
    report = read_report(run.exports, kind)
    assert report is not None
    assert report.gguf is not None
    assert report.gguf.ollama == NO_ANSWER
    assert "Ollama was asked, and gave no answer." in export_modelfile(run, kind).read_text(encoding="utf-8")
