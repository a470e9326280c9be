"""The lines that go with an export: `tests/workers/test_export.py` tries whether they print the answer of the page."""

import ast
from pathlib import Path

import pytest

from studio.config import STARTER, RunConfig
from studio.data.examples import Example, Message
from studio.jobs.snippets import snippet
from studio.runs.store import RunFolder, RunStore

HOSTILE = 'Say """ and \\ \n```\nimport os  # \u2028 "'


def a_run(home: Path, question: str = "Where is dill?", **settings: object) -> RunFolder:
    row = Example((Message("system", "Be brief."), Message("user", question), Message("assistant", "Here.")), row=1)
    config = RunConfig(**{"model": "/models/herbs", "precision": "fp32", **settings})  # type: ignore[arg-type]
    origin = {"dataset_id": "d", "dataset_name": "D", "dataset_sha256": ""}
    return RunStore(home).create(config, train=[row], validation=[row], **origin)


@pytest.mark.parametrize(
    ("settings", "kind", "there", "missing"),
    [
        (
            {},
            "adapter",
            ['"herbs", dtype=torch.float32', "PeftModel", "GenerationConfig"],
            ["lora_", "Bits", "/models"],
        ),
        ({"model": STARTER}, "adapter", ['"HuggingFaceTB/SmolLM2-135M-Instruct"'], ["starter"]),
        ({"precision": "bf16"}, "adapter", ["dtype=torch.bfloat16", "weight.data.to(torch.bfloat16)"], []),
        ({"precision": "bf16"}, "merged", ["dtype=torch.bfloat16"], ["lora_", "peft"]),
        ({"precision": "fp16", "method": "qlora"}, "adapter", ["load_in_4bit=True", "compute_dtype=torch.float16"], []),
        ({"method": "qlora-8bit"}, "adapter", ["load_in_8bit=True"], ["4bit"]),
        ({"method": "qlora"}, "merged", ["dtype=torch.float32"], ["Bits"]),
        ({"method": "full"}, "merged", ["-model"], ["peft"]),
    ],
    ids=str,
)
def test_it_loads_what_was_compared(
    tmp_path: Path, settings: dict[str, object], kind: str, there: list[str], missing: list[str]
) -> None:
    code = snippet(a_run(tmp_path, **settings), kind)
    ast.parse(code)
    assert all(part in code for part in (*there, "do_sample=False", "apply_chat_template")), code
    assert not any(part in code for part in missing), code


def test_lengths_that_were_learned_stay_as_they_are(tmp_path: Path) -> None:
    """The studio keeps an adapter with them in fp32 beside a base in bf16."""
    run = a_run(tmp_path, precision="bf16", dora=True)
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "adapter_config.json").write_text('{"use_dora": true}', encoding="utf-8")
    assert "lora_" not in snippet(run, "adapter")


def test_it_asks_a_question_that_was_held_out_with_its_system_prompt(tmp_path: Path) -> None:
    code = snippet(a_run(tmp_path), "adapter")
    assert '{"role": "system", "content": "Be brief."}' in code
    assert '{"role": "user", "content": "Where is dill?"}' in code
    assert "Here." not in code


@pytest.mark.parametrize("question", [HOSTILE, "x" * 10_000, ""], ids=["hostile", "long", "empty"])
def test_any_question_leaves_python(tmp_path: Path, question: str) -> None:
    found = ast.parse(snippet(a_run(tmp_path, question), "merged"))
    imported = [each for each in ast.walk(found) if isinstance(each, ast.Import | ast.ImportFrom)]
    assert len(imported) == 2
