"""What has to be right before anything is timed: versions, the tests for GPUs, attention, loading."""

import importlib.metadata
import inspect
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from common import ROOT

from gpu.processes import Bench

PACKAGES = ("torch", "triton", "transformers", "peft", "bitsandbytes", "accelerate", "tokenizers", "numpy", "trl")
NEEDED = {"transformers": "5.23", "peft": "0.21", "bitsandbytes": "0.50", "torch": "2."}
SHAPES = ((32, 8, 64), (32, 8, 128), (8, 4, 256))
LENGTHS = (700, 130, 1, 1024, 33)
FORWARD, BACKWARD = 1e-2, 2e-2


def versions(bench: Bench) -> None:
    """Say what is installed. Raises SystemExit where the studio could not run."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    bench.record("0 versions", python=sys.version.split()[0], **found)
    wrong = [f"{name} {found[name]}" for name, start in NEEDED.items() if not found[name].startswith(start)]
    if wrong:
        raise SystemExit(f"The studio needs {NEEDED}; here are {', '.join(wrong)}.")


def device(bench: Bench) -> None:
    """Say what the card is, whether bitsandbytes works on it, and how fast it is at its best."""
    import torch

    if bench.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        smi = shutil.which("nvidia-smi")
        query = ["nvidia-smi", "--query-gpu=driver_version,name,memory.total", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip() if smi else ""
        bench.record(
            "0 device",
            name=properties.name,
            memory_gib=round(properties.total_memory / 2**30, 2),
            capability=torch.cuda.get_device_capability(),
            arch_list=torch.cuda.get_arch_list(),
            cuda=torch.version.cuda,
            driver=driver,
        )
        from torch.nn.attention.varlen import varlen_attn

        bench.record("0 varlen_attn", signature=str(inspect.signature(varlen_attn)))
    import bitsandbytes
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    weight = 0.02 * torch.randn(512, 512, device=bench.device)
    packed, state = quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    error = (dequantize_4bit(packed, state) - weight).norm() / weight.norm()
    library = getattr(getattr(bitsandbytes, "cextension", None), "lib", None)
    bench.record("0 bitsandbytes", library=str(getattr(library, "_lib", library)), nf4_error=round(float(error), 4))
    bench.record("0 ceilings", **_ceilings(bench))
    from studio.codec import dumps
    from studio.workers.calibrate import measure

    began = time.monotonic()
    machine = measure()
    whole, path = bench.work / "machine.part", bench.work / "machine.json"
    whole.write_text(dumps(machine), encoding="utf-8")
    shutil.copy(whole, bench.out / "machine.json")
    whole.rename(path)
    bench.record("0 calibration", seconds=round(time.monotonic() - began, 1), **asdict(replace(machine, versions="")))


def _ceilings(bench: Bench) -> dict[str, float]:
    """The best that this device does: products of large square matrices in bf16, and a copy that no cache holds."""
    import torch

    width = 8192 if bench.device == "cuda" else 256
    left, right = (torch.randn(width, width, device=bench.device).bfloat16() for _ in range(2))
    product = 2 * width**3 / median_seconds(lambda: left @ right, bench.device)
    large = torch.randn(width, width * 4, device=bench.device).bfloat16()
    into = torch.empty_like(large)
    copy = 2 * large.numel() * 2 / median_seconds(lambda: into.copy_(large), bench.device)
    return {"bf16_tflops": round(product / 1e12, 1), "copy_gb_per_second": round(copy / 1e9, 1)}


def median_seconds(work: Callable[[], object], device: str, *, tries: int = 15) -> float:
    """Return the median seconds of `work` by the clock of the device, after three tries that do not count."""
    import torch

    for _ in range(3):
        work()
    seconds = []
    for _ in range(tries):
        if device == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            work()
            end.record()
            end.synchronize()
            seconds.append(begin.elapsed_time(end) / 1000)
        else:
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return sorted(seconds)[len(seconds) // 2]


def gpu_tests(bench: Bench) -> None:
    """Run the tests that are marked `gpu`."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "tests/ml/test_gpu.py"]
    command += [
        "tests/ml/test_adapted.py",
        "tests/ml/speed",
        "--basetemp",
        str(bench.work / "tests"),
        "--tb=short",
        "--durations=5",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=dict(os.environ))
    lines = done.stdout.strip().splitlines()
    sys.stdout.write(done.stdout + done.stderr)
    bench.record("1 tests", status=done.returncode, said=lines[-1] if lines else "", trace=done.stdout[-9000:])


def attention(bench: Bench) -> None:
    """Hold each way of attending against scores in fp64."""
    import torch

    from gpu.attending import CASES, NO_SOFTCAP, attended, expected, ways

    for heads, window, softcap in CASES:
        shape = tuple(max(1, side // 8) for side in heads) if bench.scale.small else heads
        lengths = tuple(bench.scale.tokens(each) for each in LENGTHS)
        rng = torch.Generator(device=bench.device).manual_seed(0)
        drawn = [
            torch.randn(count, sum(lengths), shape[2], device=bench.device, generator=rng)
            for count in (shape[0], shape[1], shape[1])
        ]
        down = torch.randn(sum(lengths), shape[0], shape[2], device=bench.device, generator=rng)
        for name, dtype in ways(bench.device):
            if softcap is not None and name in NO_SOFTCAP:
                continue
            inputs = [each.to(dtype) for each in drawn]
            try:
                found = attended(name, inputs, down.to(dtype), lengths=lengths, window=window, softcap=softcap)
            except Exception as error:  # what a kernel refuses is a result
                bench.record("2 attention", way=name, dtype=str(dtype), heads=heads, window=window, softcap=softcap,
                             error=f"{type(error).__name__}: {error}"[:300])  # fmt: skip
                continue
            right = expected(inputs, down, lengths=lengths, window=window, softcap=softcap)
            errors = [float((a.double() - b).norm() / b.norm()) for a, b in zip(found, right, strict=True)]
            close = errors[0] < FORWARD and max(errors[1:]) < BACKWARD
            bench.record("2 attention", way=name, dtype=str(dtype), heads=heads, window=window, softcap=softcap,
                         errors=[float(f"{each:.2g}") for each in errors], right=close)  # fmt: skip


def attention_times(bench: Bench) -> None:
    """Time each way on four rows of 2,048 tokens, forward and backward, and look at the memory it takes."""
    import torch

    from gpu.attending import attended, ways

    lengths = (bench.scale.tokens(2048),) * 4
    with bench.alone():
        for heads in SHAPES[:2]:
            drawn = [
                torch.randn(count, sum(lengths), heads[2], device=bench.device)
                for count in (heads[0], heads[1], heads[1])
            ]
            down = torch.randn(sum(lengths), heads[0], heads[2], device=bench.device)
            for name, dtype in ways(bench.device):
                inputs, gradient = [each.to(dtype) for each in drawn], down.to(dtype)
                before = _peak(bench.device, reset=True)
                try:
                    took = median_seconds(
                        lambda n=name, i=inputs, g=gradient: attended(n, i, g, lengths=lengths), bench.device, tries=7
                    )
                except Exception as error:  # what a kernel refuses is a result
                    bench.record("2 attention time", way=name, dtype=str(dtype), heads=heads, error=str(error)[:300])
                    continue
                mib = round((_peak(bench.device) - before) / 2**20)
                bench.record("2 attention time", way=name, dtype=str(dtype), heads=heads,
                             milliseconds=round(1000 * took, 2), extra_mib=mib)  # fmt: skip


def _peak(device: str, *, reset: bool = False) -> int:
    import torch

    if device != "cuda":
        return 0
    if reset:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return int(torch.cuda.memory_allocated())
    return int(torch.cuda.max_memory_allocated())


def loading(bench: Bench, *, bits: int) -> None:
    """Load the 1B model, and look at the memory of the process and at whether its rows can lie end to end."""
    import torch

    from studio.config import LORA, QLORA, RunConfig
    from studio.ml.engine import Engine
    from studio.ml.loading import choose_placement, load_base
    from studio.ml.methods import make_trainable

    folder = bench.model("llama-1b")
    placement = choose_placement(precision="auto", bits=bits)
    if bench.device == "cuda":
        torch.zeros(1, device="cuda")
    before = _resident()
    began = time.monotonic()
    base = load_base(folder, placement)
    loaded = time.monotonic() - began
    grown = _resident("VmHWM") - before
    config = RunConfig(method=QLORA if bits else LORA, model=str(folder))
    model = make_trainable(base, config).train()
    began = time.monotonic()
    engine = Engine(model, config=config, placement=placement, pad_id=257)
    bench.record(
        "3 loading",
        placement=placement.sentence,
        seconds=round(loaded, 2),
        engine_seconds=round(time.monotonic() - began, 2),
        host_gib=round(grown / 2**30, 2),
        gpu_gib=round(_peak(bench.device) / 2**30, 2),
        packed=engine.is_packed,
        left_out=engine.speedups.left_out,
        attention=engine.speedups.attention,
    )


def _resident(kind: str = "VmRSS") -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    return 0
