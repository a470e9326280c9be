"""Whether the studio works on a GPU, and how fast: one command of a few minutes, on models with random weights.

    python benchmarks/gpu.py --out FOLDER [--only 2 4] [--minutes 6] [--small]

Each part runs in a process of its own with its own time; what it finds goes into results.jsonl at once, and a table
comes last. `--small` rehearses the same lines with tiny models on a processor.
"""

import argparse
import functools
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from common import ROOT, say

sys.path.insert(0, str(ROOT))
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # so that a look for a GPU does not start CUDA here
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from gpu import answers, checks, compared, shapes, steps
from gpu.processes import Bench, Part, run_parts
from gpu.report import table

ROOM_GIB = 45
HEAVY = (
    "torch",
    "transformers",
    "transformers.models.llama.modeling_llama",
    "transformers.models.qwen3.modeling_qwen3",
    "transformers.models.gemma2.modeling_gemma2",
    "transformers.models.gemma3.modeling_gemma3",
    "transformers.generation",
    "accelerate",
)
"""What all parts import, and what does not start CUDA: bitsandbytes does, and peft imports it."""
STARTS_CUDA = ("peft", "studio.ml.export", "studio.ml.answering", "studio.ml.training", "studio.workers.calibrate")


def parts() -> list[tuple[str, int, Part]]:
    """List all parts in order: the number of the list, which group of processes they are in, and the part."""
    return [
        ("0", 0, Part("0 device", checks.device, 60)),
        ("1", 1, Part("1 tests", checks.gpu_tests, 100)),
        ("2", 1, Part("2 attention", checks.attention, 60)),
        ("3", 1, Part("3 loading bf16", functools.partial(checks.loading, bits=0), 60)),
        ("3", 1, Part("3 loading nf4", functools.partial(checks.loading, bits=4), 60)),
        *(("4", 2, Part(f"4 {case.name}", functools.partial(steps.train_case, case=case), 70)) for case in steps.CASES),
        ("5", 2, Part("5 trl", compared.trl, 80)),
        ("6", 2, Part("6 out of memory", compared.out_of_memory, 50)),
        ("7", 2, Part("7 answers", answers.answers, 80)),
        ("5", 2, Part("5 speed-ups", compared.speedups, 90)),
        ("7", 2, Part("7 merging", functools.partial(answers.merging, cap_gib=None), 50)),
        ("7", 2, Part("7 merging, capped", functools.partial(answers.merging, cap_gib=2.0), 60)),
        ("2", 2, Part("2 attention times", checks.attention_times, 40)),
        ("5", 2, Part("5 allocator", compared.expandable, 60)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder for the results")
    parser.add_argument("--only", nargs="*", default=[], help="numbers of the list, or parts of names, such as '4 1b'")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--cap", type=float, default=24.0, help="the GiB of a GPU that a training may take")
    parser.add_argument(
        "--machine", type=Path, help="machine.json of an earlier run, so that nothing is measured again"
    )
    parser.add_argument(
        "--profile", action="store_true", help="say of three trainings which kernels they spend time in"
    )
    parser.add_argument("--small", action="store_true", help="tiny models on a processor")
    asked = parser.parse_args(arguments)
    until = time.monotonic() + 60 * asked.minutes
    asked.out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="gpu-", dir=_roomy(small=asked.small)))
    scale = shapes.Scale(small=asked.small)
    bench = Bench(work, asked.out, scale, "cpu" if asked.small else "cuda", asked.cap, asked.profile)
    try:
        checks.versions(bench)
        _import(bench)
        if asked.machine is not None:
            shutil.copy(asked.machine, work / "machine.json")
        known = () if asked.machine is None else ("0",)
        wanted = [each for each in parts() if each[0] not in known and _is_asked(each[0], each[2].name, asked.only)]
        run_parts(_writers(scale), bench, at_once=5, until=until) if asked.small else _start_writers(bench, scale)
        for group, at_once in ((0, 1), (1, 4), (2, 2)):
            chosen = [part for _, which, part in wanted if which == group]
            run_parts(chosen, bench, at_once=1 if asked.small else at_once, until=until)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        say(table(bench.results))
    return 0


def _is_asked(number: str, name: str, only: Sequence[str]) -> bool:
    return number == "0" or not only or any(each == number or each in name for each in only)


def _roomy(*, small: bool) -> str | None:
    """Say where the models are written: into memory where there is room."""
    shm = Path("/dev/shm")
    if not small and shm.is_dir() and shutil.disk_usage(shm).free > ROOM_GIB * 2**30:
        return str(shm)
    return None


def _import(bench: Bench) -> None:
    began = time.monotonic()
    for name in (*HEAVY, *STARTS_CUDA) if bench.scale.small else HEAVY:
        importlib.import_module(name)
    import torch

    has_gpu = torch.cuda.is_available()
    bench.record("0 start", seconds=round(time.monotonic() - began, 1), gpu=has_gpu, room=str(bench.work),
                 started_cuda=torch.cuda.is_initialized())  # fmt: skip
    if not has_gpu and not bench.scale.small:
        raise SystemExit("PyTorch sees no GPU here. --small rehearses on a processor.")


def _write(bench: Bench, *, name: str, scale: shapes.Scale) -> None:
    began = time.monotonic()
    shapes.write_model(name, bench.work / name, scale=scale)
    (bench.work / f"{name}.ready").touch()
    bench.record("0 written", model=name, seconds=round(time.monotonic() - began, 1))


def _writers(scale: shapes.Scale) -> list[Part]:
    return [Part(f"write {name}", functools.partial(_write, name=name, scale=scale), 120) for name in shapes.SHAPES]


def _start_writers(bench: Bench, scale: shapes.Scale) -> None:
    """Write all models beside the first parts, in processes that nobody waits for."""
    if os.fork() == 0:
        try:
            run_parts(_writers(scale), bench, at_once=5, until=time.monotonic() + 120)
        finally:
            os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main())
